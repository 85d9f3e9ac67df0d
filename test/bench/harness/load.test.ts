import { setImmediate, setTimeout as wait } from "node:timers/promises";
import { expect, test } from "vitest";
import { runLoad } from "../../../bench/harness/load.ts";

test("so many operations are outstanding, no more and no fewer", async () => {
  let now = 0;
  const seen = new Set<number>();
  await runLoad({
    outstanding: 3,
    durationMs: 0,
    operationsMin: 30,
    async operation() {
      seen.add(++now);
      await setImmediate();
      now--;
    },
  });
  expect(seen).toEqual(new Set([1, 2, 3]));
});

test("each caller counts its own turns", async () => {
  const turns: number[][] = [[], []];
  const { operations } = await runLoad({
    outstanding: 2,
    durationMs: 0,
    operationsMin: 10,
    async operation(caller, turn) {
      turns[caller]!.push(turn);
      await setImmediate();
    },
  });
  expect(turns[0]!.length + turns[1]!.length).toBe(operations);
  for (const each of turns) expect(each).toEqual(each.map((_, index) => index));
});

test("at least the least is done, and nothing is begun after the time is up", async () => {
  const { operations } = await runLoad({
    outstanding: 1,
    durationMs: 0,
    operationsMin: 7,
    operation: () => wait(1),
  });
  expect(operations).toBe(7);
});

test("load that is stopped ends, however long it was to last", async () => {
  let done = 0;
  const { operations } = await runLoad({
    outstanding: 2,
    durationMs: Number.POSITIVE_INFINITY,
    stopped: () => done >= 20,
    async operation() {
      await setImmediate();
      done++;
    },
  });
  expect(operations).toBe(done);
  expect(done).toBeLessThan(23);
});

test("percentiles are those of the operations' own times", async () => {
  // One in five takes long: that moves the 99th percentile and leaves the median.
  const { p50Ms, p99Ms, operations, seconds } = await runLoad({
    outstanding: 1,
    durationMs: 0,
    operationsMin: 20,
    operation: (_, turn) => (turn % 5 === 0 ? wait(40) : setImmediate()),
  });
  expect(p50Ms).toBeLessThan(p99Ms);
  expect(p99Ms).toBeGreaterThan(35);
  expect(seconds).toBeGreaterThan(0.14);
  expect(operations).toBe(20);
});

test("load that runs beside other load leaves its times alone", async () => {
  let ended = false;
  const slow = runLoad({ outstanding: 1, durationMs: 0, operationsMin: 3, operation: () => wait(30) });
  const beside = runLoad({
    ...{ outstanding: 1, durationMs: Number.POSITIVE_INFINITY, stopped: () => ended },
    operation: () => setImmediate(),
  });
  const { p50Ms } = await slow;
  ended = true;
  await beside;
  expect(p50Ms).toBeGreaterThan(25);
});

test("an operation that fails ends the load, after the others have ended", async () => {
  let outstanding = 0;
  const load = runLoad({
    outstanding: 4,
    durationMs: Number.POSITIVE_INFINITY,
    async operation(caller, turn) {
      outstanding++;
      await wait(caller);
      outstanding--;
      if (caller === 0 && turn === 2) throw new Error("no more");
    },
  });
  await expect(load).rejects.toThrow("no more");
  expect(outstanding).toBe(0);
});
