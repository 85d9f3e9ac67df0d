import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodePartitionIndex,
  encodePartitionIndex,
  partitionIndexBytes,
} from "../../src/sort/partition-index.ts";

const partition = fc
  .nat(2 ** 32 - 1)
  .chain((count) => fc.tuple(fc.constant(count), fc.bigInt(0n, BigInt(count) * 0xffffffffn)));
const partitions = fc.array(partition, { minLength: 1, maxLength: 50 });

const sample = encodePartitionIndex({
  counts: Uint32Array.of(3, 0, 5),
  sums: BigUint64Array.of(0x1_0000_0000n, 0n, 0x2_ffff_fffbn),
});

test("an index comes back as it was, with byte offsets", () => {
  const anyPartitions = fc.property(partitions, (list) => {
    const counts = Uint32Array.from(list, ([count]) => count);
    const sums = BigUint64Array.from(list, ([, sum]) => sum);
    const bytes = encodePartitionIndex({ counts, sums });
    expect(bytes.length).toBe(partitionIndexBytes(list.length));
    const index = decodePartitionIndex(bytes, list.length);
    expect(index.counts).toEqual(counts);
    expect(index.sums).toEqual(sums);
    expect(index.records).toBe(list.reduce((sum, [count]) => sum + count, 0));
    expect(index.offsets[0]).toBe(0);
    list.forEach(([count], i) => {
      expect(index.offsets[i + 1]! - index.offsets[i]!).toBe(count * 100);
    });
  });
  fc.assert(anyPartitions);
});

test("the layout is the documented one", () => {
  expect(Buffer.from(sample).toString("hex")).toBe(
    `${"4d465049010003000800000000000000"}${"0000000001000000"}${"0000000000000000"}${"fbffffff02000000"}${"030000000000000005000000"}`,
  );
});

test("4,096 partitions of a full map fit, one more does not", () => {
  const counts = new Uint32Array(4096).fill(2 ** 32 - 1);
  const bytes = encodePartitionIndex({ counts, sums: new BigUint64Array(4096) });
  expect(bytes.length).toBe(49_168);
  expect(decodePartitionIndex(bytes, 4096).offsets[4096]).toBe(4096 * (2 ** 32 - 1) * 100);
  expect(() =>
    encodePartitionIndex({ counts: new Uint32Array(4097), sums: new BigUint64Array(4097) }),
  ).toThrow(RangeError);
  expect(() => encodePartitionIndex({ counts: new Uint32Array(0), sums: new BigUint64Array(0) })).toThrow(
    RangeError,
  );
  expect(() => encodePartitionIndex({ counts: new Uint32Array(2), sums: new BigUint64Array(3) })).toThrow(
    RangeError,
  );
});

const problemOf = (bytes: Uint8Array, expected = 3): unknown => {
  try {
    return decodePartitionIndex(bytes, expected);
  } catch (error) {
    return error;
  }
};

test("cut anywhere, or with a byte too many, it is refused", () => {
  for (let length = 0; length < sample.length; length++) {
    expect(problemOf(sample.slice(0, length))).toMatchObject({ code: "PROTOCOL" });
  }
  expect(problemOf(Uint8Array.of(...sample, 0))).toMatchObject({ code: "PROTOCOL" });
});

test.each([
  [0, 0x4e, /begins with/],
  [4, 2, /version 2/],
  [6, 0, /0 partitions, not 1/],
  [6, 4, /4 partitions, but the plan has 3/],
  [7, 0xff, /65283 partitions/],
  [8, 9, /says 9 records, but its partitions have 8/],
  [15, 0x80, /says 9223372036854775816 records/],
  [20, 3, /checksum of partition 0 is too large/],
  [40, 4, /says 8 records, but its partitions have 9/],
])("byte %i changed to %i is refused and explained", (at, value, message) => {
  const changed = sample.slice();
  changed[at] = value;
  expect(problemOf(changed)).toMatchObject({ code: "PROTOCOL", message: expect.stringMatching(message) });
});

test("an index of another plan is refused", () => {
  expect(problemOf(sample, 64)).toMatchObject({
    code: "PROTOCOL",
    message: expect.stringMatching(/plan has 64/),
  });
});

test("random bytes are an error, never a crash", () => {
  const anyBytes = fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(20), (bytes, expected) => {
    const withMagic = Uint8Array.of(0x4d, 0x46, 0x50, 0x49, 1, 0, expected, 0, ...bytes);
    const outcome = problemOf(withMagic, expected);
    if (outcome instanceof Error) expect(outcome).toMatchObject({ code: "PROTOCOL" });
  });
  fc.assert(anyBytes, { numRuns: 500 });
});
