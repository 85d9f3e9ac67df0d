import { expect, test } from "vitest";
import { reserveJob, reserveJobs } from "../../../src/controller/autoscale/reserve-jobs.ts";
import { emptyScaleState } from "../../../src/controller/autoscale/scale-inventory.ts";
import { createScaler } from "../../../src/controller/autoscale/scaler.ts";
import { gibibyte, inventory, job, nodes, samplePolicy } from "./sample-fleet.ts";

const policy = samplePolicy();

test("a job reserves what it hinted with its parity, or what it holds when that is more", () => {
  const jobs = [
    job(1, { bytes: 8 * gibibyte }),
    job(2, { bytes: 8 * gibibyte }, { usedBytes: 20 * gibibyte }),
    job(3, { bytes: 8 * gibibyte }, { code: { d: 1, p: 1 } }),
    job(4, {}, { usedBytes: 3 * gibibyte }),
    job(5, { functions: 8 }),
  ];
  const reserved = reserveJobs(inventory(0, nodes(3), jobs), emptyScaleState, policy);
  expect(reserved.map(({ bytes }) => bytes / gibibyte)).toEqual([12, 20, 16, 3, 3]);
});

test("what is never used is kept whole for a while, then halves, then is gone", () => {
  const idle = job(1, { bytes: 8 * gibibyte });
  const after = (ms: number): number => reserveJob(idle, undefined, ms, policy).bytes / gibibyte;
  const { reservationHoldMs: hold, reservationHalfLifeMs: half } = policy;
  expect(after(hold)).toBe(12);
  expect(after(hold + half)).toBeCloseTo(6);
  expect(after(hold + 2 * half)).toBeCloseTo(3);
  expect(after(hold + 10 * half)).toBe(0);
});

test("as long as it grows, its reservation is kept whole", () => {
  const scaler = createScaler(policy);
  const hinted = { bytes: 100 * gibibyte };
  // A hundredth of it each 100 s: slower than the hold, but growing.
  for (let step = 0; step <= 20; step++) {
    const usedBytes = step * gibibyte;
    const { state } = scaler.plan(inventory(step * 100_000, nodes(30), [job(1, hinted, { usedBytes })]));
    const memory = state.jobs[0];
    const kept = reserveJob(job(1, hinted, { usedBytes }), memory, step * 100_000, policy);
    expect(kept.hintedBytes).toBe(150 * gibibyte);
  }
});

test("a job that prefers cost reserves what it can write until more nodes are there", () => {
  const hints = { bytes: 100 * gibibyte, bytesPerSecond: gibibyte, prefer: "cost" } as const;
  // 35 s at 1.5 GiB/s with parity.
  expect(reserveJob(job(1, hints), undefined, 0, policy).bytes / gibibyte).toBeCloseTo(52.5);
  const unknownSpeed = { bytes: 100 * gibibyte, prefer: "cost" } as const;
  expect(reserveJob(job(1, unknownSpeed), undefined, 0, policy).bytes / gibibyte).toBe(150);
});

test("a reservation ends with its job", () => {
  const reserved = reserveJobs(inventory(0, nodes(3), []), emptyScaleState, policy);
  expect(reserved).toEqual([]);
});
