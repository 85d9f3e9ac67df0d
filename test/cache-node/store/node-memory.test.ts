import { beforeEach, expect, test } from "vitest";
import { indexChargeFor } from "../../../cache-node/store/index-charge.ts";
import { createNodeMemory, limitBytesMin, type NodeMemory } from "../../../cache-node/store/node-memory.ts";
import type { Block } from "../../../cache-node/store/segment.ts";
import { slabBytes, unitBytes } from "../../../cache-node/store/slabs.ts";
import { MayflyError } from "../../../src/errors.ts";
import { jobNumber } from "../../../src/ids.ts";
import { type FakeHeap, fakeHeap, kibibyte, type ManualClock, manualClock, mebibyte } from "./fakes.ts";

const limitBytes = 4 * slabBytes;
const jobA = jobNumber(1);
const jobB = jobNumber(2);
let clock: ManualClock;
let heap: FakeHeap;
let memory: NodeMemory;

beforeEach(() => {
  clock = manualClock();
  heap = fakeHeap();
  memory = createNodeMemory({ limitBytes, clock, heap });
});

/** Blocks of 256 KiB until there is no memory. */
function fill(job = jobA): Block[] {
  const blocks: Block[] = [];
  for (;;) {
    const block = memory.job(job).allocate(256 * kibibyte);
    if (block === undefined) return blocks;
    blocks.push(block);
  }
}

test("a limit that is too small or not a number of bytes is refused", () => {
  for (const limit of [0, limitBytesMin - 1, Number.NaN, limitBytesMin + 0.5]) {
    expect(() => createNodeMemory({ limitBytes: limit, clock, heap })).toThrow(MayflyError);
  }
});

test("memory is touched in the background, but for what the index may soon need", () => {
  expect(memory.stats().touchedBytes).toBe(0);
  clock.runTimers();
  expect(memory.stats().touchedBytes).toBe(7 * unitBytes);
  clock.settle();
  expect(memory.stats().touchedBytes).toBeGreaterThan(limitBytes * 0.8);
  expect(memory.stats().touchedBytes).toBeLessThan(limitBytes * 0.95);
});

test("nothing is touched ahead when that is turned off", () => {
  const untouched = createNodeMemory({ limitBytes, clock: manualClock(), heap, touchBytesPerStep: 0 });
  untouched.job(jobA).allocate(100);
  expect(untouched.stats().touchedBytes).toBe(unitBytes);
});

test("used and free add up, and a job is what it owns and was charged", () => {
  const a = memory.job(jobA);
  a.allocate(100);
  expect(a.charge(1000)).toBe(true);
  expect(a.usedBytes).toBe(unitBytes + 1000);
  expect(a.liveBytes).toBe(104);
  expect(memory.usedBytes).toBe(a.usedBytes);
  expect(memory.freeBytes).toBe(limitBytes - a.usedBytes);
  a.discharge(400);
  expect(memory.usedBytes).toBe(unitBytes + 600);
  expect(() => a.discharge(601)).toThrow(RangeError);
  expect(() => a.charge(-1)).toThrow(RangeError);
});

test("holes that cleaning can fill claim nothing, and a node that is full is claimed", () => {
  expect(memory.stats().claimedBytes).toBe(0);
  const blocks = fill();
  expect(memory.stats().claimedBytes).toBeGreaterThan(0.98 * limitBytes);
  for (const [i, block] of blocks.entries()) if (i % 2 === 0) memory.job(jobA).free(block);
  expect(memory.usedBytes).toBeGreaterThan(0.9 * limitBytes);
  const { claimedBytes } = memory.stats();
  expect(claimedBytes / limitBytes).toBeCloseTo(0.5, 1);
  memory.job(jobB).charge(limitBytes / 8);
  expect((memory.stats().claimedBytes - claimedBytes) / limitBytes).toBeCloseTo(1 / 8, 1);
});

test("slabs make room for an index that grows, and come back when it shrinks", () => {
  clock.settle();
  const a = memory.job(jobA);
  const touched = memory.stats().touchedBytes;
  expect(a.charge(limitBytes / 2)).toBe(true);
  expect(memory.stats().touchedBytes).toBeLessThanOrEqual(limitBytes / 2);
  expect(fill().length * 256 * kibibyte).toBeLessThanOrEqual(limitBytes / 2);
  memory.endJob(jobA);
  expect(memory.usedBytes).toBe(0);
  clock.settle();
  expect(memory.stats().touchedBytes).toBe(touched);
});

test("the index cannot grow beyond the limit, nor into memory that values own", () => {
  expect(memory.job(jobB).charge(limitBytes + 1)).toBe(false);
  fill();
  const charge = indexChargeFor(24);
  const b = memory.job(jobB);
  while (b.charge(charge));
  expect(b.indexBytes).toBeGreaterThan(0);
  expect(memory.usedBytes).toBeLessThanOrEqual(limitBytes);
  const { touchedBytes, indexBytes } = memory.stats();
  expect(touchedBytes + indexBytes).toBeLessThanOrEqual(limitBytes);
});

test("a slab that is in use here and there is emptied for the index", () => {
  const blocks = fill();
  for (const [i, block] of blocks.entries()) {
    block.view().fill(i);
    if (i % 8 !== 0) memory.job(jobA).free(block);
  }
  expect(memory.job(jobB).charge(limitBytes / 2)).toBe(true);
  for (const [i, block] of blocks.entries()) {
    if (i % 8 === 0) expect(block.view().equals(Buffer.alloc(block.length, i))).toBe(true);
  }
});

test("free memory in small pieces is made one for a large block", () => {
  const blocks = fill();
  for (const [i, block] of blocks.entries()) if (i % 8 !== 0) memory.job(jobA).free(block);
  for (let i = 0; i < 4; i++) expect(memory.job(jobB).allocate(16 * mebibyte)).toBeDefined();
});

test("the holes of one job are memory for another", () => {
  const blocks = fill();
  const a = memory.job(jobA);
  for (const block of blocks) a.free(block);
  const small: Block[] = [];
  for (let block = a.allocate(16 * kibibyte); block !== undefined; block = a.allocate(16 * kibibyte)) {
    small.push(block);
  }
  for (const [i, block] of small.entries()) if (i % 2 === 0) a.free(block);
  expect(memory.freeBytes).toBeLessThan(limitBytes / 20);
  // Each allocation may clean only so much: the background does the rest.
  let got = 0;
  for (let tries = 0; tries < 100; tries++) {
    while (memory.job(jobB).allocate(512 * kibibyte) !== undefined) got += 512 * kibibyte;
    clock.runTimers();
  }
  expect(got).toBeGreaterThan(limitBytes * 0.4);
});

test("holes are cleaned in the background although memory is not short", () => {
  clock.settle();
  const a = memory.job(jobA);
  const blocks = Array.from({ length: 1000 }, () => a.allocate(16 * kibibyte)!);
  for (const [i, block] of blocks.entries()) if (i % 3 !== 0) a.free(block);
  clock.settle();
  expect(a.liveBytes / a.usedBytes).toBeGreaterThan(0.6);
  expect(memory.stats().movedBytes).toBeGreaterThan(0);
});

test("ending a job frees all of it, but not what a socket still sends", () => {
  const a = memory.job(jobA);
  const sent = a.allocate(1000)!;
  sent.view().fill(5);
  sent.pin();
  a.charge(500);
  while (a.usedBytes < 8 * mebibyte) a.allocate(100 * kibibyte);
  memory.endJob(jobA);
  expect(memory.usedBytes).toBe(unitBytes);
  expect(sent.view().equals(Buffer.alloc(1000, 5))).toBe(true);
  expect(a.allocate(10)).toBeUndefined();
  expect(a.charge(10)).toBe(false);
  a.discharge(10);
  a.free(sent);
  sent.unpin();
  expect(memory.usedBytes).toBe(0);
  expect(memory.stats().jobs).toBe(0);
  memory.endJob(jobA);
});

test("garbage of a job's index is collected before slabs take its memory", () => {
  const a = memory.job(jobA);
  expect(a.charge(100 * mebibyte)).toBe(true);
  heap.taken = 100 * mebibyte;
  memory.endJob(jobA);
  const blocks = fill();
  expect(heap.collected).toBe(1);
  expect(blocks.length * 256 * kibibyte).toBeGreaterThan(limitBytes * 0.9);
});

test("while the heap holds more than it was charged for, slabs leave it the room", () => {
  heap.taken = 64 * mebibyte;
  heap.leftAfterCollect = heap.taken;
  fill();
  expect(memory.stats().touchedBytes + heap.taken).toBeLessThan(limitBytes + 16 * mebibyte);
  const { collected } = heap;
  for (let i = 0; i < 100; i++) memory.job(jobA).allocate(256 * kibibyte);
  // It brought nothing, so it is not tried again soon.
  expect(heap.collected).toBe(collected);
});

test("empty slabs go when the heap outgrows its charges", () => {
  clock.settle();
  const before = memory.stats().touchedBytes;
  const a = memory.job(jobA);
  heap.taken = 80 * mebibyte;
  a.charge(16 * mebibyte);
  clock.runTimers();
  expect(memory.stats().touchedBytes).toBeLessThanOrEqual(before - slabBytes);
});

test("the index stays below what V8 can hold", () => {
  const small = createNodeMemory({ limitBytes, clock: manualClock(), heap: fakeHeap(40 * mebibyte) });
  expect(small.job(jobA).charge(31 * mebibyte)).toBe(false);
  expect(small.job(jobA).charge(29 * mebibyte)).toBe(true);
});

test("closing gives everything back, but not under the hands of a socket", () => {
  const block = memory.job(jobA).allocate(1000)!;
  const idle = memory.job(jobB).allocate(16 * mebibyte)!;
  memory.job(jobB).allocate(16 * mebibyte);
  const view = block.view().fill(3);
  const idleView = idle.view();
  block.pin();
  memory.close();
  expect(view.equals(Buffer.alloc(1000, 3))).toBe(true);
  expect(memory.stats().touchedBytes).toBe(0);
  expect(idle.segment.slab === block.segment.slab || idleView.length === 0).toBe(true);
  block.unpin();
  expect(memory.usedBytes).toBe(0);
  expect(clock.runTimers()).toBe(false);
  expect(() => memory.job(jobA)).toThrow(MayflyError);
});
