/**
 * The code written to be read: the reference that tests hold the kernels against. Slow; not for use.
 *
 * Two layouts of the same code:
 *
 * - byte-wise, as ISA-L has it: byte n of parity k = sum over j of 2^(k*j) * (byte n of data shard j).
 * - bit-sliced, as Mayfly stores it: a shard is a sequence of 128-byte chunks, and a chunk holds 128 field elements;
 *   bit b of element e is bit (e mod 8) of byte 16*b + floor(e / 8) of the chunk.
 *
 * `slice` takes a byte-wise chunk (element e is byte e) to the bit-sliced one and `unslice` takes it back; both only
 * move bits. Mayfly does not move any: it takes the data bytes, as they are, for bit-sliced elements. So its parity is
 * slice(ISA-L's parity of unslice(data)): other bytes than ISA-L's for the same data, with the same power to rebuild.
 * Row 0, plain XOR, is the same in both.
 */
import { mul } from "./gf256.ts";
import { parityCoefficient } from "./steps.ts";

const chunkBytes = 128;
const vectorBytes = 16;

/** Moves every bit of whole chunks from `bitIn(e, b)` to `bitOut(e, b)`, positions within a chunk. */
function moveBits(
  input: Uint8Array,
  bitIn: (element: number, bit: number) => number,
  bitOut: (element: number, bit: number) => number,
): Uint8Array {
  if (input.length % chunkBytes !== 0) throw new RangeError(`${input.length} bytes are not whole chunks`);
  const output = new Uint8Array(input.length);
  for (let chunk = 0; chunk < input.length; chunk += chunkBytes) {
    for (let element = 0; element < chunkBytes; element++) {
      for (let bit = 0; bit < 8; bit++) {
        const from = bitIn(element, bit);
        const to = bitOut(element, bit);
        const value = (input[chunk + (from >> 3)]! >> (from & 7)) & 1;
        output[chunk + (to >> 3)]! |= value << (to & 7);
      }
    }
  }
  return output;
}

const byteWise = (element: number, bit: number): number => element * 8 + bit;
const bitSliced = (element: number, bit: number): number => bit * vectorBytes * 8 + element;

/** Byte-wise chunks to bit-sliced ones. */
export function slice(bytes: Uint8Array): Uint8Array {
  return moveBits(bytes, byteWise, bitSliced);
}

/** Bit-sliced chunks to byte-wise ones. */
export function unslice(bytes: Uint8Array): Uint8Array {
  return moveBits(bytes, bitSliced, byteWise);
}

/** The `p` parity shards of equally long data shards, byte-wise. */
export function encodeByteWise(data: readonly Uint8Array[], p: number): Uint8Array[] {
  const length = data[0]?.length ?? 0;
  return Array.from({ length: p }, (_, row) =>
    Uint8Array.from({ length }, (_, n) =>
      data.reduce((sum, shard, column) => sum ^ mul(parityCoefficient(row, column), shard[n]!), 0),
    ),
  );
}

/** The `p` parity shards of data shards of whole chunks, as Mayfly stores them. */
export function encodeBitSliced(data: readonly Uint8Array[], p: number): Uint8Array[] {
  return encodeByteWise(data.map(unslice), p).map(slice);
}
