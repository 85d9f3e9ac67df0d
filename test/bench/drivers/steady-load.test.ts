import { expect, test } from "vitest";
import { createSteadyLoad, type LoadTarget } from "../../../bench/drivers/steady-load.ts";
import { createVersionedValues } from "../../../bench/drivers/versioned-values.ts";

const keys = ["a", "b", "c", "d"];
const set = { name: "set", keys, valueBytes: 100 };
const stream = { set: "set", keys: [0, 1, 2, 3], periodMs: 20 } as const;
const put = { ...stream, name: "put", operation: "put" } as const;
const get = { ...stream, name: "get", operation: "get" } as const;

interface Memory extends LoadTarget {
  readonly values: Map<string, Buffer>;
}

function memory(): Memory {
  const values = new Map<string, Buffer>();
  return {
    values,
    async put(key, value) {
      values.set(key, Buffer.from(value));
      return { sizeBytes: value.length, code: { d: 1, p: 1 }, stripes: [[7, 9] as never] };
    },
    async get(key, options) {
      const value = values.get(key);
      if (value === undefined) throw new Error("nothing there");
      options?.into.set(value);
      return options?.into ?? value;
    },
  };
}

/** Resolves when it is so; the test's own deadline is the limit. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 1));
}

test("fills, and tells where the shards are", async () => {
  const target = memory();
  const { nodes, shardBytes } = await createSteadyLoad(target).fill(set, 2);
  expect([...target.values.keys()].sort()).toEqual(keys);
  expect(nodes).toEqual(keys.map(() => [7, 9]));
  // The data shard as it is, the parity shard as long as a coded one.
  expect([...shardBytes]).toEqual([
    [7, 400],
    [9, 512],
  ]);
});

test("all keys have their turns, and what is read is what was written", async () => {
  const target = memory();
  let calls = 0;
  const counted: LoadTarget = {
    put: (key, value) => target.put(key, value),
    get: (key, options) => {
      calls++;
      return target.get(key, options);
    },
  };
  const load = createSteadyLoad(counted);
  await load.fill(set, 2);
  load.start([put, get]);
  await until(() => calls > 20);
  const { log, complaints } = await load.stop();
  expect(complaints).toEqual([]);
  expect(log.succeeded).not.toContain(0);
  expect([...new Set(log.keys)].sort()).toEqual([0, 1, 2, 3]);
  const dues = [...log.dueMs].filter((_, at) => log.streams[at] === 1 && log.keys[at] === 2);
  for (let at = 1; at < dues.length; at++) expect(Math.round(dues[at]! - dues[at - 1]!) % 20).toBe(0);
});

test("other bytes than were written are a failure, an old version is one, and so is an error", async () => {
  const target = memory();
  const load = createSteadyLoad(target);
  await load.fill(set, 2);
  expect((await load.check("set", 2)).wrong).toBe(0);
  target.values.get("b")![99]! ^= 1;
  target.values.set("c", target.values.get("d")!);
  target.values.delete("a");
  const { wrong, complaints } = await load.check("set", 2);
  expect(wrong).toBe(3);
  expect(complaints.join()).toMatch(/nothing there.*versions 0 to 0/);
});

test("a key whose operation is under way is left out until it ends", async () => {
  const target = memory();
  let release: () => void = () => undefined;
  let begun = 0;
  let others = 0;
  const slow: LoadTarget = {
    put: (key, value) => target.put(key, value),
    async get(key, options) {
      if (key !== "a") others++;
      else if (begun++ === 0) await new Promise<void>((resolve) => (release = resolve));
      return target.get(key, options);
    },
  };
  const load = createSteadyLoad(slow);
  await load.fill(set, 2);
  load.start([
    { ...get, keys: [0], periodMs: 2 },
    { ...get, name: "others", keys: [1], periodMs: 2 },
  ]);
  await until(() => others > 15);
  expect(begun).toBe(1);
  release();
  await until(() => begun > 2);
  const { log, skipped } = await load.stop();
  expect(skipped).toBeGreaterThan(3);
  const first = log.streams.indexOf(0);
  expect(log.endMs[first]! - log.dueMs[first]!).toBeGreaterThan(10);
});

test("values of keys and versions differ", () => {
  const values = createVersionedValues(100);
  const own = values.bytesOf(3, 5);
  expect(values.isOneOf(own, 3, 5, 5)).toBe(true);
  expect(values.isOneOf(own, 3, 0, 9)).toBe(true);
  expect(values.isOneOf(own, 3, 0, 4)).toBe(false);
  expect(values.isOneOf(own, 4, 0, 100)).toBe(false);
});
