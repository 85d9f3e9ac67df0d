import type { EventLoopUtilization } from "node:perf_hooks";
import { expect, test } from "vitest";
import { LoadSignals, reportMemory } from "../../cache-node/load-signals.ts";
import { createNodeMemory } from "../../cache-node/store/node-memory.ts";
import { MayflyError } from "../../src/errors.ts";
import { jobNumber } from "../../src/ids.ts";
import { FakeClock } from "../controller/fake-clock.ts";

function begin() {
  const clock = new FakeClock();
  const open = new Set<{ movedBytes: number }>();
  let utilization = 0.5;
  const signals = new LoadSignals({
    ...{ clock, connections: () => open },
    utilization: (since): EventLoopUtilization => ({
      ...{ idle: 0, active: 0, utilization: since === undefined ? 0 : utilization },
    }),
  });
  const busy = (share: number): void => {
    utilization = share;
  };
  return { clock, open, signals, busy };
}

const error = (code: "BUSY" | "NOT_FOUND") => new MayflyError(code, "no");

test("bytes count from one window to the next, whether connections stay or go", () => {
  const { clock, open, signals, busy } = begin();
  const [stays, goes] = [{ movedBytes: 1000 }, { movedBytes: 500 }];
  open.add(stays).add(goes);
  clock.freeze(500);
  expect(signals.report()).toEqual({
    ...{ eventLoopUtilization: 0.5, networkBytesPerSecond: 3000, waitingWriters: 0 },
  });
  stays.movedBytes += 100;
  goes.movedBytes += 10;
  open.delete(goes);
  signals.closed(goes);
  clock.freeze(1000);
  busy(7);
  expect(signals.report()).toMatchObject({ networkBytesPerSecond: 110, eventLoopUtilization: 1 });
  clock.freeze(1000);
  expect(signals.report().networkBytesPerSecond).toBe(0);
});

test("a writer that is sent away counts once in a window, however often it tries", () => {
  const { clock, signals } = begin();
  const [one, two] = [{ movedBytes: 0 }, { movedBytes: 0 }];
  for (let i = 0; i < 20; i++) signals.failed(one, error("BUSY"));
  signals.failed(two, error("BUSY"));
  signals.failed({ movedBytes: 0 }, error("NOT_FOUND"));
  clock.freeze(500);
  expect(signals.report().waitingWriters).toBe(2);
  clock.freeze(500);
  expect(signals.report().waitingWriters).toBe(0);
});

test("heartbeats that follow each other at once say the same, and lose nothing", () => {
  const { clock, open, signals } = begin();
  const connection = { movedBytes: 1000 };
  open.add(connection);
  clock.freeze(500);
  const first = signals.report();
  connection.movedBytes += 1000;
  signals.failed(connection, error("BUSY"));
  clock.freeze(5);
  expect(signals.report()).toEqual(first);
  clock.freeze(495);
  expect(signals.report()).toMatchObject({ networkBytesPerSecond: 2000, waitingWriters: 1 });
});

test("the parts that jobs have claimed are what the node has claimed", () => {
  const memory = createNodeMemory({ limitBytes: 16 * 2 ** 20, clock: new FakeClock() });
  const jobs = [1, 2].map(jobNumber);
  for (const number of jobs) {
    const job = memory.job(number);
    for (let i = 0; i < 20; i++) job.allocate(10_000 * number);
    job.charge(5000);
  }
  const holes = memory.job(jobs[0]!);
  for (let i = 0; i < 20; i++) holes.free(holes.allocate(100_000)!);
  const { usedBytes, claimedBytes = 0, jobBytes } = reportMemory(memory, jobs);
  const sum = jobBytes.reduce((total, job) => total + job.claimedBytes!, 0);
  expect(Math.abs(sum - claimedBytes)).toBeLessThanOrEqual(2);
  expect(claimedBytes).toBeLessThan(usedBytes);
  expect(jobBytes.every((job) => job.claimedBytes! < job.bytes)).toBe(true);
  memory.close();
});
