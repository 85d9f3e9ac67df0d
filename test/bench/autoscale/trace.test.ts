import { describe, expect, test } from "vitest";
import {
  measureDemand,
  ratioOf,
  synthesizeTrace,
  type TraceJob,
  type TraceOptions,
  traceDefaults,
} from "../../../bench/autoscale/trace.ts";

const options: TraceOptions = { ...traceDefaults, seed: 1, jobs: 2000, peakToMean: 4, peakBytes: 1e13 };

describe("a synthesised trace", () => {
  test.each([2, 4, 8])("has the peak-to-mean of %d that was asked for, and the peak", (peakToMean) => {
    const trace = synthesizeTrace({ ...options, jobs: 5000, peakToMean });
    expect(ratioOf(trace) / peakToMean).toBeGreaterThan(0.98);
    expect(ratioOf(trace) / peakToMean).toBeLessThan(1.02);
    expect(trace.peakBytes / 1e13).toBeCloseTo(1, 1);
    expect(trace.jobs).toHaveLength(5000);
  });

  test("is the same for the same seed, and another one for another", () => {
    expect(synthesizeTrace(options)).toEqual(synthesizeTrace(options));
    expect(synthesizeTrace({ ...options, seed: 2 })).not.toEqual(synthesizeTrace(options));
  });

  test("has jobs of very different size, in order, within its time, and hints as asked", () => {
    const { jobs, seconds } = synthesizeTrace(options);
    const sizes = jobs.map(({ peakBytes }) => peakBytes).sort((a, b) => a - b);
    expect(sizes.at(-1)! / sizes[0]!).toBeGreaterThan(1000);
    for (const [at, job] of jobs.entries()) {
      expect(job.startSeconds).toBeGreaterThanOrEqual(jobs[at - 1]?.startSeconds ?? 0);
      expect(job.endSeconds).toBeGreaterThan(job.startSeconds);
      expect(job.startSeconds).toBeLessThanOrEqual(seconds);
      expect(job.leadSeconds).toBeGreaterThanOrEqual(5);
      expect(job.leadSeconds).toBeLessThanOrEqual(25);
    }
    const hinted = jobs.filter(({ hintBytes }) => hintBytes !== undefined).length;
    expect(hinted / jobs.length).toBeCloseTo(0.8, 1);
    expect(
      synthesizeTrace({ ...options, hintedShare: 0 }).jobs.every((job) => job.hintBytes === undefined),
    ).toBe(true);
  });

  test("that cannot be is refused: a single job has no peak far above its mean", () => {
    expect(() => synthesizeTrace({ ...options, jobs: 3, peakToMean: 1.01 })).toThrow(/no trace of seed 1/);
  });
});

test("demand is measured as it is by hand", () => {
  const job = (fields: Partial<TraceJob>): TraceJob => ({
    ...{
      job: "a",
      startSeconds: 0,
      endSeconds: 30,
      peakBytes: 100,
      rampSeconds: 10,
      leadSeconds: 0,
      functions: 1,
    },
    ...fields,
  });
  // 10, 20, .. 100 over ten seconds, and 100 for twenty more, of forty.
  expect(measureDemand([job({})], 40)).toEqual({ peakBytes: 100, meanBytes: (550 + 2000) / 40 });
  // One that ends within its ramp has never held its peak.
  expect(measureDemand([job({ endSeconds: 5 })], 10).peakBytes).toBe(50);
  const two = measureDemand([job({}), job({ startSeconds: 15, leadSeconds: 5 })], 60);
  expect(two.peakBytes).toBe(200);
});
