import { expect, test } from "vitest";
import { figureText, figureTitle, ratioText } from "../../../bench/harness/units.ts";

test.each([
  ["mbPerSecond", 1553.7, "1,554 MB/s"],
  ["gbPerSecond", 0.30884, "0.309 GB/s"],
  ["opsPerSecond", 576_123, "576,100 ops/s"],
  ["p50Ms", 0.0912, "0.0912 ms"],
  ["usableShare", 0.853, "85.3 %"],
  ["clientCpuSecondsPerGb", 0.54, "0.54 s/GB"],
  ["bundleBytes", 79_812, "79,810 B"],
  ["items", 7, "7"],
  ["mbPerSecond", Number.NaN, "-"],
  ["p50Ms", Number.POSITIVE_INFINITY, "-"],
])("%s of %d is %s", (name, value, text) => expect(figureText(name, value)).toBe(text));

test.each([
  ["mbPerSecond", "MB/s"],
  ["p50Ms", "p50 ms"],
  ["clientCpuSecondsPerGb", "client cpu s/GB"],
  ["spread", "% spread"],
  // No unit is only the end of a word.
  ["items", "items"],
  ["alarms", "alarms"],
])("the title of %s is %s", (name, title) => expect(figureTitle(name)).toBe(title));

test("ratios have three digits", () => {
  expect([1, 0.854, 9.994, 64.41].map(ratioText)).toEqual(["1.00x", "0.85x", "9.99x", "64.4x"]);
  expect(ratioText(Number.NaN)).toBe("-");
});
