import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  failures,
  latenciesMs,
  longestGap,
  longestRunBelow,
  operationsPerBin,
} from "../../../bench/harness/load-figures.ts";
import { createOperationRecorder, type OperationLog } from "../../../bench/harness/operation-log.ts";

type Operation = readonly [stream: number, key: number, dueMs: number, endMs: number, succeeded?: boolean];

const logOf = (...operations: readonly Operation[]): OperationLog => {
  const recorder = createOperationRecorder(["get", "put"]);
  for (const [stream, key, dueMs, endMs, succeeded = true] of operations) {
    recorder.add(stream, key, dueMs, endMs, succeeded);
  }
  return recorder.log();
};

const all = { fromMs: 0, toMs: 1000 };

describe("the longest gap", () => {
  test("lies between two successes of the same key and stream", () => {
    const log = logOf([0, 1, 90, 100], [0, 2, 90, 110], [1, 1, 390, 400], [0, 2, 590, 600], [0, 1, 690, 700]);
    expect(longestGap([log], { fromMs: 0, toMs: 720 })).toEqual({
      ms: 600,
      stream: "get",
      key: 1,
      fromMs: 100,
    });
  });

  test("is not ended by a failure", () => {
    const log = logOf([0, 1, 90, 100], [0, 1, 490, 500, false], [0, 1, 890, 900]);
    expect(longestGap([log], all).ms).toBe(800);
  });

  test("counts what never came back, and what never succeeded, until the end of the window", () => {
    expect(longestGap([logOf([0, 1, 90, 100])], all).ms).toBe(900);
    expect(longestGap([logOf([0, 1, 300, 310, false])], all).ms).toBe(700);
  });

  test("counts from the beginning of the window what began before, and takes nothing from behind it", () => {
    const log = logOf([0, 1, 90, 100], [0, 1, 590, 600], [0, 1, 2000, 2000]);
    expect(longestGap([log], { fromMs: 200, toMs: 700 })).toMatchObject({ ms: 400, fromMs: 200 });
  });

  test("is of the streams that are asked for, over all logs", () => {
    const logs = [logOf([0, 1, 0, 100], [0, 1, 0, 990]), logOf([1, 1, 0, 900], [1, 1, 0, 990])];
    expect(longestGap(logs, all, (stream) => stream === "put")).toMatchObject({ ms: 90, stream: "put" });
    expect(longestGap([], all).ms).toBe(0);
  });

  test("is never longer than the window", () => {
    const operation = fc.tuple(fc.nat(1), fc.nat(3), fc.nat(2000), fc.boolean());
    fc.assert(
      fc.property(fc.array(operation), (operations) => {
        const sorted = operations.sort((a, b) => a[2] - b[2]);
        const log = logOf(...sorted.map(([stream, key, at, ok]): Operation => [stream, key, at, at, ok]));
        const { ms } = longestGap([log], { fromMs: 500, toMs: 1500 });
        expect(ms).toBeGreaterThanOrEqual(0);
        expect(ms).toBeLessThanOrEqual(1000);
      }),
    );
  });
});

test("latencies count from when operations were due, and leave failures out", () => {
  const log = logOf(
    [0, 1, 10, 30],
    [0, 1, 20, 25, false],
    [1, 1, 30, 31],
    [0, 1, 999, 1500],
    [0, 1, 1000, 1500],
  );
  expect(latenciesMs([log], all)).toEqual([20, 1, 501]);
  expect(latenciesMs([log], all, (stream) => stream === "put")).toEqual([1]);
  expect(failures([log, log])).toBe(2);
});

test("bins hold the successes that ended in them; half a bin at the end is left out", () => {
  const log = logOf([0, 1, 0, 50], [0, 1, 0, 149], [0, 1, 0, 150], [0, 1, 0, 160, false], [0, 1, 0, 360]);
  expect(operationsPerBin([log], { fromMs: 50, toMs: 390 }, 100)).toEqual([2, 1, 0]);
  expect(operationsPerBin([log], { fromMs: 50, toMs: 50 }, 100)).toEqual([]);
});

test("the longest run below a floor", () => {
  expect(longestRunBelow([9, 4, 4, 9, 4, 4, 4], 5)).toBe(3);
  expect(longestRunBelow([5, 5], 5)).toBe(0);
  expect(longestRunBelow([], 5)).toBe(0);
});

test("a recorder grows, and what it told stays as it was", () => {
  const recorder = createOperationRecorder(["get"]);
  for (let at = 0; at < 20_000; at++) recorder.add(0, at, at, at + 0.5, at % 2 === 0);
  const log = recorder.log();
  recorder.add(0, 1, 1, 1, true);
  expect(log.keys.length).toBe(20_000);
  expect(log.keys[19_999]).toBe(19_999);
  expect(log.endMs[17_000]).toBe(17_000.5);
  expect(failures([log])).toBe(10_000);
});
