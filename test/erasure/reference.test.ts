import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBitSliced, encodeByteWise, slice, unslice } from "../../src/erasure/reference.ts";
import { isalVectors } from "./isal-vectors.ts";

const chunks = fc
  .integer({ min: 0, max: 3 })
  .chain((n) => fc.uint8Array({ minLength: 128 * n, maxLength: 128 * n }));

test.each(isalVectors.map((v) => [`${v.d}+${v.p}`, v] as const))("%s gives ISA-L's parity", (_, vector) => {
  const data = vector.data.map((hex) => Buffer.from(hex, "hex"));
  const parity = encodeByteWise(data, vector.p);
  expect(parity.map((shard) => Buffer.from(shard).toString("hex"))).toEqual(vector.parity);
});

test("slicing puts bit b of element e where the layout says", () => {
  fc.assert(
    fc.property(fc.nat(127), fc.nat(7), (element, bit) => {
      const bytes = new Uint8Array(128);
      bytes[element] = 1 << bit;
      const expected = new Uint8Array(128);
      expected[16 * bit + Math.floor(element / 8)] = 1 << (element % 8);
      expect(slice(bytes)).toEqual(expected);
    }),
  );
});

test("slicing and unslicing undo each other", () => {
  fc.assert(
    fc.property(chunks, (bytes) => {
      expect(unslice(slice(bytes))).toEqual(bytes);
      expect(slice(unslice(bytes))).toEqual(bytes);
    }),
  );
  expect(() => slice(new Uint8Array(127))).toThrow(RangeError);
});

test("row 0 is plain XOR in both layouts", () => {
  const data = [1, 2, 3].map((seed) => Uint8Array.from({ length: 256 }, (_, i) => (i * seed * 37) & 255));
  const xor = data[0]!.map((byte, i) => byte ^ data[1]![i]! ^ data[2]![i]!);
  expect(encodeByteWise(data, 1)).toEqual([xor]);
  expect(encodeBitSliced(data, 1)).toEqual([xor]);
});
