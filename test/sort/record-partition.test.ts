import fc from "fast-check";
import { expect, test } from "vitest";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { referencePartition } from "../../src/sort/record-reference.ts";

const recordsMax = 20_000;
const kernel = createRecordKernel({
  regions: { input: recordsMax * 100, output: recordsMax * 100, ids: recordsMax * 2 },
});
const { input, output, ids } = kernel.regions;

function expectLikeReference(count: number, splits: Uint8Array): Uint32Array {
  const expected = referencePartition(kernel.bytes.slice(input.at, input.at + count * 100), splits);
  const counts = kernel.partition({ from: input.at, records: count, to: output.at, ids: ids.at, splits });
  expect([...counts]).toEqual(expected.map((part) => part.length / 100));
  const moved = kernel.bytes.subarray(output.at, output.at + count * 100);
  expect(Buffer.compare(Buffer.concat(expected), moved)).toBe(0);
  return counts;
}

const sortedKeys = (keys: readonly Uint8Array[]): Uint8Array => Buffer.concat([...keys].sort(Buffer.compare));

// Few byte values: keys that equal splits, duplicate splits, and splits that differ only in bytes 8 and 9 are common.
const key = fc
  .tuple(fc.constantFrom(0, 0x12, 0xff), fc.constantFrom(0, 0x34, 0xff), fc.nat(3), fc.nat(3))
  .map(([first, second, eighth, ninth]) => Uint8Array.of(first, second, 7, 7, 7, 7, 7, 7, eighth, ninth));

test("any keys and splits partition like the reference, stably", () => {
  const anyKeys = fc.property(
    fc.array(key, { maxLength: 80 }),
    fc.array(key, { maxLength: 40 }),
    (keys, splits) => {
      keys.forEach((bytes, i) => {
        kernel.bytes.fill(i, input.at + i * 100, input.at + (i + 1) * 100);
        kernel.bytes.set(bytes, input.at + i * 100);
      });
      expectLikeReference(keys.length, sortedKeys(splits));
    },
  );
  fc.assert(anyKeys, { numRuns: 300 });
});

test.each([1, 2, 3, 64, 257, 4096])(
  "generated records go to %i partitions like the reference",
  (partitions) => {
    for (const format of [{}, { skew: true }, { ascii: true }]) {
      // Splits taken from the records themselves: each is somebody's key, and skewed ones crowd on few prefixes.
      kernel.generate(input.at, 1000, partitions, format);
      const keys = Array.from({ length: partitions - 1 }, (_, i) => kernel.keyAt(input.at + i * 100));
      const count = partitions === 4096 ? 200 : 2000;
      kernel.generate(input.at, 900, count, format);
      expectLikeReference(count, sortedKeys(keys));
    }
  },
);

test("a record equal to duplicate splits goes after the last of them, and between them nothing", () => {
  const split = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  const below = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 9);
  kernel.bytes.fill(0, input.at, input.at + 300);
  kernel.bytes.set(split, input.at);
  kernel.bytes.set(below, input.at + 100);
  kernel.bytes.set(split, input.at + 200);
  expect([...expectLikeReference(3, Buffer.concat([split, split, split]))]).toEqual([1, 0, 0, 2]);
});

test("no records, no splits", () => {
  expect([...expectLikeReference(0, new Uint8Array(20))]).toEqual([0, 0, 0]);
  kernel.generate(input.at, 0, recordsMax);
  expect([...expectLikeReference(100, new Uint8Array(0))]).toEqual([100]);
});

test("bad splits and ranges are refused", () => {
  const request = { from: input.at, records: 10, to: output.at, ids: ids.at, splits: new Uint8Array(10) };
  const descending = Uint8Array.from({ length: 20 }, (_, i) => (i === 9 ? 1 : 0));
  expect(() => kernel.partition({ ...request, splits: new Uint8Array(15) })).toThrow(RangeError);
  expect(() => kernel.partition({ ...request, splits: new Uint8Array(40_960) })).toThrow(RangeError);
  expect(() => kernel.partition({ ...request, splits: descending })).toThrow(/below/);
  expect(() => kernel.partition({ ...request, to: input.at + 999 })).toThrow(/overlap/);
  expect(() => kernel.partition({ ...request, records: recordsMax * 3 })).toThrow(RangeError);
});
