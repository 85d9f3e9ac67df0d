/**
 * XXH3-64 with seed, as an AssemblyScript kernel. Algorithm and constants:
 * https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 *
 * The memory belongs to others, so there is no static data: the caller gives a `scratch` area, 8-byte aligned:
 *
 *     0    default secret  192 bytes, written by the caller before the first call
 *     192  derived secret  192 bytes, written by setSeed
 *     384  seed            u64, written by setSeed
 *     392  (frame-checksums.ts keeps its own things from here on)
 *
 * Inputs above 240 bytes go through 8 lanes of 64 bits, 64 bytes at a time. What makes that fast on V8:
 * - two vectors of products are taken together, since each `extmul` unpacks half of its arguments anyway;
 * - the plain input, which XXH3 adds to the neighbouring lane, is summed apart and swapped once for each KiB;
 * - a block of 16 stripes is done in two passes of four lanes each: all eight in one loop leave too few registers
 *   (17 GB/s instead of 20), and unrolling the loops or keeping the lanes in memory loses as much.
 */

const DERIVED: usize = 192;
const SEED: usize = 384;

const PRIME32_1: u64 = 0x9e3779b1;
const PRIME32_2: u64 = 0x85ebca77;
const PRIME32_3: u64 = 0xc2b2ae3d;
const PRIME64_1: u64 = 0x9e3779b185ebca87;
const PRIME64_2: u64 = 0xc2b2ae3d27d4eb4f;
const PRIME64_3: u64 = 0x165667b19e3779f9;
const PRIME64_4: u64 = 0x85ebca77c2b2ae63;
const PRIME64_5: u64 = 0x27d4eb2f165667c5;
const PRIME_MX1: u64 = 0x165667919e3779f9;
const PRIME_MX2: u64 = 0x9fb21c651e98df25;

/** Low xor high half of the 128-bit product. */
function foldedProduct(a: u64, b: u64): u64 {
  const aLow = a & 0xffffffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffffffff;
  const bHigh = b >> 32;
  const lowLow = aLow * bLow;
  const highLow = aHigh * bLow;
  const cross = (lowLow >> 32) + (highLow & 0xffffffff) + aLow * bHigh;
  const high = (highLow >> 32) + (cross >> 32) + aHigh * bHigh;
  return ((cross << 32) | (lowLow & 0xffffffff)) ^ high;
}

// @ts-ignore: decorator
@inline
function avalanche(h: u64): u64 {
  h = (h ^ (h >> 37)) * PRIME_MX1;
  return h ^ (h >> 32);
}

// @ts-ignore: decorator
@inline
function avalanche64(h: u64): u64 {
  h = (h ^ (h >> 33)) * PRIME64_2;
  h = (h ^ (h >> 29)) * PRIME64_3;
  return h ^ (h >> 32);
}

function mix16(at: usize, secret: usize, seed: u64): u64 {
  return foldedProduct(
    load<u64>(at) ^ (load<u64>(secret) + seed),
    load<u64>(at, 8) ^ (load<u64>(secret, 8) - seed),
  );
}

function hashTo16(at: usize, length: u32, secret: usize, seed: u64): u64 {
  if (length > 8) {
    const low = load<u64>(at) ^ ((load<u64>(secret, 24) ^ load<u64>(secret, 32)) + seed);
    const high = load<u64>(at + length - 8) ^ ((load<u64>(secret, 40) ^ load<u64>(secret, 48)) - seed);
    return avalanche(<u64>length + bswap<u64>(low) + high + foldedProduct(low, high));
  }
  if (length >= 4) {
    const mixed = seed ^ (<u64>bswap<u32>(<u32>seed) << 32);
    const input = <u64>load<u32>(at + length - 4) + (<u64>load<u32>(at) << 32);
    let h = input ^ ((load<u64>(secret, 8) ^ load<u64>(secret, 16)) - mixed);
    h = (h ^ rotl<u64>(h, 49) ^ rotl<u64>(h, 24)) * PRIME_MX2;
    h = (h ^ ((h >> 35) + <u64>length)) * PRIME_MX2;
    return h ^ (h >> 28);
  }
  if (length > 0) {
    const first = <u32>load<u8>(at);
    const middle = <u32>load<u8>(at + (length >> 1));
    const last = <u32>load<u8>(at + length - 1);
    const input = (first << 16) | (middle << 24) | last | (length << 8);
    return avalanche64(<u64>input ^ (<u64>(load<u32>(secret) ^ load<u32>(secret, 4)) + seed));
  }
  return avalanche64(seed ^ load<u64>(secret, 56) ^ load<u64>(secret, 64));
}

function hashTo128(at: usize, length: u32, secret: usize, seed: u64): u64 {
  const end = at + length;
  let h = <u64>length * PRIME64_1;
  if (length > 32) {
    if (length > 64) {
      if (length > 96) h += mix16(at + 48, secret + 96, seed) + mix16(end - 64, secret + 112, seed);
      h += mix16(at + 32, secret + 64, seed) + mix16(end - 48, secret + 80, seed);
    }
    h += mix16(at + 16, secret + 32, seed) + mix16(end - 32, secret + 48, seed);
  }
  return avalanche(h + mix16(at, secret, seed) + mix16(end - 16, secret + 16, seed));
}

function hashTo240(at: usize, length: u32, secret: usize, seed: u64): u64 {
  let h = <u64>length * PRIME64_1;
  for (let i: u32 = 0; i < 128; i += 16) h += mix16(at + i, secret + i, seed);
  h = avalanche(h);
  for (let i: u32 = 128; i + 16 <= length; i += 16) h += mix16(at + i, secret + i - 125, seed);
  return avalanche(h + mix16(at + length - 16, secret + 119, seed));
}

// @ts-ignore: decorator
@inline
function swapped(x: v128): v128 {
  return v128.shuffle<u64>(x, x, 1, 0);
}

// @ts-ignore: decorator
@inline
function scrambled(x: v128, secret: v128): v128 {
  return i64x2.mul(v128.xor(v128.xor(x, i64x2.shr_u(x, 47)), secret), i64x2.splat(PRIME32_1));
}

function merged(x: v128, secret: usize): u64 {
  return foldedProduct(
    i64x2.extract_lane(x, 0) ^ load<u64>(secret),
    i64x2.extract_lane(x, 1) ^ load<u64>(secret, 8),
  );
}

function hashLong(at: usize, length: u32, secret: usize): u64 {
  let lanes0 = i64x2.replace_lane(i64x2.splat(PRIME32_3), 1, PRIME64_1);
  let lanes1 = i64x2.replace_lane(i64x2.splat(PRIME64_2), 1, PRIME64_3);
  let lanes2 = i64x2.replace_lane(i64x2.splat(PRIME64_4), 1, PRIME32_2);
  let lanes3 = i64x2.replace_lane(i64x2.splat(PRIME64_5), 1, PRIME32_1);
  // Whole blocks of 16 stripes, then the stripes of the last block, then the final 64 bytes (which may overlap
  // them) with their own part of the secret.
  const lastStripe = at + length - 64;
  let stripes = (length - 1) / 64;
  let key = secret;
  while (true) {
    const end = at + min<u32>(stripes, 16) * 64;
    let sum0 = i64x2.splat(0);
    let sum1 = i64x2.splat(0);
    for (let p = at, k = key; p != end; p += 64, k += 8) {
      const input0 = v128.load(p);
      const input1 = v128.load(p, 16);
      const keyed0 = v128.xor(input0, v128.load(k));
      const keyed1 = v128.xor(input1, v128.load(k, 16));
      const low = v128.shuffle<u32>(keyed0, keyed1, 0, 2, 4, 6);
      const high = v128.shuffle<u32>(keyed0, keyed1, 1, 3, 5, 7);
      sum0 = i64x2.add(sum0, input0);
      sum1 = i64x2.add(sum1, input1);
      lanes0 = i64x2.add(lanes0, i64x2.extmul_low_i32x4_u(low, high));
      lanes1 = i64x2.add(lanes1, i64x2.extmul_high_i32x4_u(low, high));
    }
    lanes0 = i64x2.add(lanes0, swapped(sum0));
    lanes1 = i64x2.add(lanes1, swapped(sum1));
    let sum2 = i64x2.splat(0);
    let sum3 = i64x2.splat(0);
    for (let p = at, k = key; p != end; p += 64, k += 8) {
      const input2 = v128.load(p, 32);
      const input3 = v128.load(p, 48);
      const keyed2 = v128.xor(input2, v128.load(k, 32));
      const keyed3 = v128.xor(input3, v128.load(k, 48));
      const low = v128.shuffle<u32>(keyed2, keyed3, 0, 2, 4, 6);
      const high = v128.shuffle<u32>(keyed2, keyed3, 1, 3, 5, 7);
      sum2 = i64x2.add(sum2, input2);
      sum3 = i64x2.add(sum3, input3);
      lanes2 = i64x2.add(lanes2, i64x2.extmul_low_i32x4_u(low, high));
      lanes3 = i64x2.add(lanes3, i64x2.extmul_high_i32x4_u(low, high));
    }
    lanes2 = i64x2.add(lanes2, swapped(sum2));
    lanes3 = i64x2.add(lanes3, swapped(sum3));
    if (stripes >= 16) {
      lanes0 = scrambled(lanes0, v128.load(secret, 128));
      lanes1 = scrambled(lanes1, v128.load(secret, 144));
      lanes2 = scrambled(lanes2, v128.load(secret, 160));
      lanes3 = scrambled(lanes3, v128.load(secret, 176));
      at = end;
      stripes -= 16;
    } else if (key == secret) {
      at = lastStripe;
      key = secret + 121;
      stripes = 1;
    } else {
      break;
    }
  }
  let h = <u64>length * PRIME64_1 + merged(lanes0, secret + 11) + merged(lanes1, secret + 27);
  h += merged(lanes2, secret + 43) + merged(lanes3, secret + 59);
  return avalanche(h);
}

function hashAny(at: usize, length: u32, scratch: usize): u64 {
  if (length > 240) return hashLong(at, length, scratch + DERIVED);
  const seed = load<u64>(scratch, SEED);
  if (length <= 16) return hashTo16(at, length, scratch, seed);
  if (length <= 128) return hashTo128(at, length, scratch, seed);
  return hashTo240(at, length, scratch, seed);
}

export function setSeed(scratch: usize, low: u32, high: u32): void {
  const seed = <u64>low | (<u64>high << 32);
  store<u64>(scratch, seed, SEED);
  for (let i: usize = 0; i < 192; i += 16) {
    store<u64>(scratch + DERIVED + i, load<u64>(scratch + i) + seed);
    store<u64>(scratch + DERIVED + i, load<u64>(scratch + i, 8) - seed, 8);
  }
}

export function hash(at: usize, length: u32, scratch: usize): u64 {
  return hashAny(at, length, scratch);
}

/** One u64 for each frame at `sums`; returns how many. */
export function hashFrames(at: usize, length: u32, frameBytes: u32, sums: usize, scratch: usize): u32 {
  let count: u32 = 0;
  while (length > 0) {
    const n = min<u32>(length, frameBytes);
    store<u64>(sums, hashAny(at, n, scratch));
    at += n;
    length -= n;
    sums += 8;
    count++;
  }
  return count;
}

/** Index of the first frame that does not have its sum, or -1. */
export function verifyFrames(at: usize, length: u32, frameBytes: u32, sums: usize, scratch: usize): i32 {
  let index: i32 = 0;
  while (length > 0) {
    const n = min<u32>(length, frameBytes);
    if (load<u64>(sums) != hashAny(at, n, scratch)) return index;
    at += n;
    length -= n;
    sums += 8;
    index++;
  }
  return -1;
}
