import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { createRecordKernel, type RecordFormat } from "../../src/sort/record-kernel.ts";
import { chooseSplits, sampleKeysPerPartition } from "../../src/sort/split-points.ts";

const records = 400_000;
const kernel = createRecordKernel({
  regions: { input: records * 100, output: records * 100, ids: records * 2 },
});
const { input, output, ids } = kernel.regions;

/** Partition sizes over even ones, for splits chosen from a random sample of the records at the input region. */
function fullest(partitions: number): number {
  const rng = seededRng(partitions);
  const sample = Array.from({ length: partitions * sampleKeysPerPartition }, () =>
    kernel.keyAt(input.at + Math.floor(rng.random() * records) * 100),
  );
  const splits = chooseSplits(Buffer.concat(sample), partitions);
  const counts = kernel.partition({ from: input.at, records, to: output.at, ids: ids.at, splits });
  return Math.max(...counts) / (records / partitions);
}

describe.each<RecordFormat>([{}, { skew: true }, { ascii: true }, { ascii: true, skew: true }])(
  "%o",
  (format) => {
    test.each([2, 16, 64, 256])("the fullest of %i partitions is within 1.5 of even", (partitions) => {
      kernel.generate(input.at, 0, records, format);
      const factor = fullest(partitions);
      expect(factor).toBeGreaterThanOrEqual(1);
      expect(factor).toBeLessThan(1.5);
    });
  },
);

test("splits are sample keys in order, whatever the sample", () => {
  const byte = fc.constantFrom(0, 1, 0x80, 0xff);
  const key = fc.array(byte, { minLength: 10, maxLength: 10 });
  const anySample = fc.property(
    fc.array(key, { minLength: 1, maxLength: 60 }),
    fc.integer({ min: 1, max: 80 }),
    (keys, partitions) => {
      const splits = Buffer.from(chooseSplits(Uint8Array.from(keys.flat()), partitions));
      const sorted = keys.map((bytes) => Buffer.from(bytes)).sort(Buffer.compare);
      expect(splits.length).toBe((partitions - 1) * 10);
      for (let i = 1; i < partitions; i++) {
        const split = splits.subarray((i - 1) * 10, i * 10);
        expect(split.equals(sorted[Math.floor((i * keys.length) / partitions)]!)).toBe(true);
      }
    },
  );
  fc.assert(anySample);
});

test("one key is never split: with a key that has half of the records, the others still share evenly", () => {
  kernel.generate(input.at, 0, records);
  const heavy = kernel.keyAt(input.at);
  for (let i = 0; i < records; i += 2) kernel.bytes.set(heavy, input.at + i * 100);
  const partitions = 64;
  const sample = Buffer.concat(Array.from({ length: 6400 }, (_, i) => kernel.keyAt(input.at + i * 6100)));
  const splits = chooseSplits(sample, partitions);
  const counts = [...kernel.partition({ from: input.at, records, to: output.at, ids: ids.at, splits })];
  const [largest, ...others] = counts.toSorted((a, b) => b - a);
  expect(largest! / records).toBeGreaterThanOrEqual(0.5);
  expect(largest! / records).toBeLessThan(0.55);
  expect(others[0]! / (records / partitions)).toBeLessThan(1.5);
  expect(counts.filter((count) => count === 0).length).toBeGreaterThan(25);
});

test("without a sample the key space is cut evenly", () => {
  const splits = Buffer.from(chooseSplits(new Uint8Array(0), 4));
  expect(splits.toString("hex")).toBe(
    `${"40"}${"00".repeat(9)}${"80"}${"00".repeat(9)}${"c0"}${"00".repeat(9)}`,
  );
});

test("half keys and impossible numbers of partitions are refused", () => {
  expect(() => chooseSplits(new Uint8Array(15), 4)).toThrow(RangeError);
  for (const partitions of [0, -1, 1.5, 4097]) {
    expect(() => chooseSplits(new Uint8Array(10), partitions)).toThrow(RangeError);
  }
});
