import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { referenceRecord, referenceRecords } from "../../src/sort/record-reference.ts";

interface Vectors {
  readonly binaryRecords: readonly { readonly number: number; readonly hex: string }[];
  readonly asciiKeys: readonly string[];
  readonly skew: { readonly fullestOf256Buckets: number };
}
const vectors = JSON.parse(
  readFileSync(new URL("../vectors/gensort.json", import.meta.url), "utf8"),
) as Vectors;
const million = 1_000_000;
const kernel = createRecordKernel({ regions: { guard: 64, records: million * 100 } });
const { at } = kernel.regions.records;

const formats = [
  { ascii: false, skew: false },
  { ascii: false, skew: true },
  { ascii: true, skew: false },
  { ascii: true, skew: true },
];

function generated(first: number, count: number, format: { ascii?: boolean; skew?: boolean }): Buffer {
  // What is around the records must stay as it was.
  kernel.bytes.fill(0xa5, at - 32, at + count * 100 + 32);
  kernel.generate(at, first, count, format);
  const around = [
    ...kernel.bytes.subarray(at - 32, at),
    ...kernel.bytes.subarray(at + count * 100).subarray(0, 32),
  ];
  expect(new Set(around)).toEqual(new Set([0xa5]));
  return Buffer.from(kernel.bytes.slice(at, at + count * 100));
}

test("records are those of the official generator", () => {
  for (const { number, hex } of vectors.binaryRecords) {
    expect(generated(number, 1, {}).toString("hex")).toBe(hex);
    expect(Buffer.from(referenceRecord(number)).toString("hex")).toBe(hex);
  }
  const keys = Array.from({ length: 3 }, (_, i) =>
    generated(i, 1, { ascii: true }).toString("latin1", 0, 10),
  );
  expect(keys).toEqual(vectors.asciiKeys);
  expect(keys).toEqual(
    [0, 1, 2].map((i) => Buffer.from(referenceRecord(i, { ascii: true })).toString("latin1", 0, 10)),
  );
});

describe.each(formats)("ascii $ascii, skew $skew", (format) => {
  test("any range equals the reference", () => {
    const first = fc.oneof(
      fc.nat(100),
      fc.integer({ min: 0, max: 53 }).map((bits) => Math.max(0, 2 ** bits - 60)),
      fc.maxSafeNat().map((number) => Math.max(0, number - 40)),
    );
    const range = fc.property(first, fc.nat(40), (from, count) => {
      expect(generated(from, count, format).toString("hex")).toBe(
        Buffer.from(referenceRecords(from, count, format)).toString("hex"),
      );
    });
    fc.assert(range, { numRuns: 60 });
  });

  test("a long run equals its records made one by one", () => {
    const run = generated(5000, 3000, format);
    for (let i = 0; i < 3000; i += 371) {
      expect(run.subarray(i * 100, (i + 1) * 100).equals(referenceRecord(5000 + i, format))).toBe(true);
    }
  });
});

test("skewed keys crowd: the fullest of 256 buckets has 31 % of the records", () => {
  const shares = [false, true].map((skew) => {
    const buckets = new Uint32Array(256);
    kernel.generate(at, 0, million, { skew });
    for (let i = 0; i < million; i++) buckets[kernel.bytes[at + i * 100]!]!++;
    return Math.max(...buckets) / million;
  });
  expect(shares[0]).toBeLessThan(0.0045);
  expect(Math.round(shares[1]! * 100) / 100).toBe(vectors.skew.fullestOf256Buckets);
});

test("ranges and numbers outside the limits are refused", () => {
  expect(() => kernel.generate(0, 0, 1)).toThrow(RangeError);
  expect(() => kernel.generate(at, 0, million + 1000)).toThrow(RangeError);
  expect(() => kernel.generate(at, 0, -1)).toThrow(RangeError);
  expect(() => kernel.generate(at, 0, 1.5)).toThrow(RangeError);
  expect(() => kernel.generate(at, 2 ** 53 - 1, 1)).toThrow(RangeError);
  expect(() => kernel.generate(at, -1, 1)).toThrow(RangeError);
});
