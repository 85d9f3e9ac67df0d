import fc from "fast-check";
import { expect, test } from "vitest";
import { admitJob } from "../../../src/controller/autoscale/admit-job.ts";
import { gibibyte, inventory, job, node, nodes, samplePolicy } from "./sample-fleet.ts";

const policy = samplePolicy();
const code = { d: 4, p: 2 };

test("what fits now is ready now, what fits after growth says when", () => {
  const fleet = inventory(10_000, nodes(10), []);
  expect(admitJob(fleet, policy, { bytes: 10 * gibibyte }, code)).toMatchObject({
    admitted: true,
    readyInMs: 0,
  });
  expect(admitJob(fleet, policy, {}, code)).toMatchObject({ admitted: true, readyInMs: 0 });
  expect(admitJob(fleet, policy, { bytes: 100 * gibibyte }, code)).toMatchObject({
    ...{ admitted: true, readyInMs: policy.startMs + policy.decideEveryMs },
    reason: "there is room once 9 more nodes are there",
  });
});

test("nodes that start already make it sooner", () => {
  const starting = Array.from({ length: 10 }, (_, at) =>
    node(`s${at}`, { state: "starting", startedAtMs: at * 1000 }),
  );
  const admission = admitJob(
    inventory(20_000, [...nodes(10), ...starting]),
    policy,
    { bytes: 100 * gibibyte },
    code,
  );
  // 150 GiB at 80 % are 19 nodes: the ninth that starts is there at 38 s.
  expect(admission).toMatchObject({ admitted: true, readyInMs: 18_000 });
});

test("what does not fit even the largest fleet is refused, with what is free", () => {
  const others = [job(1, { bytes: 200 * gibibyte })];
  const admission = admitJob(inventory(0, nodes(3), others), policy, { bytes: 101 * gibibyte }, code);
  // 50 nodes of 10 GiB at 90 % are 450 GiB, of which 300 are reserved: 100 GiB of the job's own.
  expect(admission).toMatchObject({
    ...{ admitted: false, freeBytes: 100 * gibibyte, neededBytes: 101 * gibibyte },
    reason: expect.stringMatching(/152 GiB with parity.*300 GiB are reserved; hint at most 100 GiB/),
  });
  expect(admitJob(inventory(0, nodes(3), others), policy, { bytes: 100 * gibibyte }, code).admitted).toBe(
    true,
  );
});

test("a throughput and a code can be too much as well", () => {
  const empty = inventory(0, nodes(3));
  const rate = admitJob(empty, policy, { bytesPerSecond: 30e9 }, code);
  expect(rate).toMatchObject({ admitted: false, neededBytes: 30e9 });
  expect(Math.round((rate as { freeBytes: number }).freeBytes / 1e9)).toBe(27);
  expect(admitJob(empty, policy, {}, { d: 50, p: 2 })).toMatchObject({
    ...{ admitted: false, reason: expect.stringContaining("nodesMax is 50") },
  });
});

test("a job is refused exactly when it hints more than is free, and free is what would be admitted", () => {
  const amount = fc.integer({ min: 0, max: 600 });
  fc.assert(
    fc.property(amount, amount, fc.integer({ min: 0, max: 4 }), (othersGib, hintGib, p) => {
      const fleet = inventory(0, nodes(3), [job(1, { bytes: othersGib * gibibyte })]);
      const admission = admitJob(fleet, policy, { bytes: hintGib * gibibyte }, { d: 4, p });
      if (admission.admitted) return;
      expect(admission.freeBytes).toBeLessThan(admission.neededBytes);
      const less = admitJob(fleet, policy, { bytes: Math.max(0, admission.freeBytes - 1) }, { d: 4, p });
      expect(less.admitted).toBe(true);
    }),
  );
});
