import { expect, test } from "vitest";
import { Block, type SegmentOwner } from "../../../cache-node/store/segment.ts";
import { segmentBytesFor } from "../../../cache-node/store/segments.ts";
import { slabBytes } from "../../../cache-node/store/slabs.ts";
import { createPool, kibibyte, mebibyte } from "./fakes.ts";

const createOwner = (): SegmentOwner => ({ ownedBytes: 0, close: () => {}, moveOut: () => 0 });

test("sizes are powers of two from 256 KiB", () => {
  expect(segmentBytesFor(0)).toBe(256 * kibibyte);
  expect(segmentBytesFor(256 * kibibyte)).toBe(256 * kibibyte);
  expect(segmentBytesFor(256 * kibibyte + 1)).toBe(512 * kibibyte);
  expect(segmentBytesFor(16 * mebibyte)).toBe(16 * mebibyte);
});

test("a released segment can be taken again, but not while it is pinned", () => {
  const { segments, ledger } = createPool(slabBytes + 16 * mebibyte);
  const owner = createOwner();
  const first = segments.acquire(16 * mebibyte, owner, "free")!;
  const second = segments.acquire(16 * mebibyte, owner, "free")!;
  const block = new Block(first, first.offset, 10);
  block.pin();
  block.pin();
  segments.release(first);
  expect(ledger.segmentBytes).toBe(32 * mebibyte);
  expect(owner.ownedBytes).toBe(32 * mebibyte);
  // The limit has room for two and a bit: the index's room is kept.
  expect(segments.acquire(16 * mebibyte, owner, "free")).toBeUndefined();
  block.unpin();
  expect(ledger.segmentBytes).toBe(32 * mebibyte);
  block.unpin();
  expect(ledger.segmentBytes).toBe(16 * mebibyte);
  expect(segments.acquire(16 * mebibyte, owner, "free")!.offset).toBe(first.offset);
  expect(second.state).toBe("open");
});

test("only cleaning may take the reserve", () => {
  const { segments } = createPool(4 * mebibyte, 2 * mebibyte);
  const owner = createOwner();
  expect(segments.acquire(2 * mebibyte, owner, "free")).toBeDefined();
  expect(segments.acquire(256 * kibibyte, owner, "free")).toBeUndefined();
  expect(segments.acquire(256 * kibibyte, owner, "reserve")).toBeDefined();
});

test("slabs in use are filled up before an empty one is begun", () => {
  const { segments } = createPool(4 * slabBytes);
  const owner = createOwner();
  for (let i = 0; i < 128; i++) {
    expect(segments.acquire(256 * kibibyte, owner, "free")!.slab.index).toBe(0);
  }
  expect(segments.acquire(256 * kibibyte, owner, "free")!.slab.index).toBe(1);
});

test("memory that is touched already is found when nothing more may be touched", () => {
  const { segments, slabs, ledger } = createPool(2 * slabBytes);
  const owner = createOwner();
  // In the first slab only the upper half is touched, and the index has all that is not.
  slabs.ensure(slabs.all[0]!, 16 * mebibyte, 16 * mebibyte);
  ledger.indexBytes = 2 * slabBytes - ledger.touchedBytes;
  ledger.indexRoomBytes = ledger.indexBytes;
  expect(segments.acquire(mebibyte, owner, "free")!.offset).toBe(16 * mebibyte);
  expect(ledger.touchedBytes).toBe(16 * mebibyte);
});

test("only empty slabs are given back to make room", () => {
  const { segments, slabs, ledger } = createPool(3 * slabBytes);
  const owner = createOwner();
  for (const slab of slabs.all) slabs.ensure(slab, 0, 16 * mebibyte);
  const held = segments.acquire(256 * kibibyte, owner, "free")!;
  expect(segments.shrinkTo(40 * mebibyte)).toBe(true);
  expect(ledger.touchedBytes).toBe(32 * mebibyte);
  expect(segments.shrinkTo(8 * mebibyte)).toBe(false);
  expect(ledger.touchedBytes).toBe(16 * mebibyte);
  expect(held.slab.memory.length).toBe(slabBytes);
});
