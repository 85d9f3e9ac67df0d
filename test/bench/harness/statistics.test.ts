import { expect, test } from "vitest";
import { median, quantile, rounded } from "../../../bench/harness/statistics.ts";

test("the median is the middle one, or between the two in the middle, by size and not by text", () => {
  expect(median([100, 9, 20])).toBe(20);
  expect(median([4, 1, 2, 100])).toBe(3);
  expect(median([])).toBeNaN();
});

test("quantiles lie between the nearest values", () => {
  expect(quantile([0, 10, 20, 30], 0.5)).toBe(15);
  expect(quantile([0, 10, 20, 30, 40], 0.25)).toBe(10);
  expect(quantile([3, 7], 0)).toBe(3);
  expect(quantile([3, 7], 1)).toBe(7);
  expect(quantile([3, 7], 0.75)).toBe(6);
});

test("rounding keeps significant digits, of small numbers too", () => {
  expect(rounded(1234.56)).toBe(1235);
  expect(rounded(0.00123456)).toBe(0.001235);
  expect(rounded(0.98765, 2)).toBe(0.99);
  expect(rounded(Number.NaN)).toBeNaN();
});
