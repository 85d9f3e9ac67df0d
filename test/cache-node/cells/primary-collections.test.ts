import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Mutation } from "../../../cache-node/cells/mutation-log.ts";
import type { UpdateRequest } from "../../../cache-node/cells/plan-update.ts";
import type { Question } from "../../../cache-node/cells/read-collection.ts";
import { MayflyError } from "../../../src/errors.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { decodeValues } from "../../../src/wire/collection.ts";
import { formatVersion } from "../../../src/wire/version.ts";
import {
  acknowledge,
  type Cells,
  createCells,
  grantMs,
  job,
  mutationAt,
  type Node,
  setCell,
  stored,
  turn,
  watch,
} from "./cells-fixture.ts";
import { createRow } from "./row-fixture.ts";

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const values = (...texts: string[]) => texts.map((text) => Buffer.from(text));
const push = (...texts: string[]): UpdateRequest => ({ operation: "rpush", values: values(...texts) });
const pop = (count = 1): UpdateRequest => ({ operation: "lpop", count });
const incr = (by = 1): UpdateRequest => ({ operation: "incr", by });
const hset = (...texts: string[]): UpdateRequest => ({ operation: "hset", values: values(...texts) });
const sadd = (...texts: string[]): UpdateRequest => ({ operation: "sadd", values: values(...texts) });

/** `[version, result]` as it is answered, in words. */
async function update(
  node: Pick<Node, "collections">,
  mutation: Mutation,
  request: UpdateRequest,
  ttlMs = 0,
) {
  const { version, result } = await node.collections.update(mutation, request, ttlMs);
  const shown = typeof result === "number" ? result : decodeValues(result).map(textOf);
  return [version && formatVersion(version), shown];
}

/** What a read shows now, whether or not it may be told yet. */
function look(node: Pick<Node, "collections">, key: string, question: Question) {
  const { shown } = node.collections.read(job, Buffer.from(key), question);
  if (shown instanceof MayflyError) return shown.code;
  const text = (part: Uint8Array | number | null) => (part instanceof Uint8Array ? textOf(part) : part);
  return typeof shown?.value === "number" ? shown.value : shown?.value.map(text);
}
const all = { what: "lrange", start: 0, stop: -1 } as const;
const len = { what: "len" } as const;

describe("an update", () => {
  test("is answered, and shown, when it is on all members", async () => {
    const fixture = await createCells([1, 2]);
    const pushed = watch(update(fixture, mutationAt("key"), push("a", "b")));
    const { shown, ready } = fixture.collections.read(job, Buffer.from("key"), all);
    expect(shown).toMatchObject({ kind: "list", count: 2 });
    const told = watch(ready!);
    const popped = watch(update(fixture, mutationAt("key"), pop()));
    await turn();
    expect([pushed.outcome, told.outcome, popped.outcome]).toEqual(["pending", "pending", "pending"]);
    await acknowledge(fixture);
    expect(pushed.value).toEqual(["1.2", 2]);
    expect(popped.value).toEqual(["1.3", ["a"]]);
    // What was seen is what is told, whatever has been done since.
    expect(shown).toMatchObject({ value: values("a", "b") });
  });

  test("of a key that holds something else is refused, once that is on all members", async () => {
    const fixture = await createCells([1, 2]);
    void setCell(fixture, mutationAt("key"), "bytes", Buffer.from("text"), 0);
    const outcomes = [push("x"), incr(), hset("f", "v"), sadd("m")].map((request) =>
      watch(update(fixture, mutationAt("key"), request)),
    );
    await turn();
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["pending", "pending", "pending", "pending"]);
    await acknowledge(fixture);
    expect(new Set(outcomes.map(({ outcome }) => outcome))).toEqual(new Set(["WRONG_TYPE"]));
    expect(stored(fixture, "key")).toBe("text");
  });

  test("takes the key over from what expired, and leaves it to what is set", async () => {
    const fixture = await createCells([1]);
    await setCell(fixture, mutationAt("key"), "bytes", Buffer.from("text"), 1000);
    await fixture.clock.advance(2000);
    expect((await update(fixture, mutationAt("key"), push("a")))[1]).toBe(1);
    const { indexBytes } = fixture.memory.job(job);
    await setCell(fixture, mutationAt("key", { sequence: 0 }), "bytes", Buffer.from("text"), 0);
    expect(fixture.memory.job(job).indexBytes).toBeLessThan(indexBytes);
    expect([look(fixture, "key", len), stored(fixture, "key")]).toEqual(["WRONG_TYPE", "text"]);
  });

  test("that takes the last element deletes the key, with all that it cost", async () => {
    const fixture = await createCells([1]);
    const plain = { sequence: 0 };
    const requests: [UpdateRequest, UpdateRequest][] = [
      [push("a", "b"), pop(9)],
      [push("a"), { operation: "ltrim", start: 5, stop: 9 }],
      [hset("f", "v"), { operation: "hdel", values: values("f") }],
      [sadd("m"), { operation: "srem", values: values("m") }],
    ];
    for (const [fill, empty] of requests) {
      await update(fixture, mutationAt("key", plain), fill, 60_000);
      await update(fixture, mutationAt("key", plain), empty);
      expect([stored(fixture, "key"), look(fixture, "key", len)]).toEqual([undefined, undefined]);
      const { liveBytes, indexBytes } = fixture.memory.job(job);
      expect([liveBytes, indexBytes, fixture.cells.count()]).toEqual([0, 0, 0]);
      // What comes next has an expiry of its own.
      await update(fixture, mutationAt("key", plain), fill);
      await fixture.clock.advance(70_000);
      fixture.replicas.tick();
      expect(look(fixture, "key", len)).toBeDefined();
      await fixture.primary.delete(mutationAt("key", plain));
    }
  });

  test("keeps the expiry of its key, or gives it another", async () => {
    const fixture = await createCells([1]);
    await update(fixture, mutationAt("key"), push("a"), 5000);
    await fixture.clock.advance(3000);
    await update(fixture, mutationAt("key"), push("b"));
    await fixture.clock.advance(1000);
    fixture.replicas.tick();
    expect(look(fixture, "key", len)).toBe(2);
    await update(fixture, mutationAt("kept"), incr(), 1000);
    await update(fixture, mutationAt("kept"), incr(), 60_000);
    await fixture.clock.advance(3000);
    fixture.replicas.tick();
    expect([stored(fixture, "key"), stored(fixture, "kept")]).toEqual(["(expired)", "2"]);
    expect(look(fixture, "key", len)).toBe("EXPIRED");
    expect(fixture.cells.collection(job, groupOf(Buffer.from("key")), "key")).toBeUndefined();
  });

  test("takes place only under its condition, and each makes a new version", async () => {
    const fixture = await createCells([1]);
    const [first] = await update(fixture, mutationAt("key", { condition: "absent" }), push("a"));
    const refusals = [
      update(fixture, mutationAt("key", { condition: "absent" }), push("b")),
      update(fixture, mutationAt("key", { condition: "9.9" }), pop()),
    ];
    await expect(refusals[0]).rejects.toMatchObject({ code: "KEY_EXISTS" });
    await expect(refusals[1]).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
    const [second] = await update(fixture, mutationAt("key", { condition: String(first) }), push("b"));
    expect(second).not.toBe(first);
    await expect(
      setCell(fixture, mutationAt("key", { condition: String(first) }), "bytes", Buffer.from("x"), 0),
    ).rejects.toMatchObject({ code: "VERSION_MISMATCH" });
    expect(look(fixture, "key", all)).toEqual(["a", "b"]);
  });

  test("that changes nothing has the version of the key, and waits for what it tells", async () => {
    const fixture = await createCells([1, 2]);
    const added = watch(update(fixture, mutationAt("key"), sadd("m")));
    const again = watch(update(fixture, mutationAt("key"), sadd("m")));
    const none = watch(update(fixture, mutationAt("{key}"), pop()));
    await turn();
    expect([added.outcome, again.outcome]).toEqual(["pending", "pending"]);
    await acknowledge(fixture);
    expect([added.value, again.value, none.value]).toEqual([
      ["1.2", 1],
      ["1.2", 0],
      [undefined, []],
    ]);
    fixture.granting.answer = () => {
      throw new MayflyError("NODE_UNREACHABLE", "away");
    };
    await fixture.clock.advance(grantMs);
    await expect(update(fixture, mutationAt("key"), sadd("m"))).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
  });

  test("counts against the quota if it adds something, and finds memory or leaves everything", async () => {
    const fixture = await createCells([1], {}, { limitBytes: 4 * 2 ** 20 });
    await update(fixture, mutationAt("key"), push("a"));
    fixture.quota.left = 0;
    await expect(update(fixture, mutationAt("key"), push("b"))).rejects.toMatchObject({
      code: "QUOTA_EXCEEDED",
    });
    expect((await update(fixture, mutationAt("key"), pop()))[1]).toEqual(["a"]);
    fixture.quota.left = Number.POSITIVE_INFINITY;
    const big = Array.from({ length: 15 }, () => "x".repeat(16_384));
    let refused = "";
    for (let i = 0; i < 40 && refused === ""; i++) {
      await update(fixture, mutationAt("key", { sequence: 0 }), push(...big)).catch((error: MayflyError) => {
        refused = error.code;
      });
    }
    expect(refused).toBe("BUSY");
    const size = look(fixture, "key", len) as number;
    expect(size % 15).toBe(0);
    const taken = await update(fixture, mutationAt("key", { sequence: 0 }), {
      operation: "ltrim",
      start: 30,
      stop: -1,
    });
    expect(taken[1]).toBe(size - 30);
  });
});

describe("once", () => {
  test("a repeated update is answered as before, and has no effect", async () => {
    const fixture = await createCells([1]);
    for (const [request, other] of [
      [incr(5), incr(1)],
      [push("a", "b"), push("c")],
      [pop(2), push("d")],
      [hset("f", "v"), hset("g", "w")],
      [sadd("m"), sadd("n")],
    ] as const) {
      const key = request.operation.replace("lpop", "rpush");
      const mutation = mutationAt(key);
      const first = await update(fixture, mutation, request);
      await update(fixture, mutationAt(key), other);
      const before = look(fixture, key, len);
      expect(await update(fixture, mutation, request)).toEqual(first);
      expect(look(fixture, key, len)).toBe(before);
    }
  });

  test("so is one that changed nothing, or was refused", async () => {
    const fixture = await createCells([1]);
    const [empty, wrong] = [mutationAt("key"), mutationAt("key")];
    expect(await update(fixture, empty, pop())).toEqual([undefined, []]);
    await update(fixture, mutationAt("key"), push("a"));
    await expect(update(fixture, wrong, incr())).rejects.toMatchObject({ code: "WRONG_TYPE" });
    await fixture.primary.delete(mutationAt("key"));
    expect(await update(fixture, empty, pop())).toEqual([undefined, []]);
    await expect(update(fixture, wrong, incr())).rejects.toMatchObject({ code: "WRONG_TYPE" });
  });

  test("also by a backup that was promoted, and by one that had a snapshot", async () => {
    const row = await createRow(groupOf(Buffer.from("{g}")), [1, 2]);
    const requests = [
      incr(41),
      push("a", "b", "c"),
      pop(2),
      hset("f", "1"),
      { operation: "hincr", field: Buffer.from("f"), by: 9 },
      sadd("m", "n"),
    ] as const;
    const keys = ["{g}c", "{g}l", "{g}l", "{g}h", "{g}h", "{g}s"];
    const mutations = keys.map((key) => mutationAt(key));
    const answers = [];
    for (const [at, request] of requests.entries())
      answers.push(await update(row.node(1), mutations[at]!, request));
    expect(answers.map(([, result]) => result)).toEqual([41, 3, ["a", "b"], 1, 10, 2]);
    await row.change([1, 2], { joining: [3] });
    await row.change([1, 2, 3]);
    for (const leader of [2, 3]) {
      await row.change(leader === 2 ? [2, 3] : [3]);
      await row.clock.advance(grantMs + 100);
      for (const [at, request] of requests.entries()) {
        expect(await update(row.node(leader), mutations[at]!, request)).toEqual(answers[at]);
      }
    }
    expect((await update(row.node(3), mutationAt("{g}c"), incr()))[1]).toBe(42);
    expect(look(row.node(3), "{g}l", all)).toEqual(["c"]);
  });

  test("what is kept for repetitions is paid for, and given back", async () => {
    const fixture = await createCells([1]);
    await update(fixture, mutationAt("key"), push("x".repeat(10_000)));
    const { indexBytes } = fixture.memory.job(job);
    await update(fixture, mutationAt("key"), pop());
    expect(fixture.memory.job(job).indexBytes).toBeGreaterThan(indexBytes + 9000);
    await fixture.clock.advance(21 * 60_000);
    fixture.replicas.tick();
    expect([fixture.memory.job(job).indexBytes, fixture.memory.job(job).liveBytes]).toEqual([0, 0]);
  });
});

test("a counter of a row that was lost does not begin anew by itself", async () => {
  const fixture = await createCells([1], { generation: 2, born: 2, lostJobs: job });
  await expect(async () => update(fixture, mutationAt("key"), incr())).rejects.toMatchObject({
    code: "LOST",
  });
  await setCell(fixture, mutationAt("key"), "bytes", Buffer.from("0"), 0);
  expect((await update(fixture, mutationAt("key"), incr()))[1]).toBe(1);
});

describe("reads", () => {
  async function filled(): Promise<Cells> {
    const fixture = await createCells([1]);
    await update(fixture, mutationAt("list"), push("a", "b", "c"));
    await update(fixture, mutationAt("hash"), hset("f", "1", "e", "2", "\xff", "3"));
    await update(fixture, mutationAt("set"), sadd("m", "n", "l"));
    await update(fixture, mutationAt("counter"), incr(-3));
    return fixture;
  }

  test("show ranges, fields, members, counts and values", async () => {
    const fixture = await filled();
    expect(["list", "hash", "set", "counter"].map((key) => look(fixture, key, len))).toEqual([3, 3, 3, -3]);
    expect(look(fixture, "list", all)).toEqual(["a", "b", "c"]);
    expect(look(fixture, "list", { what: "lrange", start: -2, stop: 1 })).toEqual(["b"]);
    expect(look(fixture, "list", { what: "lrange", start: 9, stop: 20 })).toEqual([]);
    expect(look(fixture, "hash", { what: "hget", names: ["e", "x", "f"] })).toEqual(["2", null, "1"]);
    expect(look(fixture, "hash", { what: "hgetall", after: "" })?.valueOf()).toEqual([
      "",
      "e",
      "2",
      "f",
      "1",
      "\u00ff",
      "3",
    ]);
    expect(look(fixture, "set", { what: "smembers", after: "l" })).toEqual(["", "m", "n"]);
    expect(look(fixture, "set", { what: "sismember", names: ["m", "x"] })).toEqual([1, 0]);
    expect(look(fixture, "nothing", len)).toBeUndefined();
    for (const key of ["list", "counter"])
      expect(look(fixture, key, { what: "smembers", after: "" })).toBe("WRONG_TYPE");
    await setCell(fixture, mutationAt("bytes"), "bytes", Buffer.from("7"), 0);
    expect(look(fixture, "bytes", len)).toBe("WRONG_TYPE");
  });

  test("come in pages of about a megabyte, and what is there all the while comes once", async () => {
    const fixture = await createCells([1], {}, { limitBytes: 32 * 2 ** 20 });
    const name = (i: number) => `f${String(i).padStart(4, "0")}`;
    for (let i = 0; i < 200; i += 10) {
      const pairs = Array.from({ length: 10 }, (_, j) => [name(i + j), "v".repeat(16_000)]).flat();
      await update(fixture, mutationAt("hash", { sequence: 0 }), hset(...pairs));
    }
    const seen: string[] = [];
    let after = "";
    let pages = 0;
    do {
      const [next, ...parts] = look(fixture, "hash", { what: "hgetall", after }) as string[];
      const fields = parts.filter((_, at) => at % 2 === 0);
      expect(parts.join("").length).toBeLessThan(1.1 * 2 ** 20);
      seen.push(...fields);
      after = next!;
      pages += 1;
      // What was read goes, and something new comes in front.
      await update(fixture, mutationAt("hash", { sequence: 0 }), {
        operation: "hdel",
        values: values(fields[0]!),
      });
      await update(fixture, mutationAt("hash", { sequence: 0 }), hset(`a${pages}`, "new"));
    } while (after !== "");
    expect(pages).toBeGreaterThan(2);
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => name(i)));

    const big = Array.from({ length: 15 }, (_, i) => `${i}`.padEnd(16_000));
    for (let i = 0; i < 10; i++) await update(fixture, mutationAt("list", { sequence: 0 }), push(...big));
    const first = look(fixture, "list", all) as string[];
    expect(first.length).toBe(65);
    const rest = look(fixture, "list", { what: "lrange", start: 65, stop: -1 }) as string[];
    expect([
      ...first,
      ...rest,
      ...(look(fixture, "list", { what: "lrange", start: 130, stop: -1 }) as string[]),
    ]).toHaveLength(150);
  });
});

test("whatever is done, all members of a row have the same, also one that joins, and give all memory back", async () => {
  const name = fc.constantFrom("a", "b", "c", "d");
  const some = fc.array(name, { minLength: 1, maxLength: 4 });
  const any = fc.oneof(
    fc.integer({ min: -9, max: 9 }).map((by): [string, UpdateRequest] => ["{g}c", incr(by)]),
    fc
      .tuple(fc.constantFrom("lpush" as const, "rpush" as const), some)
      .map(([operation, texts]): [string, UpdateRequest] => [
        "{g}l",
        { operation, values: values(...texts) },
      ]),
    fc
      .tuple(fc.constantFrom("lpop" as const, "rpop" as const), fc.nat(4))
      .map(([operation, count]): [string, UpdateRequest] => ["{g}l", { operation, count }]),
    fc
      .tuple(fc.integer({ min: -4, max: 4 }), fc.integer({ min: -4, max: 4 }))
      .map(([start, stop]): [string, UpdateRequest] => ["{g}l", { operation: "ltrim", start, stop }]),
    fc
      .array(fc.tuple(name, name), { minLength: 1, maxLength: 3 })
      .map((pairs): [string, UpdateRequest] => ["{g}h", hset(...pairs.flat())]),
    some.map((texts): [string, UpdateRequest] => ["{g}h", { operation: "hdel", values: values(...texts) }]),
    fc
      .tuple(fc.constantFrom("sadd" as const, "srem" as const), some)
      .map(([operation, texts]): [string, UpdateRequest] => [
        "{g}s",
        { operation, values: values(...texts) },
      ]),
  );
  const keys = ["{g}c", "{g}l", "{g}h", "{g}s"];
  await fc.assert(
    fc.asyncProperty(fc.array(any, { minLength: 1, maxLength: 30 }), fc.nat(29), async (updates, joinsAt) => {
      const group = groupOf(Buffer.from("{g}"));
      const row = await createRow(group, [1, 2]);
      for (const [at, [key, request]] of updates.entries()) {
        if (at === joinsAt) await row.change([1, 2], { joining: [3] });
        await update(row.node(1), mutationAt(key), request);
      }
      await row.change([1, 2], { joining: [3] });
      const stateOf = ({ cells }: Node) => ({
        cells: keys.map((key) => {
          const cell = cells.get(job, group, key);
          const items = [...(cells.collection(job, group, key)?.values() ?? [])].map(textOf);
          return [
            cell?.kind,
            cell && formatVersion(cell.version),
            cell?.block && String(cell.block.view()),
            items,
          ];
        }),
        sessions: updates.map((_, at) => cells.result(job, group, "sessions", at)),
      });
      const [one, two, three] = [1, 2, 3].map((id) => stateOf(row.node(id)));
      expect(two).toEqual(one);
      expect(three).toEqual(one);
      const memoryOf = ({ memory }: Node) => memory.job(job).liveBytes;
      expect(memoryOf(row.node(3))).toBe(memoryOf(row.node(1)));
      for (const key of keys) await row.node(1).primary.delete(mutationAt(key));
      row.clock.freeze(30 * 60_000);
      for (const id of [1, 2, 3]) {
        row.node(id).replicas.tick();
        const { liveBytes, indexBytes } = row.node(id).memory.job(job);
        expect([liveBytes, indexBytes]).toEqual([0, 0]);
      }
    }),
    { numRuns: 20 },
  );
});
