import fc from "fast-check";
import { expect, test } from "vitest";
import {
  churnMixes,
  churnObjectBytes,
  objectBytesMax,
  objectBytesMin,
  takeOne,
} from "../../../bench/drivers/churn-mix.ts";
import { seededRng } from "../../../src/clock.ts";

test("objects have 100 B to 16 MiB, and both ends occur", () => {
  for (const mix of churnMixes) {
    expect(churnObjectBytes(mix, 0)).toBe(objectBytesMin);
    expect(churnObjectBytes(mix, 1 - 2 ** -40)).toBeGreaterThan(objectBytesMax * 0.999);
    expect(churnObjectBytes(mix, 1 - 2 ** -53)).toBeLessThanOrEqual(objectBytesMax);
  }
});

test("half of the objects are below the middle, which is where the mix says", () => {
  const rng = seededRng(5);
  const shareBelow = (mix: (typeof churnMixes)[number], bytes: number): number => {
    const all = Array.from({ length: 4000 }, () => churnObjectBytes(mix, rng.random()));
    return all.filter((each) => each < bytes).length / all.length;
  };
  expect(shareBelow("log-uniform", Math.sqrt(objectBytesMin * objectBytesMax))).toBeCloseTo(0.5, 1);
  expect(shareBelow("uniform", (objectBytesMin + objectBytesMax) / 2)).toBeCloseTo(0.5, 1);
});

test("what is taken is no longer there, and all the rest is", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer(), { minLength: 1 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (all, at) => {
        const left = [...all];
        const taken = takeOne(left, at);
        expect([...left, taken].sort()).toEqual([...all].sort());
      },
    ),
  );
  expect(() => takeOne([], 0)).toThrow(RangeError);
});
