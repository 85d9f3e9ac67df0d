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
  expect(slabs.touchStep(8 * unitBytes, 12 * unitBytes)).toBe(8 * unitBytes);
  expect(slabs.isTouched(slabs.all[0]!, 0, 8 * unitBytes)).toBe(true);
  expect(slabs.isTouched(slabs.all[0]!, 8 * unitBytes, unitBytes)).toBe(false);
  expect(slabs.touchStep(8 * unitBytes, 12 * unitBytes)).toBe(4 * unitBytes);
  expect(slabs.touchStep(8 * unitBytes, 12 * unitBytes)).toBe(0);
  expect(ledger.touchedBytes).toBe(12 * unitBytes);
  expect(slabs.all[1]!.memory.length).toBe(0);
});

test("a step of touching ends when its time is up, but not before it has touched a unit", () => {
  const { slabs } = createPool(slabBytes);
  let left = 3;
  expect(slabs.touchStep(slabBytes, slabBytes, () => --left === 0)).toBe(3 * unitBytes);
  expect(slabs.touchStep(slabBytes, slabBytes, () => true)).toBe(unitBytes);
});

test("what is needed first is touched first, wherever it lies, and once", () => {
  const { slabs, ledger } = createPool(2 * slabBytes);
  const slab = slabs.all[1]!;
  expect(slabs.ensure(slab, 16 * unitBytes, 4 * unitBytes)).toBe(true);
  expect(ledger.touchedBytes).toBe(4 * unitBytes);
  expect(slabs.ensure(slab, 16 * unitBytes, 8 * unitBytes)).toBe(true);
  expect(ledger.touchedBytes).toBe(8 * unitBytes);
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
  ledger.indexBytes = 32 * unitBytes;
  ledger.indexRoomBytes = 32 * unitBytes;
  const slab = slabs.all[0]!;
  expect(slabs.ensure(slab, 0, slabBytes / 2)).toBe(true);
  expect(slabs.ensure(slab, slabBytes / 2, slabBytes / 2)).toBe(false);
  expect(ledger.touchedBytes).toBe(slabBytes / 2);
  slabs.touchStep(slabBytes, slabBytes);
  expect(ledger.touchedBytes).toBe(slabBytes - 32 * unitBytes);
});

test("room that the index has left is touched when it is needed", () => {
  const { slabs, ledger } = createPool(slabBytes);
  ledger.indexRoomBytes = 20 * mebibyte;
  ledger.indexBytes = mebibyte;
  expect(slabs.ensure(slabs.all[0]!, 0, slabBytes / 2)).toBe(true);
  expect(ledger.touchedBytes + ledger.indexRoomBytes).toBeLessThanOrEqual(slabBytes);
});

test("a heap that has outgrown its charges keeps slabs from being touched", () => {
  const ledger = createLedger(slabBytes, 0);
  let excessBytes = 20 * mebibyte;
  const slabs = createSlabs(ledger, () => {
    ledger.heapExcessBytes = excessBytes;
  });
  expect(slabs.ensure(slabs.all[0]!, 0, slabBytes / 2)).toBe(false);
  excessBytes = 0;
  expect(slabs.ensure(slabs.all[0]!, 0, slabBytes / 2)).toBe(true);
});

test("a dropped slab goes at once and can be made again", () => {
  const { slabs, ledger } = createPool(slabBytes);
  const slab = slabs.all[0]!;
  slabs.ensure(slab, 0, unitBytes);
  const view = slab.memory.subarray(0, 10);
  slabs.drop(slab);
  expect(view.length).toBe(0);
  expect(ledger.touchedBytes).toBe(0);
  expect(slabs.isTouched(slab, 0, unitBytes)).toBe(false);
  expect(slabs.ensure(slab, 0, unitBytes)).toBe(true);
  expect(slab.memory.length).toBe(slabBytes);
});
