import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Limiter, storeLimits } from "../../src/durable/limiter.ts";

const { concurrencyMin, concurrencyMax, concurrencyStart } = storeLimits;

/** As many as may be at a time, again and again; each takes `latencyMs`. Returns the time behind the last round. */
function rounds(limiter: Limiter, fromMs: number, count: number, latencyMs: (n: number) => number): number {
  let nowMs = fromMs;
  for (let round = 0; round < count; round += 1) {
    let started = 0;
    while (limiter.waitMs(nowMs) === 0) {
      limiter.start(nowMs);
      started += 1;
    }
    const tookMs = latencyMs(started);
    const startedAtMs = nowMs;
    nowMs += tookMs;
    for (; started > 0; started -= 1) {
      limiter.finish(nowMs, { startedAtMs, outcome: "ok", kind: "get", latencyMs: tookMs });
    }
  }
  return nowMs;
}

describe("requests at a time", () => {
  test("rise while answers take as long as they usually do, up to the maximum", () => {
    const limiter = new Limiter();
    expect(limiter.concurrency).toBe(concurrencyStart);
    rounds(limiter, 0, 2, () => 20);
    expect(limiter.concurrency).toBeGreaterThan(concurrencyStart - 1);
    rounds(limiter, 1000, 3000, () => 20);
    expect(limiter.concurrency).toBe(concurrencyMax);
  });

  test("do not rise while there is nothing to do", () => {
    const limiter = new Limiter();
    for (let nowMs = 0; nowMs < 100_000; nowMs += 20) {
      limiter.start(nowMs);
      limiter.finish(nowMs + 10, { startedAtMs: nowMs, outcome: "ok", kind: "get", latencyMs: 10 });
    }
    expect(limiter.concurrency).toBe(concurrencyStart);
  });

  test("fall when answers begin to take much longer, and not below the minimum", () => {
    const limiter = new Limiter();
    const nowMs = rounds(limiter, 0, 20, () => 20);
    const before = limiter.concurrency;
    rounds(limiter, nowMs, 8, () => 200);
    expect(limiter.concurrency).toBeLessThan(before * 0.7);
    rounds(limiter, nowMs + 10_000, 25, (n) => 1000 * n);
    expect(limiter.concurrency).toBeGreaterThanOrEqual(concurrencyMin);
  });

  test("halve once for all that were told together to slow down", () => {
    const limiter = new Limiter();
    for (let i = 0; i < concurrencyStart; i += 1) limiter.start(0);
    expect(limiter.waitMs(0)).toBe(Number.POSITIVE_INFINITY);
    for (let i = 0; i < concurrencyStart; i += 1)
      limiter.finish(50 + i, { startedAtMs: 0, outcome: "throttled" });
    expect(limiter.concurrency).toBe(concurrencyStart / 2);
    expect(limiter.inFlight).toBe(0);
  });

  test("are as many after requests that failed for another reason", () => {
    const limiter = new Limiter();
    for (let i = 0; i < 100; i += 1) {
      limiter.start(i);
      limiter.finish(i + 1, { startedAtMs: i, outcome: "failed" });
    }
    expect(limiter.concurrency).toBe(concurrencyStart);
  });
});

describe("requests a second", () => {
  const throttledAt = (nowMs: number, limiter: Limiter): void => {
    limiter.start(nowMs);
    limiter.finish(nowMs + 1, { startedAtMs: nowMs, outcome: "throttled" });
  };

  test("have no limit at first, half of what was sent when SlowDown goes on, and a little more each second", () => {
    const limiter = new Limiter();
    for (let nowMs = 0; nowMs < 1500; nowMs += 5) {
      limiter.start(nowMs);
      limiter.finish(nowMs + 4, { startedAtMs: nowMs, outcome: "ok" });
    }
    expect(limiter.ratePerSecond).toBe(Number.POSITIVE_INFINITY);
    throttledAt(1500, limiter);
    expect(limiter.ratePerSecond).toBe(Number.POSITIVE_INFINITY);
    throttledAt(1502, limiter);
    expect(limiter.ratePerSecond).toBe(100);
    expect(limiter.waitMs(1503)).toBeCloseTo(10);
    limiter.waitMs(2503);
    expect(limiter.ratePerSecond).toBeCloseTo(120);
  });

  test("have no limit again, in the end", () => {
    const limiter = new Limiter();
    for (let i = 0; i < 10; i += 1) throttledAt(i * 1000, limiter);
    expect(limiter.ratePerSecond).toBeLessThan(100);
    limiter.waitMs(300_000);
    expect(limiter.ratePerSecond).toBe(Number.POSITIVE_INFINITY);
    expect(limiter.waitMs(300_001)).toBe(0);
  });
});

test("whatever happens, no more are under way than may be, and one may always start at last", () => {
  const event = fc.record({
    afterMs: fc.integer({ min: 0, max: 500 }),
    outcome: fc.constantFrom("ok", "throttled", "failed"),
    latencyMs: fc.integer({ min: 0, max: 5000 }),
    starts: fc.integer({ min: 0, max: 8 }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 200 }), (events) => {
      const limiter = new Limiter();
      const started: number[] = [];
      let nowMs = 0;
      for (const { afterMs, outcome, latencyMs, starts } of events) {
        nowMs += afterMs;
        for (let i = 0; i < starts && limiter.waitMs(nowMs) === 0; i += 1) {
          expect(limiter.inFlight).toBeLessThan(limiter.concurrency);
          limiter.start(nowMs);
          started.push(nowMs);
        }
        const startedAtMs = started.shift();
        if (startedAtMs !== undefined)
          limiter.finish(nowMs, { startedAtMs, outcome, kind: "get", latencyMs });
        expect(limiter.concurrency).toBeGreaterThanOrEqual(concurrencyMin);
        expect(limiter.concurrency).toBeLessThanOrEqual(concurrencyMax);
      }
      for (const startedAtMs of started) limiter.finish(nowMs, { startedAtMs, outcome: "ok" });
      const waitMs = limiter.waitMs(nowMs);
      expect(waitMs).toBeLessThanOrEqual(1000);
      expect(limiter.waitMs(nowMs + waitMs + 1)).toBe(0);
    }),
  );
});
