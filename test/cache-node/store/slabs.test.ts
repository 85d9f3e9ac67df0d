import { expect, test } from "vitest";
import { createLedger } from "../../../cache-node/store/ledger.ts";
import { createSlabs, slabBytes, unitBytes } from "../../../cache-node/store/slabs.ts";
import { createPool, mebibyte } from "./fakes.ts";

test("a limit is cut into slabs, and the last one is short", () => {
  const { slabs } = createPool(2 * slabBytes + 5 * unitBytes + 1000);
  expect(slabs.all.map((slab) => slab.sizeBytes)).toEqual([slabBytes, slabBytes, 5 * unitBytes]);
});

test("memory is touched ahead in steps, the lowest first, up to the target", () => {
  const { slabs, ledger } = createPool(2 * slabBytes);
  expect(slabs.all[0]!.memory.length).toBe(0);
  expect(slabs.touchStep(2 * mebibyte, 3 * mebibyte)).toBe(2 * mebibyte);
  expect(slabs.isTouched(slabs.all[0]!, 0, 2 * mebibyte)).toBe(true);
  expect(slabs.isTouched(slabs.all[0]!, 2 * mebibyte, unitBytes)).toBe(false);
  expect(slabs.touchStep(2 * mebibyte, 3 * mebibyte)).toBe(mebibyte);
  expect(slabs.touchStep(2 * mebibyte, 3 * mebibyte)).toBe(0);
  expect(ledger.touchedBytes).toBe(3 * mebibyte);
  expect(slabs.all[1]!.memory.length).toBe(0);
});

test("what is needed first is touched first, wherever it lies, and once", () => {
  const { slabs, ledger } = createPool(2 * slabBytes);
  const slab = slabs.all[1]!;
  expect(slabs.ensure(slab, 4 * mebibyte, mebibyte)).toBe(true);
  expect(ledger.touchedBytes).toBe(mebibyte);
  expect(slabs.ensure(slab, 4 * mebibyte, 2 * mebibyte)).toBe(true);
  expect(ledger.touchedBytes).toBe(2 * mebibyte);
  expect(slabs.all[0]!.memory.length).toBe(0);
});

test("touching ahead leaves what was written as it is", () => {
  const { slabs } = createPool(slabBytes);
  const slab = slabs.all[0]!;
  slabs.ensure(slab, unitBytes, unitBytes);
  slab.memory.fill(7, unitBytes, 2 * unitBytes);
  slabs.touchStep(slabBytes, slabBytes);
  expect(slab.memory.subarray(unitBytes, 2 * unitBytes).equals(Buffer.alloc(unitBytes, 7))).toBe(true);
});

test("the index's room is never touched", () => {
  const { slabs, ledger } = createPool(slabBytes);
  ledger.indexBytes = 8 * mebibyte;
  ledger.indexRoomBytes = 8 * mebibyte;
  const slab = slabs.all[0]!;
  expect(slabs.ensure(slab, 0, 16 * mebibyte)).toBe(true);
  expect(slabs.ensure(slab, 16 * mebibyte, 16 * mebibyte)).toBe(false);
  expect(ledger.touchedBytes).toBe(16 * mebibyte);
  slabs.touchStep(slabBytes, slabBytes);
  expect(ledger.touchedBytes).toBe(24 * mebibyte);
});

test("room that the index has left is touched when it is needed", () => {
  const { slabs, ledger } = createPool(slabBytes);
  ledger.indexRoomBytes = 20 * mebibyte;
  ledger.indexBytes = mebibyte;
  expect(slabs.ensure(slabs.all[0]!, 0, 16 * mebibyte)).toBe(true);
  expect(ledger.touchedBytes + ledger.indexRoomBytes).toBeLessThanOrEqual(slabBytes);
});

test("a heap that has outgrown its charges keeps slabs from being touched", () => {
  const ledger = createLedger(slabBytes, 0);
  let excessBytes = 20 * mebibyte;
  const slabs = createSlabs(ledger, () => excessBytes);
  expect(slabs.ensure(slabs.all[0]!, 0, 16 * mebibyte)).toBe(false);
  excessBytes = 0;
  expect(slabs.ensure(slabs.all[0]!, 0, 16 * mebibyte)).toBe(true);
});

test("a dropped slab goes at once and can be made again", () => {
  const { slabs, ledger } = createPool(slabBytes);
  const slab = slabs.all[0]!;
  slabs.ensure(slab, 0, mebibyte);
  const view = slab.memory.subarray(0, 10);
  slabs.drop(slab);
  expect(view.length).toBe(0);
  expect(ledger.touchedBytes).toBe(0);
  expect(slabs.isTouched(slab, 0, unitBytes)).toBe(false);
  expect(slabs.ensure(slab, 0, mebibyte)).toBe(true);
  expect(slab.memory.length).toBe(slabBytes);
});
