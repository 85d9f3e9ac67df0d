import { expect, test } from "vitest";
import { createValueRing, ringKeys } from "../../../bench/drivers/value-ring.ts";
import { memoryStore } from "./memory-store.ts";

const mebibyte = 2 ** 20;

test("there are keys for 16 callers each their own, and at most 256 MiB of values", () => {
  for (const valueBytes of [1024, 16 * 1024, 256 * 1024, mebibyte, 4 * mebibyte, 16 * mebibyte]) {
    expect(ringKeys(valueBytes)).toBeGreaterThanOrEqual(16);
    expect(ringKeys(valueBytes) % 16).toBe(0);
    expect(ringKeys(valueBytes) * valueBytes).toBeLessThanOrEqual(256 * mebibyte);
  }
  expect(ringKeys(mebibyte, 1)).toBe(1);
  expect(ringKeys(1024 * mebibyte)).toBe(1);
});

test("all keys hold values of the size, no two alike, and none outside of the prefix", async () => {
  const store = memoryStore();
  const ring = createValueRing(store, "mine", 100_000);
  await ring.fill();
  const values = [...store.values.values()];
  expect(values).toHaveLength(ring.keys);
  expect(values.every(({ length }) => length === 100_000)).toBe(true);
  expect(new Set(values.map((value) => value.toString("latin1"))).size).toBe(ring.keys);
  expect([...store.values.keys()].every((key) => key.startsWith("mine/"))).toBe(true);
});

test("to fill what is filled writes nothing", async () => {
  const store = memoryStore();
  const ring = createValueRing(store, "mine", 100_000);
  await ring.fill();
  await ring.fill();
  expect(store.calls.put).toBe(ring.keys);
});

test("another turn writes other values, and the check knows what each key holds", async () => {
  const store = memoryStore();
  const ring = createValueRing(store, "mine", 100_000);
  await ring.fill();
  const before = await ring.get(5);
  ring.turn();
  await ring.put(5);
  const after = await ring.get(5);
  expect(after.length).toBe(before.length);
  ring.check(5, after);
  expect(() => ring.check(5, before)).toThrow("other bytes");
  expect(() => ring.check(6, after)).toThrow("other bytes");
  ring.check(6, await ring.get(6));
});

test("a store that cannot read into buffers is not asked to", () => {
  const ring = createValueRing(memoryStore({ into: false }), "mine", 1000);
  expect(() => ring.getInto(0, Buffer.alloc(1000))).toThrow(RangeError);
});
