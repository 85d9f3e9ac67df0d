import fc from "fast-check";
import { expect, test } from "vitest";
import { compareEpochs, epochZero, formatEpoch, parseEpoch } from "../../src/placement/epoch.ts";

const part = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const epoch = fc.record({ term: part, n: part });

test("an epoch reads as it prints", () => {
  fc.assert(fc.property(epoch, (e) => void expect(parseEpoch(formatEpoch(e))).toEqual(e)));
});

test("a higher term beats any n", () => {
  expect(compareEpochs({ term: 2, n: 0 }, { term: 1, n: 2 ** 32 - 1 })).toBeGreaterThan(0);
  expect(compareEpochs({ term: 2, n: 3 }, { term: 2, n: 4 })).toBeLessThan(0);
  expect(compareEpochs({ term: 2, n: 3 }, { term: 2, n: 3 })).toBe(0);
});

test("nothing is older than no epoch", () => {
  fc.assert(fc.property(epoch, (e) => void expect(compareEpochs(e, epochZero)).toBeGreaterThanOrEqual(0)));
});

test("what is no epoch is refused", () => {
  for (const text of ["", "1", "1.", ".1", "1.2.3", "01.2", "-1.2", "1.4294967296", "9999999999.1", "1.2 "]) {
    expect(() => parseEpoch(text), text).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  }
});
