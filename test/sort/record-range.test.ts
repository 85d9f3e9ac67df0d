/** Records of a range of keys: what waves make of the generator, and keep of a file. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRecordKernel, type KeyRange, rangeBlockRecords } from "../../src/sort/record-kernel.ts";
import { referenceRecords } from "../../src/sort/record-reference.ts";

const capacity = 4 * rangeBlockRecords;
const kernel = createRecordKernel({ regions: { guard: 64, records: capacity * 100, after: 64 } });
const { at } = kernel.regions.records;

const formats = [
  { ascii: false, skew: false },
  { ascii: false, skew: true },
  { ascii: true, skew: false },
  { ascii: true, skew: true },
];

function inRange(record: Uint8Array, { lower, upper }: KeyRange): boolean {
  const key = record.subarray(0, 10);
  return (
    (lower === undefined || Buffer.compare(lower, key) <= 0) &&
    (upper === undefined || Buffer.compare(key, upper) < 0)
  );
}

function keptOf(records: Uint8Array, range: KeyRange): Buffer {
  const all = Array.from({ length: records.length / 100 }, (_, i) =>
    records.subarray(i * 100, (i + 1) * 100),
  );
  return Buffer.concat(all.filter((record) => inRange(record, range)));
}

const written = (records: number): Buffer => Buffer.from(kernel.bytes.slice(at, at + records * 100));

describe.each(formats)("ascii $ascii, skew $skew", (format) => {
  test("a range has the records of the reference that are in it, whatever its bounds", () => {
    const records = referenceRecords(5, 400, format);
    // Bounds that are keys of records, one above and one below them, and none.
    const bound = fc.option(
      fc.tuple(fc.nat(399), fc.integer({ min: -1, max: 1 })).map(([i, off]) => {
        const key = BigInt(`0x${Buffer.from(records.subarray(i * 100, i * 100 + 10)).toString("hex")}`);
        return Buffer.from((key + BigInt(off)).toString(16).padStart(20, "0"), "hex");
      }),
      { nil: undefined },
    );
    const ranges = fc.property(bound, bound, (a, b) => {
      const [lower, upper] = a !== undefined && b !== undefined && Buffer.compare(a, b) > 0 ? [b, a] : [a, b];
      const range = { lower, upper };
      kernel.bytes.fill(0xa5, at - 32, at + capacity * 100 + 32);
      const request = { to: at, capacity, firstRecord: 5, records: 400, range, format };
      const found = kernel.generateRange(request);
      const expected = keptOf(records, range);
      expect(found).toEqual({ kept: expected.length / 100, passed: 400 });
      expect(written(found.kept).equals(expected)).toBe(true);
      expect(new Set(kernel.bytes.subarray(at - 32, at))).toEqual(new Set([0xa5]));
      const end = at + capacity * 100;
      expect(new Set(kernel.bytes.subarray(end, end + 32))).toEqual(new Set([0xa5]));

      kernel.bytes.set(records, at);
      expect(kernel.keepRange(at, 400, range)).toBe(expected.length / 100);
      expect(written(expected.length / 100).equals(expected)).toBe(true);
    });
    fc.assert(ranges, { numRuns: 100 });
  });

  test("what does not fit is left for the next call, and nothing is missing or twice", () => {
    const range = { lower: Buffer.from("30000000000000000000", "hex") };
    const total = 9 * rangeBlockRecords + 17;
    const room = rangeBlockRecords + 100;
    const parts: Buffer[] = [];
    for (let passed = 0; passed < total; ) {
      const request = { to: at, capacity: room, firstRecord: passed, records: total - passed };
      const found = kernel.generateRange({ ...request, range, format });
      expect(found.passed).toBeGreaterThan(0);
      expect(found.kept).toBeLessThanOrEqual(room);
      passed += found.passed;
      parts.push(written(found.kept));
    }
    const expected = keptOf(referenceRecords(0, total, format), range);
    expect(Buffer.concat(parts).equals(expected)).toBe(true);
  });
});

test("the highest key of all is below no upper bound", () => {
  const key = Buffer.alloc(10, 0xff);
  kernel.bytes.set(key, at);
  expect(kernel.keepRange(at, 1, { lower: key })).toBe(1);
  expect(kernel.keepRange(at, 1, {})).toBe(1);
  expect(kernel.keepRange(at, 1, { upper: key })).toBe(0);
});

test("ranges that are none, and too little room, are refused", () => {
  const request = { to: at, capacity, firstRecord: 0, records: 10_000, range: {} };
  const [low, high] = [Buffer.alloc(10, 1), Buffer.alloc(10, 2)];
  const refused = [
    { ...request, range: { lower: high, upper: low } },
    { ...request, range: { lower: Buffer.alloc(9) } },
    { ...request, capacity: rangeBlockRecords - 1 },
    { ...request, capacity: capacity * 2 },
    { ...request, firstRecord: -1 },
  ];
  for (const each of refused) expect(() => kernel.generateRange(each)).toThrow(RangeError);
  expect(kernel.generateRange({ ...request, records: 3, capacity: 3 })).toEqual({ kept: 3, passed: 3 });
});
