import { describe, expect, test } from "vitest";
import { WritePressure } from "../../../cache-node/spill/write-pressure.ts";
import { MayflyError } from "../../../src/errors.ts";
import { FakeClock } from "../../controller/fake-clock.ts";

function pressureOf(share: number, failing?: MayflyError): WritePressure {
  return new WritePressure({
    clock: new FakeClock(),
    memory: () => ({ limitBytes: 1_000_000, claimedBytes: share * 1_000_000 }),
    slowRatio: 0.8,
    fullRatio: 0.95,
    isSpilling: () => failing === undefined,
    failing: () => failing,
    storeUrl: () => "file:///store",
  });
}

describe("a writer of shards", () => {
  test("is not held back below the mark", () => {
    expect(pressureOf(0.8).delayMs()).toBe(0);
    expect(pressureOf(0.8).admits(1000)).toBe(true);
  });

  test("waits longer the fuller the node is", () => {
    const delays = [0.82, 0.86, 0.9, 0.94, 0.99].map((share) => pressureOf(share).delayMs());
    expect(delays).toEqual([...delays].sort((a, b) => a - b));
    expect(delays[0]).toBeGreaterThan(0);
    expect(delays.at(-1)).toBe(100);
  });

  test("does not wait where waiting helps nothing", () => {
    expect(pressureOf(0.9, new MayflyError("STORE_UNAVAILABLE", "away")).delayMs()).toBe(0);
  });

  test("is refused above the last mark, also by what came since the memory was measured", () => {
    expect(pressureOf(0.951).admits(10)).toBe(false);
    const pressure = pressureOf(0.9499);
    expect(pressure.admits(10)).toBe(true);
    expect(pressure.admits(1000)).toBe(false);
  });

  test("is told what happens, when to come again, and what to do", () => {
    const busy = pressureOf(0.96).refusal(3, 100);
    expect(busy).toMatchObject({ code: "BUSY", retryAfterMs: 140 });
    expect(busy.message).toContain("file:///store");
    expect(pressureOf(1).refusal(3, 100).retryAfterMs).toBe(500);
    const why = new MayflyError("STORE_UNAVAILABLE", "the store is away");
    expect(pressureOf(1, why).refusal(3, 100).message).toContain("the store is away");
  });
});
