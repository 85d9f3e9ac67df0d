// Checks 100-byte records: the sum of their CRC32s (zlib's polynomial) and their order by 10-byte keys. The memory
// is imported and shared with other kernels: no static data here, tables live where the caller says.
//
// A CRC is linear, so the CRC of a record is the XOR of one contribution a byte and a constant. Sixteen records are
// transposed, so that a vector holds the same byte of each; their contributions are then looked up by `swizzle`, a
// nibble and an output byte at a time: 8 tables of 16 bytes a position, 12,800 bytes in all.

const RECORD: usize = 100;
const POLYNOMIAL: u32 = 0xedb88320;

let nibbles: usize = 0;
let transposed: usize = 0;
let zeroCrc: u32 = 0;

/** The CRC register after one more byte of zeros. */
function advance(crc: u32): u32 {
  for (let bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (POLYNOMIAL & (0 - (crc & 1)));
  return crc;
}

/** Makes the tables in 12,800 bytes at `tables`; `scratch` (512 bytes) is used by every later call. */
export function makeCrcTables(tables: usize, scratch: usize): void {
  nibbles = tables;
  transposed = scratch;
  zeroCrc = 0xffffffff;
  for (let position: usize = 0; position < RECORD; position++) zeroCrc = advance(zeroCrc);
  zeroCrc = ~zeroCrc;
  for (let half: usize = 0; half < 2; half++) {
    for (let value: usize = 0; value < 16; value++) {
      // What this nibble adds in the last byte, then in the one before, and so on: each has one more byte behind it.
      let crc = <u32>(value << (half << 2));
      for (let position = RECORD; position-- > 0; ) {
        crc = advance(crc);
        const table = tables + (position << 7) + (half << 6) + value;
        for (let byte: usize = 0; byte < 4; byte++) store<u8>(table + (byte << 4), <u8>(crc >> <u32>(byte << 3)));
      }
    }
  }
}

function lookUpCrc(record: usize): u32 {
  let crc = zeroCrc;
  for (let position: usize = 0; position < RECORD; position++) {
    const value = <usize>load<u8>(record + position);
    const low = nibbles + (position << 7) + (value & 15), high = nibbles + (position << 7) + 64 + (value >> 4);
    crc ^= (<u32>load<u8>(low) | (<u32>load<u8>(low, 16) << 8) | (<u32>load<u8>(low, 32) << 16) | (<u32>load<u8>(low, 48) << 24));
    crc ^= (<u32>load<u8>(high) | (<u32>load<u8>(high, 16) << 8) | (<u32>load<u8>(high, 32) << 16) | (<u32>load<u8>(high, 48) << 24));
  }
  return crc;
}

@inline function interleaveLow(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

@inline function interleaveHigh(a: v128, b: v128): v128 {
  return v128.shuffle<u8>(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/**
 * Half of the transposition of 16 x 16 bytes: two rounds of interleaving row i with row i + 8, done for four rows at
 * a time so that they stay in registers. Twice the half is the whole.
 */
@inline function halfTranspose(from: usize, to: usize, stride: usize): void {
  for (let i: usize = 0; i < 4; i++) {
    const row0 = v128.load(from), row4 = v128.load(from + 4 * stride);
    const row8 = v128.load(from + 8 * stride), row12 = v128.load(from + 12 * stride);
    const a0 = interleaveLow(row0, row8), a1 = interleaveHigh(row0, row8);
    const b0 = interleaveLow(row4, row12), b1 = interleaveHigh(row4, row12);
    v128.store(to, interleaveLow(a0, b0));
    v128.store(to, interleaveHigh(a0, b0), 16);
    v128.store(to, interleaveLow(a1, b1), 32);
    v128.store(to, interleaveHigh(a1, b1), 48);
    from += stride;
    to += 64;
  }
}

@inline function widenSum(words: v128): v128 {
  return i64x2.add(i64x2.extend_low_i32x4_u(words), i64x2.extend_high_i32x4_u(words));
}

/** The sum of the CRC32s of `count` records. */
export function crcSum(record: usize, count: i32): u64 {
  const a = transposed, b = transposed + 256;
  const nibble = i8x16.splat(15);
  const constant = i32x4.splat(zeroCrc);
  let sum: u64 = 0;
  let i = 0;
  for (; i + 16 <= count; i += 16) {
    let crc0 = i8x16.splat(0), crc1 = crc0, crc2 = crc0, crc3 = crc0;
    for (let column: usize = 0; column < RECORD; column += 16) {
      // The last 4 columns come with 12 that are done already: no record is read past its end.
      const start = min<usize>(column, RECORD - 16);
      halfTranspose(record + start, a, RECORD);
      halfTranspose(a, b, 16);
      for (let position = column; position < start + 16; position++) {
        const bytes = v128.load(b + ((position - start) << 4));
        const table = nibbles + (position << 7);
        const low = v128.and(bytes, nibble), high = i8x16.shr_u(bytes, 4);
        crc0 = v128.xor(crc0, v128.xor(i8x16.swizzle(v128.load(table), low), i8x16.swizzle(v128.load(table, 64), high)));
        crc1 = v128.xor(crc1, v128.xor(i8x16.swizzle(v128.load(table, 16), low), i8x16.swizzle(v128.load(table, 80), high)));
        crc2 = v128.xor(crc2, v128.xor(i8x16.swizzle(v128.load(table, 32), low), i8x16.swizzle(v128.load(table, 96), high)));
        crc3 = v128.xor(crc3, v128.xor(i8x16.swizzle(v128.load(table, 48), low), i8x16.swizzle(v128.load(table, 112), high)));
      }
    }
    const low0 = interleaveLow(crc0, crc1), low1 = interleaveLow(crc2, crc3);
    const high0 = interleaveHigh(crc0, crc1), high1 = interleaveHigh(crc2, crc3);
    const lower = i64x2.add(
      widenSum(v128.xor(constant, v128.shuffle<u16>(low0, low1, 0, 8, 1, 9, 2, 10, 3, 11))),
      widenSum(v128.xor(constant, v128.shuffle<u16>(low0, low1, 4, 12, 5, 13, 6, 14, 7, 15))),
    );
    const upper = i64x2.add(
      widenSum(v128.xor(constant, v128.shuffle<u16>(high0, high1, 0, 8, 1, 9, 2, 10, 3, 11))),
      widenSum(v128.xor(constant, v128.shuffle<u16>(high0, high1, 4, 12, 5, 13, 6, 14, 7, 15))),
    );
    const total = i64x2.add(lower, upper);
    sum += <u64>i64x2.extract_lane(total, 0) + <u64>i64x2.extract_lane(total, 1);
    record += 1600;
  }
  for (; i < count; i++) {
    sum += <u64>lookUpCrc(record);
    record += RECORD;
  }
  return sum;
}

/** How many keys equalled the key before them, up to where the last `firstDisorder` stopped. */
export let duplicates: u32 = 0;

/** Index of the first record whose key is below the one before it, or -1. `previous`: the key before the first, or 0. */
export function firstDisorder(record: usize, count: i32, previous: usize): i32 {
  duplicates = 0;
  if (count == 0) return -1;
  let index = 0;
  if (previous == 0) {
    previous = record;
    record += RECORD;
    index = 1;
  }
  let lastHigh = bswap<u64>(load<u64>(previous)), lastLow = bswap<u16>(load<u16>(previous, 8));
  for (; index < count; index++) {
    const high = bswap<u64>(load<u64>(record)), low = bswap<u16>(load<u16>(record, 8));
    if (high <= lastHigh) {
      if (high < lastHigh || low < lastLow) return index;
      if (low == lastLow) duplicates++;
    }
    lastHigh = high;
    lastLow = low;
    record += RECORD;
  }
  return -1;
}
