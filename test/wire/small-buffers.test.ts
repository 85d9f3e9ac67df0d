import fc from "fast-check";
import { expect, test } from "vitest";
import { smallBuffer, smallBytesMax } from "../../src/wire/small-buffers.ts";

const slabBytes = 64 * 1024;

/** The first piece of a slab, of `length` bytes: those before it were of another. */
function beginSlab(length: number): Buffer {
  const { buffer } = smallBuffer(1);
  for (let i = 0; i < slabBytes; i++) {
    const piece = smallBuffer(length);
    if (piece.buffer !== buffer) return piece;
  }
  throw new Error(`${slabBytes} pieces of ${length} bytes did not fill a slab`);
}

test("pieces have their length, begin at multiples of 8 and share no byte", () => {
  const length = fc.oneof(fc.nat(40), fc.nat(smallBytesMax - 1), fc.constantFrom(0, 1, 8, smallBytesMax - 1));
  const slabs = new Set<ArrayBufferLike>();
  fc.assert(
    fc.property(fc.array(length, { minLength: 1, maxLength: 100 }), (lengths) => {
      const pieces = lengths.map((each, at) => smallBuffer(each).fill(1 + at));
      for (const [at, piece] of pieces.entries()) {
        expect(piece.length).toBe(lengths[at]);
        expect(piece.byteOffset % 8).toBe(0);
        // Whoever overlapped would have written its own number.
        expect(piece.every((byte) => byte === 1 + at)).toBe(true);
        slabs.add(piece.buffer);
      }
    }),
  );
  expect(slabs.size).toBeGreaterThan(2);
});

test.each([1, 7, 8, 9, 4087, 4088, 4089, smallBytesMax - 1])(
  "as many pieces of %i bytes as fit lie in one slab of 64 KiB, and no more",
  (length) => {
    const { buffer, byteOffset } = beginSlab(length);
    expect([buffer.byteLength, byteOffset]).toEqual([slabBytes, 0]);
    const step = Math.ceil(length / 8) * 8;
    const offsets: number[] = [];
    for (let at = step; at + length <= slabBytes; at += step) offsets.push(at);
    const pieces = offsets.map(() => smallBuffer(length));
    expect(pieces.map((piece) => piece.byteOffset)).toEqual(offsets);
    expect(pieces.every((piece) => piece.buffer === buffer)).toBe(true);
    const next = smallBuffer(length);
    expect(next.buffer).not.toBe(buffer);
    expect([next.buffer.byteLength, next.byteOffset]).toEqual([slabBytes, 0]);
  },
);

test("a slab is used to its last byte, and then an empty piece still fits", () => {
  const { buffer } = beginSlab(4088);
  for (let i = 0; i < 15; i++) expect(smallBuffer(4089).buffer).toBe(buffer);
  const last = smallBuffer(8);
  expect([last.buffer === buffer, last.byteOffset + 8]).toEqual([true, slabBytes]);
  expect(smallBuffer(0)).toHaveLength(0);
  expect(smallBuffer(0).buffer).toBe(buffer);
  expect(smallBuffer(1).buffer).not.toBe(buffer);
});

test("empty pieces take no room", () => {
  const first = smallBuffer(3);
  expect(smallBuffer(0)).toHaveLength(0);
  expect(smallBuffer(0)).toHaveLength(0);
  const second = smallBuffer(3);
  // Unless the slab was full just then.
  const expected = second.buffer === first.buffer ? first.byteOffset + 8 : 0;
  expect(second.byteOffset).toBe(expected);
});
