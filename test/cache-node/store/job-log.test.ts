import { beforeEach, expect, test } from "vitest";
import { blockBytesMax, JobLog, type SegmentSource } from "../../../cache-node/store/job-log.ts";
import type { Block, Segment } from "../../../cache-node/store/segment.ts";
import { segmentBytesFor, segmentBytesMax } from "../../../cache-node/store/segments.ts";
import { unitBytes } from "../../../cache-node/store/slabs.ts";
import { createPool, kibibyte, mebibyte } from "./fakes.ts";

let log: JobLog;
let released: Segment[];
let acquired: Segment[];
/** Segments that may still be acquired. */
let segmentsLeft: number;

beforeEach(() => {
  const { segments } = createPool(256 * mebibyte);
  released = [];
  acquired = [];
  segmentsLeft = Number.POSITIVE_INFINITY;
  const acquire = (owner: JobLog, bytes: number, wantedBytes: number): Segment | undefined => {
    if (segmentsLeft-- <= 0) return undefined;
    expect(wantedBytes).toBeGreaterThanOrEqual(segmentBytesFor(bytes));
    const segment = segments.acquire(wantedBytes, owner, "free")!;
    acquired.push(segment);
    return segment;
  };
  const source: SegmentSource = {
    acquire,
    acquireForCleaning: acquire,
    release(segment) {
      released.push(segment);
      segments.release(segment);
    },
    freed: () => {},
  };
  log = new JobLog(source, { segmentBytesLimit: segmentBytesMax });
});

const put = (length: number, byte: number): Block => {
  const block = log.allocate(length)!;
  block.view().fill(byte);
  return block;
};
const holds = (block: Block, byte: number): boolean => block.view().equals(Buffer.alloc(block.length, byte));

test("blocks are aligned and lie behind one another in one segment", () => {
  const lengths = [1, 8, 0, 13, 100];
  const blocks = lengths.map((length) => log.allocate(length)!);
  const [first] = blocks;
  expect(blocks.map((block) => block.offset - first!.offset)).toEqual([0, 8, 16, 24, 40]);
  expect(first!.offset).toBe(first!.segment.offset);
  expect(blocks.map((block) => block.view().length)).toEqual(lengths);
  expect(log.liveBytes).toBe(8 + 8 + 8 + 16 + 104);
  expect(log.ownedBytes).toBe(unitBytes);
});

test("segments grow with the job, from a unit to the limit", () => {
  while (log.ownedBytes < 160 * mebibyte) log.allocate(100 * kibibyte);
  const sizes = acquired.map((segment) => segment.sizeBytes);
  expect(sizes[0]).toBe(unitBytes);
  expect(sizes).toEqual([...sizes].sort((a, b) => a - b));
  expect(new Set(sizes)).toEqual(new Set([1, 2, 4, 8, 16, 32, 64].map((n) => n * unitBytes)));
});

test("the largest block has a segment of its own, and a larger one is refused", () => {
  expect(log.allocate(blockBytesMax)!.view().length).toBe(segmentBytesMax);
  for (const length of [blockBytesMax + 1, -1, 1.5, Number.NaN]) {
    expect(() => log.allocate(length)).toThrow(RangeError);
  }
});

test("small blocks fill the room that large ones left", () => {
  log.allocate(200 * kibibyte);
  log.allocate(100 * kibibyte);
  log.allocate(40 * kibibyte);
  expect(acquired).toHaveLength(2);
  expect(acquired[0]!.liveBytes).toBe(240 * kibibyte);
});

test("a segment goes back with its last block", () => {
  const blocks = [put(1000, 1), put(2000, 2)];
  log.free(blocks[0]!);
  expect(released).toHaveLength(0);
  log.free(blocks[1]!);
  expect(released).toHaveLength(1);
  expect(released[0] === acquired[0]).toBe(true);
  expect([log.ownedBytes, log.liveBytes, log.holeBytes]).toEqual([0, 0, 0]);
});

test("a block cannot be freed twice, or viewed or pinned after", () => {
  const block = put(1000, 1);
  put(1000, 2);
  log.free(block);
  expect(() => log.free(block)).toThrow(RangeError);
  expect(() => block.view()).toThrow(RangeError);
  expect(() => block.pin()).toThrow(RangeError);
  expect(() => block.unpin()).toThrow(RangeError);
});

test("a pinned block can be freed: its bytes stay until it is unpinned", () => {
  const block = put(1000, 1);
  block.pin();
  log.free(block);
  expect(released).toHaveLength(1);
  expect(holds(block, 1)).toBe(true);
  const next = put(1000, 2);
  expect(next.segment.offset).not.toBe(block.segment.offset);
  expect(log.ownedBytes).toBe(2 * unitBytes);
  block.unpin();
  expect(log.ownedBytes).toBe(unitBytes);
});

test("ending costs one step a segment, however many blocks there are", () => {
  const blocks: Block[] = [];
  while (log.segmentCount < 5) blocks.push(log.allocate(64)!);
  const pinned = blocks[blocks.length - 1]!;
  pinned.pin();
  const count = log.segmentCount;
  log.freeAll();
  expect(released).toHaveLength(count);
  // No handle was visited, yet none can be used.
  expect(blocks.every((block) => block.held && !block.live)).toBe(true);
  expect(() => blocks[0]!.view()).toThrow(RangeError);
  expect(log.ownedBytes).toBe(pinned.segment.sizeBytes);
  pinned.unpin();
  expect(log.ownedBytes).toBe(0);
  log.free(blocks[0]!);
  expect(log.liveBytes).toBe(0);
});

/** Fills eight segments of 256 KiB with blocks of 16 KiB, and frees all but two adjacent ones of each eight. */
function holey(): Map<Block, number> {
  const blocks = Array.from({ length: 128 }, (_, i) => put(16 * kibibyte, i));
  const kept = new Map<Block, number>();
  for (const [i, block] of blocks.entries()) {
    if (i % 8 < 2) kept.set(block, i);
    else log.free(block);
  }
  return kept;
}
const clean = (stepWork: number): number => {
  let steps = 0;
  while (log.cleanStep(stepWork) > 0) steps += 1;
  return steps;
};

test("cleaning copies live blocks together and keeps their bytes", () => {
  const kept = holey();
  expect(log.cleaningDue).toBe(true);
  const before = log.ownedBytes;
  clean(mebibyte);
  expect(log.ownedBytes).toBeLessThanOrEqual(before / 2);
  expect(log.cleaningDue).toBe(false);
  for (const [block, byte] of kept) expect(holds(block, byte)).toBe(true);
});

test("a step of cleaning does bounded work", () => {
  const kept = holey();
  const work = log.cleanStep(20 * kibibyte);
  expect(work).toBeGreaterThan(0);
  expect(work).toBeLessThan(20 * kibibyte + 20 * kibibyte);
  expect(clean(20 * kibibyte)).toBeGreaterThan(5);
  for (const [block, byte] of kept) expect(holds(block, byte)).toBe(true);
});

test("without any memory to copy to, blocks are slid together", () => {
  const kept = holey();
  segmentsLeft = 0;
  // What is open would be room to copy to.
  while (log.allocate(16 * kibibyte) !== undefined);
  const owned = log.ownedBytes;
  clean(50 * kibibyte);
  expect(log.ownedBytes).toBeLessThan(owned);
  expect(log.holeBytes).toBe(0);
  for (const [block, byte] of kept) expect(holds(block, byte)).toBe(true);
  expect(log.liveBytes / log.ownedBytes).toBeGreaterThan(0.8);
});

test("pinned blocks stay where they are while others are moved around them", () => {
  const kept = holey();
  const pinned = [...kept.keys()].filter((_, i) => i % 3 === 0);
  const placeOf = (block: Block): string => `${block.segment.slab.index}:${block.offset}`;
  const places = pinned.map(placeOf);
  const views = pinned.map((block) => block.view());
  for (const block of pinned) block.pin();
  clean(mebibyte);
  expect(pinned.map(placeOf)).toEqual(places);
  for (const [i, block] of pinned.entries()) expect(views[i]!.equals(block.view())).toBe(true);
  const owned = log.ownedBytes;
  for (const block of pinned) block.unpin();
  clean(mebibyte);
  expect(log.ownedBytes).toBeLessThan(owned);
  for (const [block, byte] of kept) expect(holds(block, byte)).toBe(true);
});

test("a block that is freed while a socket sends it is not slid over", () => {
  segmentsLeft = 1;
  const [first, sent, last] = [put(64 * kibibyte, 1), put(64 * kibibyte, 2), put(64 * kibibyte, 3)];
  const view = sent.view();
  sent.pin();
  log.free(first);
  log.free(sent);
  while (log.allocate(8 * kibibyte) !== undefined);
  log.close(sent.segment);
  expect(clean(mebibyte)).toBe(0);
  expect(view.equals(Buffer.alloc(view.length, 2))).toBe(true);
  sent.unpin();
  expect(clean(mebibyte)).toBe(1);
  expect(holds(last, 3)).toBe(true);
  expect(last.offset).toBe(last.segment.offset);
});

test("a victim that is freed between two steps is left alone", () => {
  const kept = holey();
  log.cleanStep(17 * kibibyte);
  for (const block of kept.keys()) log.free(block);
  expect(log.cleanStep(mebibyte)).toBe(0);
  expect(log.ownedBytes).toBe(0);
});

test("a nearly empty segment without holes is emptied only for others", () => {
  const big = put(4 * mebibyte, 1);
  while (log.segmentCount === 1) put(100 * kibibyte, 2);
  const sparse = acquired[1]!;
  expect(sparse.sizeBytes).toBe(4 * unitBytes);
  expect(log.cleanStep(mebibyte)).toBe(0);
  expect(log.cleanStep(mebibyte, true)).toBeGreaterThan(0);
  expect(sparse.state).toBe("released");
  expect(holds(big, 1)).toBe(true);
});

test("a segment that cleaning could do nothing for is looked at again when a block of it is freed", () => {
  put(4 * mebibyte, 1);
  const first = put(100 * kibibyte, 2);
  put(100 * kibibyte, 3);
  log.close(acquired[0]!);
  segmentsLeft = 0;
  expect(log.cleanStep(mebibyte, true)).toBe(0);
  log.free(first);
  expect(log.cleanStep(mebibyte)).toBeGreaterThan(0);
  expect(log.holeBytes).toBe(0);
});

test("cleaning does not close a segment that is being written to", () => {
  const freed = put(100 * kibibyte, 1);
  const receiving = put(50 * kibibyte, 2);
  receiving.pin();
  log.free(freed);
  expect(log.cleanStep(mebibyte)).toBe(0);
  expect(log.roomFor(100 * kibibyte) === receiving.segment).toBe(true);
});
