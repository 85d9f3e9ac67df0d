import { expect, test } from "vitest";
import { Block, type SegmentOwner } from "../../../cache-node/store/segment.ts";
import {
  segmentBytesFor,
  segmentBytesMax,
  segmentBytesMin,
  segmentBytesWithin,
} from "../../../cache-node/store/segments.ts";
import { slabBytes, unitBytes } from "../../../cache-node/store/slabs.ts";
import { frameBytes, shardBytesMax } from "../../../src/wire/stripe-layout.ts";
import { createPool, mebibyte } from "./fakes.ts";

const createOwner = (): SegmentOwner => ({ ownedBytes: 0, close: () => {}, moveOut: () => 0 });

test("sizes are powers of two of a unit", () => {
  expect(segmentBytesFor(0)).toBe(unitBytes);
  expect(segmentBytesFor(unitBytes)).toBe(unitBytes);
  expect(segmentBytesFor(unitBytes + 1)).toBe(2 * unitBytes);
  expect(segmentBytesFor(16 * mebibyte)).toBe(64 * unitBytes);
  expect(segmentBytesWithin(0)).toBe(unitBytes);
  expect(segmentBytesWithin(2 * unitBytes - 1)).toBe(unitBytes);
  expect(segmentBytesWithin(2 * unitBytes)).toBe(2 * unitBytes);
  expect(segmentBytesWithin(1000 * unitBytes)).toBe(64 * unitBytes);
});

test("full shards and their checksums fill segments without a rest", () => {
  const storedBytes = shardBytesMax + (shardBytesMax / frameBytes) * 8;
  for (let sizeBytes = 2 * segmentBytesMin; sizeBytes <= segmentBytesMax; sizeBytes *= 2) {
    expect(sizeBytes % storedBytes).toBe(0);
  }
});

test("a released segment can be taken again, but not while it is pinned", () => {
  const large = segmentBytesMax;
  const { segments, ledger } = createPool(slabBytes + large);
  const owner = createOwner();
  const first = segments.acquire(large, owner, "free")!;
  const second = segments.acquire(large, owner, "free")!;
  const block = new Block(first, first.offset, 10);
  block.pin();
  block.pin();
  segments.release(first);
  expect(ledger.segmentBytes).toBe(2 * large);
  expect(owner.ownedBytes).toBe(2 * large);
  // The limit has room for two and a bit: the index's room is kept.
  expect(segments.acquire(large, owner, "free")).toBeUndefined();
  block.unpin();
  expect(ledger.segmentBytes).toBe(2 * large);
  block.unpin();
  expect(ledger.segmentBytes).toBe(large);
  expect(segments.acquire(large, owner, "free")!.offset).toBe(first.offset);
  expect(second.state).toBe("open");
});

test("only cleaning may take the reserve", () => {
  const { segments } = createPool(5 * mebibyte, 2 * mebibyte);
  const owner = createOwner();
  expect(segments.acquire(8 * unitBytes, owner, "free")).toBeDefined();
  expect(segments.acquire(4 * unitBytes, owner, "free")).toBeUndefined();
  expect(segments.acquire(4 * unitBytes, owner, "reserve")).toBeDefined();
});

test("the reserve is memory that segments can have, not the index's room", () => {
  const { segments, ledger } = createPool(slabBytes, 2 * mebibyte);
  const owner = createOwner();
  ledger.indexRoomBytes = 16 * mebibyte;
  ledger.indexBytes = 8 * mebibyte;
  while (segments.acquire(unitBytes, owner, "free") !== undefined);
  let reserveBytes = 0;
  while (segments.acquire(unitBytes, owner, "reserve") !== undefined) reserveBytes += unitBytes;
  expect(reserveBytes).toBeGreaterThan(2 * mebibyte - unitBytes);
});

test("slabs in use are filled up before an empty one is begun", () => {
  const { segments } = createPool(4 * slabBytes);
  const owner = createOwner();
  for (let i = 0; i < 128; i++) {
    expect(segments.acquire(unitBytes, owner, "free")!.slab.index).toBe(0);
  }
  expect(segments.acquire(unitBytes, owner, "free")!.slab.index).toBe(1);
});

test("memory that is touched already is found when nothing more may be touched", () => {
  const { segments, slabs, ledger } = createPool(2 * slabBytes);
  const owner = createOwner();
  // In the first slab only the upper half is touched, and the index has all that is not.
  slabs.ensure(slabs.all[0]!, segmentBytesMax, segmentBytesMax);
  ledger.indexBytes = 2 * slabBytes - ledger.touchedBytes;
  ledger.indexRoomBytes = ledger.indexBytes;
  expect(segments.acquire(4 * unitBytes, owner, "free")!.offset).toBe(segmentBytesMax);
  expect(ledger.touchedBytes).toBe(segmentBytesMax);
});

test("only empty slabs are given back to make room", () => {
  const { segments, slabs, ledger } = createPool(3 * slabBytes);
  const owner = createOwner();
  for (const slab of slabs.all) slabs.ensure(slab, 0, segmentBytesMax);
  const held = segments.acquire(unitBytes, owner, "free")!;
  expect(segments.shrinkTo(40 * mebibyte)).toBe(true);
  expect(ledger.touchedBytes).toBe(2 * segmentBytesMax);
  expect(segments.shrinkTo(8 * mebibyte)).toBe(false);
  expect(ledger.touchedBytes).toBe(segmentBytesMax);
  expect(held.slab.memory.length).toBe(slabBytes);
});
