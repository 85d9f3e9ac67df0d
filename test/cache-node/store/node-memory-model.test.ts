import fc from "fast-check";
import { expect, test } from "vitest";
import type { JobMemory } from "../../../cache-node/store/job-memory.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import type { Block } from "../../../cache-node/store/segment.ts";
import { jobNumber } from "../../../src/ids.ts";
import { fakeHeap, kibibyte, manualClock, mebibyte } from "./fakes.ts";

/** What the test knows of a block. */
interface Known {
  readonly job: JobMemory;
  readonly block: Block;
  readonly byte: number;
  pins: number;
  freed: boolean;
  /** Where it was when it was pinned. */
  pinned: { readonly view: Buffer; readonly offset: number } | undefined;
}

type Step =
  | { readonly kind: "allocate"; readonly job: number; readonly length: number }
  | { readonly kind: "free" | "pin" | "pinAndFree" | "unpin"; readonly pick: number; readonly count: number }
  | { readonly kind: "charge"; readonly job: number; readonly bytes: number }
  | { readonly kind: "discharge"; readonly job: number; readonly share: number }
  | { readonly kind: "end"; readonly job: number }
  | { readonly kind: "timers" }
  | { readonly kind: "heap"; readonly bytes: number };

function stepsFor(limitBytes: number, lengthMax: number): fc.Arbitrary<Step[]> {
  const job = fc.integer({ min: 0, max: 2 });
  const pick = fc.nat();
  // As many small as large ones: the exponent is what is uniform. Whole powers of two fill segments to the last byte.
  const length = fc
    .tuple(
      fc.integer({ min: 0, max: Math.log2(lengthMax) }),
      fc.oneof(fc.constant(1), fc.double({ min: 0.5, max: 1, noNaN: true })),
    )
    .map(([exponent, share]) => Math.floor(2 ** exponent * share));
  const allocate = fc.record({ kind: fc.constant("allocate" as const), job, length });
  const choose = (kind: "free" | "pin" | "pinAndFree" | "unpin", countMax: number) =>
    fc.record({ kind: fc.constant(kind), pick, count: fc.integer({ min: 1, max: countMax }) });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 24, arbitrary: allocate },
    { weight: 6, arbitrary: choose("free", 6) },
    { weight: 2, arbitrary: choose("pin", 2) },
    { weight: 2, arbitrary: choose("pinAndFree", 2) },
    { weight: 4, arbitrary: choose("unpin", 2) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("charge" as const),
        job,
        bytes: fc.integer({ min: 0, max: limitBytes / 4 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant("discharge" as const),
        job,
        share: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("end" as const), job }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant("timers" as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("heap" as const),
        bytes: fc.integer({ min: 0, max: limitBytes }),
      }),
    },
  );
  return fc.array(step, { minLength: 100, maxLength: 500, size: "max" });
}

function run(limitBytes: number, steps: readonly Step[]): void {
  const clock = manualClock();
  const heap = fakeHeap();
  const memory = createNodeMemory({ limitBytes, clock, heap, cleanWorkPerStep: limitBytes / 64 });
  let jobsMade = 0;
  const createJob = (): JobMemory => memory.job(jobNumber(++jobsMade));
  const jobs = [createJob(), createJob(), createJob()];
  const charged = new Map<JobMemory, number>();
  let known: Known[] = [];
  let written = 0;

  const checkContent = (): void => {
    for (const { block, byte, pinned } of known) {
      expect(block.view().equals(Buffer.alloc(block.length, byte))).toBe(true);
      if (pinned === undefined) continue;
      expect(block.offset).toBe(pinned.offset);
      expect(pinned.view.equals(block.view())).toBe(true);
      expect(pinned.view.buffer).toBe(block.view().buffer);
    }
  };
  const checkOverlap = (): void => {
    const ranges = known
      .filter(({ block }) => block.length > 0)
      .map(({ block }) => ({ slab: block.segment.slab.index, from: block.offset, length: block.length }))
      .sort((a, b) => a.slab - b.slab || a.from - b.from);
    for (let i = 1; i < ranges.length; i++) {
      const before = ranges[i - 1]!;
      const range = ranges[i]!;
      expect(range.from % 8).toBe(0);
      if (before.slab === range.slab) {
        expect(before.from + before.length).toBeLessThanOrEqual(range.from);
      }
    }
  };
  const checkAccount = (): void => {
    const stats = memory.stats();
    expect(memory.usedBytes + memory.freeBytes).toBe(limitBytes);
    expect(memory.freeBytes).toBeGreaterThanOrEqual(0);
    expect(stats.usedBytes).toBe(stats.segmentBytes + stats.indexBytes);
    expect(stats.segmentBytes).toBeLessThanOrEqual(stats.touchedBytes);
    expect(stats.touchedBytes + stats.indexBytes).toBeLessThanOrEqual(limitBytes);
    const jobsUsed = jobs.reduce((sum, job) => sum + job.usedBytes, 0);
    const endedArePinned = known.some(({ job }) => job.ended);
    if (endedArePinned) expect(memory.usedBytes).toBeGreaterThan(jobsUsed);
    else expect(memory.usedBytes).toBe(jobsUsed);
    for (const job of jobs) {
      let live = 0;
      for (const { job: owner, block, freed } of known) {
        if (owner === job && !freed) live += Math.max(8, Math.ceil(block.length / 8) * 8);
      }
      expect(job.liveBytes).toBe(live);
      expect(job.indexBytes).toBe(charged.get(job) ?? 0);
    }
  };

  const forEachPicked = (pick: number, count: number, act: (one: Known) => void): void => {
    for (let i = 0; i < count && known.length > 0; i++) act(known[(pick + i) % known.length]!);
    known = known.filter(({ job, freed, pins }) => pins > 0 || (!freed && !job.ended));
  };

  const act = (step: Step): void => {
    switch (step.kind) {
      case "allocate": {
        const job = jobs[step.job]!;
        const block = job.allocate(step.length);
        if (block === undefined) return;
        const byte = ++written & 0xff;
        block.view().fill(byte);
        known.push({ job, block, byte, pins: 0, freed: false, pinned: undefined });
        return;
      }
      case "free":
        forEachPicked(step.pick, step.count, (one) => {
          if (one.freed || one.job.ended) return;
          one.job.free(one.block);
          one.freed = true;
        });
        return;
      case "pin":
      case "pinAndFree":
        forEachPicked(step.pick, step.count, (one) => {
          if (one.freed || one.job.ended) return;
          one.block.pin();
          one.pins += 1;
          one.pinned = { view: one.block.view(), offset: one.block.offset };
          if (step.kind === "pin") return;
          one.job.free(one.block);
          one.freed = true;
        });
        return;
      case "unpin":
        forEachPicked(step.pick, step.count, (one) => {
          if (one.pins === 0) return;
          one.block.unpin();
          one.pins -= 1;
          if (one.pins === 0) one.pinned = undefined;
        });
        return;
      case "charge": {
        const job = jobs[step.job]!;
        if (job.charge(step.bytes)) charged.set(job, (charged.get(job) ?? 0) + step.bytes);
        return;
      }
      case "discharge": {
        const job = jobs[step.job]!;
        const bytes = Math.floor((charged.get(job) ?? 0) * step.share);
        job.discharge(bytes);
        charged.set(job, (charged.get(job) ?? 0) - bytes);
        return;
      }
      case "end": {
        memory.endJob(jobs[step.job]!.job);
        jobs[step.job] = createJob();
        forEachPicked(0, 0, () => {});
        return;
      }
      case "timers":
        clock.advance(1);
        clock.runTimers();
        return;
      case "heap":
        heap.taken = step.bytes;
    }
  };

  for (const [i, step] of steps.entries()) {
    act(step);
    checkAccount();
    if (i % 16 === 0) checkContent();
  }
  checkOverlap();
  clock.settle();
  checkContent();
  checkOverlap();
  checkAccount();
  for (const one of known) for (; one.pins > 0; one.pins--) one.block.unpin();
  for (const job of jobs) memory.endJob(job.job);
  expect(memory.usedBytes).toBe(0);
  memory.close();
}

/** Shrinking a long failure takes minutes: the seed that is printed repeats it. */
const bounds = { interruptAfterTimeLimit: 30_000 };

test("any use of a small node's memory keeps contents, places of pinned blocks and the account", () => {
  const limitBytes = 6 * mebibyte + 100;
  fc.assert(
    fc.property(stepsFor(limitBytes, 128 * kibibyte), (steps) => run(limitBytes, steps)),
    { ...bounds, numRuns: 40 },
  );
});

test("so it does in several slabs, with blocks of up to 16 MiB", () => {
  const limitBytes = 80 * mebibyte;
  fc.assert(
    fc.property(stepsFor(limitBytes, 16 * mebibyte), (steps) => run(limitBytes, steps)),
    { ...bounds, numRuns: 12 },
  );
});
