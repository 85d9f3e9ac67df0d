import { expect, test } from "vitest";
import { planUpdate } from "../../../cache-node/cells/plan-update.ts";
import { countOfRead, readMessages, waiting } from "../../../cache-node/cells/queue.ts";
import { createCollection, type Hash } from "../../../cache-node/store/collections.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import { decodeUpdate } from "../../../src/wire/collection.ts";
import { createTable, decodeMessage } from "../../../src/wire/queue.ts";
import { fakeHeap, manualClock, mebibyte } from "../store/fakes.ts";
import { job } from "./cells-fixture.ts";

const options = { limitBytes: 64 * mebibyte, clock: manualClock(), heap: fakeHeap(), touchBytesPerStep: 0 };

function createQueue() {
  const hash = createCollection("hash", createNodeMemory(options).job(job)) as Hash;
  /** Plans as the primary does, and carries the effect out as every member does. */
  const apply = (request: Parameters<typeof planUpdate>[0]): unknown => {
    const plan = planUpdate(request, undefined, hash);
    if ("refused" in plan) throw plan.refused;
    if ("unchanged" in plan) return plan.unchanged;
    const prepared = hash.prepare(decodeUpdate(plan.value))!;
    prepared.commit();
    return prepared.result;
  };
  const bytes = (text: string): Buffer => Buffer.from(text);
  const add = (body: string, options: { id?: string; name?: string; limit?: number } = {}): unknown => {
    const { id = "", limit = 0 } = options;
    const name = options.name ?? id;
    return apply({ operation: "qadd", id: bytes(id), name: bytes(name), body: bytes(body), limit });
  };
  const trim = (upTo: number): unknown => apply({ operation: "qtrim", upTo });
  const read = (after = 0, max = 1000, prefix = ""): unknown[] =>
    readMessages(hash, { after, max, prefix }).map((part) => {
      if (typeof part === "number") return part;
      const { name, body } = decodeMessage(part)!;
      return `${String(name)}:${String(body)}`;
    });
  return { hash, apply, add, trim, read };
}

test("messages are numbered from 1, and read behind a number", () => {
  const { add, read, hash } = createQueue();
  expect([add("a"), add("b", { name: "topic" }), add("")]).toEqual([1, 2, 3]);
  expect(read()).toEqual([3, 0, 1, 3, 1, ":a", 2, "topic:b", 3, ":"]);
  expect(read(2)).toEqual([3, 0, 1, 3, 3, ":"]);
  expect(read(0, 1)).toEqual([1, 0, 1, 3, 1, ":a"]);
  expect(read(3)).toEqual([3, 0, 1, 3]);
  expect(waiting(hash)).toBe(3);
  expect([waiting(undefined)]).toEqual([0]);
});

test("an id is taken once, and remembered when its message is gone", () => {
  const { add, read, trim, hash } = createQueue();
  expect([add("a", { id: "x" }), add("b", { id: "y" }), add("again", { id: "x" })]).toEqual([1, 2, -1]);
  expect(trim(1)).toBe(1);
  expect(add("again", { id: "x" })).toBe(-1);
  expect(read()).toEqual([2, 0, 2, 2, 2, "y:b"]);
  expect(waiting(hash)).toBe(1);
});

test("no more are taken than there is room for, and room comes with what is removed", () => {
  const { add, trim, hash } = createQueue();
  expect([add("a", { limit: 2 }), add("b", { limit: 2 }), add("c", { limit: 2 })]).toEqual([1, 2, 0]);
  expect(add("a", { id: "a", limit: 2 })).toBe(0);
  trim(1);
  expect(add("c", { limit: 2 })).toBe(3);
  expect([trim(0), trim(9), waiting(hash)]).toEqual([0, 2, 0]);
  // The number goes on where it was.
  expect(add("d")).toBe(4);
});

test("a row of tables comes in place of their bodies, and what is no table is passed over", () => {
  const { add, hash } = createQueue();
  const { table, rowsAt } = createTable(3, 4);
  table.write("row0row1row2", rowsAt);
  add(`\u0000${table.toString("latin1")}`, { name: "a" });
  add("\u0001a ref", { name: "b" });
  add("\u0000", { name: "c" });
  const rows = (row: number): unknown[] =>
    readMessages(hash, { after: 0, max: 10, prefix: "", row })
      .slice(4)
      .map((part) => (typeof part === "number" ? part : String(decodeMessage(part)!.body)));
  expect(rows(0)).toEqual([1, "row0"]);
  expect(rows(2)).toEqual([1, "row2"]);
  expect(rows(3)).toEqual([]);
});

test("a closed queue takes nothing more, and nobody waits for it", () => {
  const { add, apply, read } = createQueue();
  add("a", { id: "a" });
  apply({ operation: "hset", values: [Buffer.from("z"), Buffer.from("1")] });
  expect(() => add("b")).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  expect(add("a", { id: "a" })).toBe(-1);
  expect(read(1)).toEqual([1, 1, 1, 1]);
  expect(countOfRead([1, 1, 1, 1])).toBeGreaterThan(1000);
  expect(countOfRead([1, 0, 1, 1])).toBe(0);
});

test("one read looks at and answers no more than it may", () => {
  const { add, read, trim } = createQueue();
  for (let i = 0; i < 21_000; i++) add("x", { name: i === 20_500 ? "rare" : "often" });
  expect(read(0, 5000)).toHaveLength(4 + 2 * 1000);
  const first = read(0, 1000, "rare");
  expect(first).toEqual([20_000, 0, 1, 21_000]);
  expect(read(20_000, 1000, "rare")).toEqual([21_000, 0, 1, 21_000, 20_501, "rare:x"]);
  expect(trim(20_000)).toBe(1000);
  const large = createQueue();
  for (let i = 0; i < 100; i++) large.add("y".repeat(16_000));
  expect(large.read().length).toBe(4 + 2 * 65);
});
