import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { referenceChecksum } from "../../src/sort/record-reference.ts";

interface Vectors {
  readonly checksums: readonly { readonly format: string; readonly records: number; readonly sum: string }[];
  readonly sortedMillion: {
    readonly firstKey: string;
    readonly lastKey: string;
    readonly duplicates: number;
  };
}
const vectors = JSON.parse(
  readFileSync(new URL("../vectors/gensort.json", import.meta.url), "utf8"),
) as Vectors;
const million = 1_000_000;
const kernel = createRecordKernel({
  regions: { records: million * 100, entries: million * 8, scratch: million * 8, output: million * 100 },
});
const { records, entries, scratch, output } = kernel.regions;

test("checksums are those of the official programs", () => {
  for (const { format, records: count, sum } of vectors.checksums) {
    kernel.generate(records.at, 0, count, { ascii: format === "ascii" });
    expect(kernel.checksum(records.at, count).toString(16)).toBe(sum);
    if (count <= 3) {
      expect(
        referenceChecksum(kernel.bytes.subarray(records.at, records.at + count * 100)).toString(16),
      ).toBe(sum);
    }
  }
});

test("checksums of any bytes, any number of records, at any address equal the reference", () => {
  const anyRecords = fc.property(
    fc.nat(50),
    fc.uint8Array({ minLength: 100, maxLength: 100 }),
    fc.nat(99),
    (count, seed, offset) => {
      const from = records.at + offset;
      for (let i = 0; i < count * 100; i++) kernel.bytes[from + i] = seed[i % 100]! ^ Math.imul(i, i >> 3);
      const expected = referenceChecksum(kernel.bytes.subarray(from, from + count * 100));
      expect(kernel.checksum(from, count)).toBe(expected);
    },
  );
  fc.assert(anyRecords, { numRuns: 50 });
});

test("every bit of every byte counts", () => {
  kernel.generate(records.at, 0, 16);
  const sum = kernel.checksum(records.at, 16);
  for (let i = 0; i < 1600; i += 7) {
    kernel.bytes[records.at + i]! ^= 1 << (i % 8);
    expect(kernel.checksum(records.at, 16)).not.toBe(sum);
    kernel.bytes[records.at + i]! ^= 1 << (i % 8);
  }
  expect(kernel.checksum(records.at, 16)).toBe(sum);
});

test("a million records sort to the official first and last keys, and keep their checksum", () => {
  kernel.generate(records.at, 0, million);
  const sum = kernel.checksum(records.at, million);
  const sorted = kernel.sort({
    from: records.at,
    records: million,
    entries: entries.at,
    scratch: scratch.at,
  });
  kernel.gather(sorted, 0, million, output.at);
  const key = (index: number): string => Buffer.from(kernel.keyAt(output.at + index * 100)).toString("hex");
  expect(key(0)).toBe(vectors.sortedMillion.firstKey);
  expect(key(million - 1)).toBe(vectors.sortedMillion.lastKey);
  expect(kernel.checkOrder(output.at, million)).toEqual({
    disorderAt: -1,
    duplicates: vectors.sortedMillion.duplicates,
  });
  expect(kernel.checksum(output.at, million)).toBe(sum);
});

test("order is checked over all 10 key bytes, and across blocks", () => {
  // A small alphabet makes equal keys and disorder in every key byte.
  const keys = fc.array(fc.tuple(fc.nat(9), fc.nat(2)), { maxLength: 12 });
  const anyKeys = fc.property(keys, fc.boolean(), (list, sorted) => {
    const made = list.map(([position, value]) => {
      const key = new Uint8Array(10);
      key[position] = value;
      return key;
    });
    if (sorted) made.sort(Buffer.compare);
    made.forEach((key, i) => {
      kernel.bytes.fill(i, records.at + i * 100, records.at + (i + 1) * 100);
      kernel.bytes.set(key, records.at + i * 100);
    });
    const compared = made.slice(1).map((key, i) => Buffer.compare(made[i]!, key));
    const bad = compared.indexOf(1);
    const duplicates = (bad < 0 ? compared : compared.slice(0, bad)).filter((order) => order === 0).length;
    expect(kernel.checkOrder(records.at, made.length)).toEqual({
      disorderAt: bad < 0 ? -1 : bad + 1,
      duplicates,
    });
    if (made.length === 0) return;
    const rest = kernel.checkOrder(records.at + 100, made.length - 1, made[0]);
    expect(rest).toEqual({ disorderAt: bad < 0 ? -1 : bad, duplicates });
  });
  fc.assert(anyKeys);
});

test("keys that differ in the highest bits of both parts compare as unsigned", () => {
  kernel.bytes.fill(0, records.at, records.at + 300);
  kernel.bytes[records.at + 100 + 8] = 0x80;
  kernel.bytes[records.at + 200] = 0x80;
  expect(kernel.checkOrder(records.at, 3)).toEqual({ disorderAt: -1, duplicates: 0 });
});
