import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { referenceSort } from "../../src/sort/record-reference.ts";

const recordsMax = 40_000;
const kernel = createRecordKernel({
  regions: {
    records: recordsMax * 100,
    entries: recordsMax * 8,
    scratch: recordsMax * 8,
    output: recordsMax * 100,
  },
});
const { records, entries, scratch, output } = kernel.regions;

/** Sorts records with these keys by the kernel; contents are the input position, so that stability shows. */
function sortKeys(
  count: number,
  keyOf: (index: number) => Uint8Array,
): { sorted: Buffer; expected: Uint8Array } {
  const view = new DataView(kernel.memory.buffer);
  for (let i = 0; i < count; i++) {
    const at = records.at + i * 100;
    kernel.bytes.set(keyOf(i), at);
    view.setUint32(at + 10, i);
  }
  const input = kernel.bytes.slice(records.at, records.at + count * 100);
  const order = kernel.sort({ from: records.at, records: count, entries: entries.at, scratch: scratch.at });
  for (let i = 0; i < count; i += 1000) {
    kernel.gather(order, i, Math.min(1000, count - i), output.at + i * 100);
  }
  expect(Buffer.compare(input, kernel.bytes.subarray(records.at, records.at + count * 100))).toBe(0);
  return {
    sorted: Buffer.from(kernel.bytes.slice(output.at, output.at + count * 100)),
    expected: referenceSort(input),
  };
}

const rng = seededRng(7);
const randomKey = (): Uint8Array => rng.bytes(10);
const withPrefix = (bytes: number): Uint8Array => {
  const key = randomKey();
  return key.fill(0x5a, 0, bytes);
};
const counting = (index: number): Uint8Array => {
  const key = new Uint8Array(10);
  new DataView(key.buffer).setUint32(3, index);
  return key;
};

/** Every one of these makes some simple radix or quick sort quadratic, or hits an edge of the windows. */
const shapes: Record<string, (index: number) => Uint8Array> = {
  random: randomKey,
  "all equal": () => new Uint8Array(10).fill(9),
  "equal but for one": (i) => new Uint8Array(10).fill(i === 17 ? 8 : 9),
  "equal but for the last bit": (i) => new Uint8Array(10).fill(0).fill(i % 2, 9),
  sorted: counting,
  reversed: (i) => counting(recordsMax - i),
  "sharing 1 byte": () => withPrefix(1),
  "sharing 5 bytes": () => withPrefix(5),
  "sharing 7 bytes": () => withPrefix(7),
  "sharing 8 bytes": () => withPrefix(8),
  "sharing 9 bytes": () => withPrefix(9),
  "two values": (i) => new Uint8Array(10).fill(i % 3 ? 0xff : 0),
  "half equal, half random": (i) => (i % 2 ? new Uint8Array(10).fill(0x80) : randomKey()),
  "short runs with shared prefixes": (i) => withPrefix(i % 11).fill(i & 63, 0, Math.min(8, i % 11)),
  "many runs of 30 that differ in the last byte": (i) => {
    const key = counting(Math.floor(i / 30)).fill(0, 7);
    key[9] = 255 - (i % 30);
    return key;
  },
  "differing only every 33 bits": (i) => {
    const key = new Uint8Array(10);
    key[0] = (i & 1) << 7;
    key[4] = ((i >> 1) & 1) << 6;
    key[8] = ((i >> 2) & 1) << 5;
    return key;
  },
  "few distinct in each byte": () => randomKey().map((byte) => byte & 0x81),
};

describe.each(Object.entries(shapes))("keys %s", (_, keyOf) => {
  test.each([2, 24, 25, 100, 4095, 4096, 30_000])("%i records", (count) => {
    const { sorted, expected } = sortKeys(count, keyOf);
    expect(sorted.equals(expected)).toBe(true);
  });
});

test("any keys sort like the reference, equal keys in input order", () => {
  const byte = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  const key = fc.uint8Array({ minLength: 10, maxLength: 10 });
  const fewKeys = fc.array(byte, { minLength: 10, maxLength: 10 }).map((bytes) => Uint8Array.from(bytes));
  const anyKeys = fc.property(fc.array(fc.oneof(key, fewKeys), { maxLength: 200 }), (keys) => {
    const { sorted, expected } = sortKeys(keys.length, (i) => keys[i]!);
    expect(sorted.equals(expected)).toBe(true);
  });
  fc.assert(anyKeys, { numRuns: 200 });
});

test("the generator's records sort like the reference, skewed and not", () => {
  for (const format of [{}, { skew: true }, { ascii: true }, { ascii: true, skew: true }]) {
    kernel.generate(records.at, 123_456, recordsMax, format);
    const expected = referenceSort(kernel.bytes.slice(records.at, records.at + recordsMax * 100));
    const order = kernel.sort({
      from: records.at,
      records: recordsMax,
      entries: entries.at,
      scratch: scratch.at,
    });
    kernel.gather(order, 0, recordsMax, output.at);
    expect(Buffer.compare(kernel.bytes.subarray(output.at, output.at + recordsMax * 100), expected)).toBe(0);
  }
});

test("nothing and one record are sorted", () => {
  expect(sortKeys(0, randomKey).sorted.length).toBe(0);
  const { sorted, expected } = sortKeys(1, randomKey);
  expect(sorted.equals(expected)).toBe(true);
});

test("ranges that overlap or leave the memory are refused", () => {
  const request = { from: records.at, records: 100, entries: entries.at, scratch: scratch.at };
  expect(() => kernel.sort({ ...request, scratch: entries.at + 792 })).toThrow(/overlap/);
  expect(() => kernel.sort({ ...request, entries: records.at + 9_999 })).toThrow(/overlap/);
  expect(() => kernel.sort({ ...request, scratch: kernel.memoryBytes - 799 })).toThrow(RangeError);
  const order = kernel.sort(request);
  expect(() => kernel.gather(order, 1, 100, output.at)).toThrow(RangeError);
  expect(() => kernel.gather(order, -1, 1, output.at)).toThrow(RangeError);
  expect(() => kernel.gather(order, 0, 100, records.at)).toThrow(/overlap/);
});
