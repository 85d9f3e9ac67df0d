import { expect, test } from "vitest";
import { throughputOf } from "../../../bench/harness/throughput.ts";

test("work is repeated until the time is over, and counted", async () => {
  let runs = 0;
  const startMs = performance.now();
  const figures = await throughputOf({ bytes: 1e6, run: () => void runs++ }, 2).sample();
  const tookMs = performance.now() - startMs;
  expect(runs).toBeGreaterThan(1);
  expect(tookMs).toBeGreaterThanOrEqual(2);
  // runs x 1 MB within at least 2 ms and at most what was seen from outside; figures are rounded to four digits.
  expect(figures["gbPerSecond"]).toBeLessThanOrEqual((runs / 2) * 1.001);
  expect(figures["gbPerSecond"]).toBeGreaterThanOrEqual((runs / tookMs) * 0.999);
});

test("work that takes longer than a sample is done once", async () => {
  let runs = 0;
  await throughputOf({ bytes: 1, run: () => void runs++ }, 0).sample();
  expect(runs).toBe(1);
});
