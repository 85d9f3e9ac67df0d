import { expect, test } from "vitest";
import { placesOf, planUpdate, type UpdateRequest } from "../../../cache-node/cells/plan-update.ts";
import { Cell } from "../../../cache-node/store/cell.ts";
import { createCollection, loadOf } from "../../../cache-node/store/collections.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import type { CellKind } from "../../../src/wire/cell.ts";
import {
  type CollectionKind,
  decodeUpdate,
  decodeValues,
  popBytesMax,
} from "../../../src/wire/collection.ts";
import { fakeHeap, manualClock, mebibyte } from "../store/fakes.ts";
import { job } from "./cells-fixture.ts";

const options = { limitBytes: 8 * mebibyte, clock: manualClock(), heap: fakeHeap(), touchBytesPerStep: 0 };
const memory = createNodeMemory(options).job(job);

function cellOf(kind: CellKind, value: string): Cell {
  const block = memory.allocate(value.length)!;
  block.view().set(Buffer.from(value));
  return new Cell({ kind, version: { generation: 1, sequence: 1 }, expiresAtMs: 0 }, 1, block);
}

function collectionOf(kind: CollectionKind, values: readonly string[]) {
  const collection = createCollection(kind, memory);
  collection
    .prepare(
      loadOf(
        kind,
        values.map((value) => Buffer.from(value)),
      ),
    )!
    .commit();
  return collection;
}

/** The plan in words: the effect, what it answers without one, or why not. */
function planned(request: UpdateRequest, kind?: CellKind, values: readonly string[] = []): string {
  const isCollection = kind === "list" || kind === "hash" || kind === "set";
  const cell = kind && cellOf(kind, isCollection ? "" : values[0]!);
  const plan = planUpdate(request, cell, isCollection ? collectionOf(kind, values) : undefined);
  if ("refused" in plan) return plan.refused.code;
  if ("unchanged" in plan) {
    const { unchanged } = plan;
    return `unchanged ${typeof unchanged === "number" ? unchanged : `[${decodeValues(unchanged).length}]`}`;
  }
  if (plan.kind === "counter") return `counter ${Buffer.from(plan.value)}`;
  const { operation, head, tail, values: given } = decodeUpdate(plan.value);
  return `${plan.kind} ${operation} ${head} ${tail} ${given.map((value) => Buffer.from(value).toString())}`.trim();
}

const values = (...texts: string[]) => texts.map((text) => Buffer.from(text));
const most = Number.MAX_SAFE_INTEGER;
const abc = ["a", "b", "c"];

test("counters begin at 0, take the text of a number, and end where numbers are not exact any more", () => {
  expect(planned({ operation: "incr", by: 5 })).toBe("counter 5");
  expect(planned({ operation: "incr", by: -7 }, "counter", ["3"])).toBe("counter -4");
  expect(planned({ operation: "incr", by: 1 }, "bytes", ["41"])).toBe("counter 42");
  expect(planned({ operation: "incr", by: 0 }, "counter", ["3"])).toBe("counter 3");
  for (const text of ["", "x", "1.5", "01"]) {
    expect(planned({ operation: "incr", by: 1 }, "bytes", [text]), text).toBe("WRONG_TYPE");
  }
  expect(planned({ operation: "incr", by: 1 }, "counter", [String(most)])).toBe("INVALID_ARGUMENT");
  expect(planned({ operation: "incr", by: -2 }, "counter", [String(1 - most)])).toBe("INVALID_ARGUMENT");
  expect(planned({ operation: "incr", by: -1 }, "counter", [String(1 - most)])).toBe(`counter -${most}`);
});

test("what is for one kind is refused by the others", () => {
  const requests: [UpdateRequest, CellKind][] = [
    [{ operation: "rpush", values: values("x") }, "list"],
    [{ operation: "lpop", count: 1 }, "list"],
    [{ operation: "ltrim", start: 0, stop: 0 }, "list"],
    [{ operation: "hset", values: values("f", "v") }, "hash"],
    [{ operation: "hincr", field: Buffer.from("f"), by: 1 }, "hash"],
    [{ operation: "sadd", values: values("m") }, "set"],
    [{ operation: "incr", by: 1 }, "counter"],
  ];
  for (const [request, right] of requests) {
    for (const kind of ["bytes", "ref", "counter", "list", "hash", "set"] as const) {
      if (kind === right || (right === "counter" && kind === "bytes")) continue;
      const held = kind === "counter" ? ["1"] : kind === "hash" ? ["f", "1"] : ["x"];
      expect(planned(request, kind, held), `${request.operation} ${kind}`).toBe("WRONG_TYPE");
    }
  }
});

test("elements are taken from either end, as many as there are and as an answer may have bytes", () => {
  expect(planned({ operation: "lpop", count: 2 }, "list", abc)).toBe("list lpop 2 0");
  expect(planned({ operation: "rpop", count: 9 }, "list", abc)).toBe("list rpop 0 3");
  expect(planned({ operation: "lpop", count: 0 }, "list", abc)).toBe("unchanged [0]");
  expect(planned({ operation: "rpop", count: 1 })).toBe("unchanged [0]");
  const [half, all] = ["x".repeat(popBytesMax / 2), "x".repeat(popBytesMax)];
  expect(planned({ operation: "lpop", count: 9 }, "list", [half, half, "c"])).toBe("list lpop 2 0");
  expect(planned({ operation: "rpop", count: 9 }, "list", [half, half, "c"])).toBe("list rpop 0 2");
  expect(planned({ operation: "lpop", count: 9 }, "list", [all, "b"])).toBe("list lpop 1 0");
});

test("a list is trimmed to a range, which counts from either end", () => {
  const trim = (start: number, stop: number) => planned({ operation: "ltrim", start, stop }, "list", abc);
  expect(trim(1, 1)).toBe("list ltrim 1 1");
  expect(trim(-2, -1)).toBe("list ltrim 1 0");
  expect(trim(0, -1)).toBe("unchanged 3");
  expect(trim(-9, 9)).toBe("unchanged 3");
  expect(trim(2, 1)).toBe("list ltrim 3 0");
  expect(trim(5, 9)).toBe("list ltrim 3 0");
  expect(planned({ operation: "ltrim", start: 0, stop: 0 })).toBe("unchanged 0");
});

test("a range is what a slice of an array is, with its last element", () => {
  const items = [..."abcdef"];
  for (let start = -8; start <= 8; start++) {
    for (let stop = -8; stop <= 8; stop++) {
      const end = stop === -1 ? undefined : stop + 1;
      const wanted = stop < -items.length ? [] : items.slice(start, end);
      expect(items.slice(...placesOf(start, stop, items.length)), `${start} ${stop}`).toEqual(wanted);
    }
  }
});

test("names that are there or not there make no effect", () => {
  expect(planned({ operation: "sadd", values: values("a", "b") }, "set", abc)).toBe("unchanged 0");
  expect(planned({ operation: "sadd", values: values("a", "d") }, "set", abc)).toBe("set sadd 0 0 a,d");
  expect(planned({ operation: "srem", values: values("d", "e") }, "set", abc)).toBe("unchanged 0");
  expect(planned({ operation: "srem", values: values("d", "a") }, "set", abc)).toBe("set srem 0 0 d,a");
  expect(planned({ operation: "srem", values: values("a") })).toBe("unchanged 0");
  expect(planned({ operation: "hdel", values: values("x") }, "hash", ["f", "v"])).toBe("unchanged 0");
  expect(planned({ operation: "hdel", values: values("f") }, "hash", ["f", "v"])).toBe("hash hdel 0 0 f");
  expect(planned({ operation: "hset", values: values("f", "v") }, "hash", ["f", "v"])).toBe(
    "hash hset 0 0 f,v",
  );
});

test("fields count too", () => {
  const field = Buffer.from("f");
  expect(planned({ operation: "hincr", field, by: 2 })).toBe("hash hincr 0 0 f,2");
  expect(planned({ operation: "hincr", field, by: -2 }, "hash", ["f", "40"])).toBe("hash hincr 0 0 f,38");
  expect(planned({ operation: "hincr", field, by: 1 }, "hash", ["f", "x"])).toBe("WRONG_TYPE");
  expect(planned({ operation: "hincr", field, by: 1 }, "hash", ["f", String(most)])).toBe("INVALID_ARGUMENT");
});

test("a collection has a limit, which what is there already does not count against", () => {
  const full = (kind: CollectionKind) =>
    ({ size: 1024 * 1024, kind, has: (name: string) => name.startsWith("old") }) as never;
  const plan = (operation: "rpush" | "hset" | "sadd", kind: CollectionKind, ...texts: string[]) => {
    const made = planUpdate({ operation, values: values(...texts) }, cellOf(kind, ""), full(kind));
    return "refused" in made ? made.refused.code : "effect";
  };
  expect(plan("rpush", "list", "old")).toBe("TOO_LARGE");
  expect(plan("hset", "hash", "old", "v", "old2", "v")).toBe("effect");
  expect(plan("hset", "hash", "old", "v", "new", "v")).toBe("TOO_LARGE");
  expect(plan("sadd", "set", "old", "new")).toBe("TOO_LARGE");
});
