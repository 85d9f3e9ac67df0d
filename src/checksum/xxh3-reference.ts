/**
 * XXH3-64 with seed, written to be read: the reference that tests hold the kernel against. Slow; not for use.
 * After https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md, whose names it keeps.
 */
import { xxh3DefaultSecret } from "./xxh3-secret.ts";

const PRIME32_1 = 0x9e3779b1n;
const PRIME32_2 = 0x85ebca77n;
const PRIME32_3 = 0xc2b2ae3dn;
const PRIME64_1 = 0x9e3779b185ebca87n;
const PRIME64_2 = 0xc2b2ae3d27d4eb4fn;
const PRIME64_3 = 0x165667b19e3779f9n;
const PRIME64_4 = 0x85ebca77c2b2ae63n;
const PRIME64_5 = 0x27d4eb2f165667c5n;
const PRIME_MX1 = 0x165667919e3779f9n;
const PRIME_MX2 = 0x9fb21c651e98df25n;

const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);
const u32 = (x: bigint): bigint => x & 0xffffffffn;
const rotl = (x: bigint, n: bigint): bigint => u64(x << n) | (x >> (64n - n));

/** `bytes` little-endian bytes at `at`. */
function read(from: Uint8Array, at: number, bytes: number): bigint {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(from[at + i]!);
  return value;
}

function byteSwapped(x: bigint, bytes: number): bigint {
  let value = 0n;
  for (let i = 0; i < bytes; i++) value = (value << 8n) | ((x >> BigInt(8 * i)) & 0xffn);
  return value;
}

function foldedProduct(a: bigint, b: bigint): bigint {
  const product = a * b;
  return u64(product) ^ (product >> 64n);
}

function avalanche(x: bigint): bigint {
  const mixed = u64((x ^ (x >> 37n)) * PRIME_MX1);
  return mixed ^ (mixed >> 32n);
}

function avalancheXxh64(x: bigint): bigint {
  const first = u64((x ^ (x >> 33n)) * PRIME64_2);
  const second = u64((first ^ (first >> 29n)) * PRIME64_3);
  return second ^ (second >> 32n);
}

const secretWord = (at: number): bigint => read(xxh3DefaultSecret, at, 8);

function hashTo16(input: Uint8Array, seed: bigint): bigint {
  const length = input.length;
  if (length === 0) return avalancheXxh64(seed ^ secretWord(56) ^ secretWord(64));
  if (length <= 3) {
    const [first, middle, last] = [input[0]!, input[length >> 1]!, input[length - 1]!].map(BigInt);
    const combined = last! | (BigInt(length) << 8n) | (first! << 16n) | (middle! << 24n);
    const flip = (read(xxh3DefaultSecret, 0, 4) ^ read(xxh3DefaultSecret, 4, 4)) + seed;
    return avalancheXxh64(combined ^ u64(flip));
  }
  if (length <= 8) {
    const modified = seed ^ (byteSwapped(u32(seed), 4) << 32n);
    const combined = read(input, length - 4, 4) | (read(input, 0, 4) << 32n);
    const x = combined ^ u64((secretWord(8) ^ secretWord(16)) - modified);
    const first = u64((x ^ rotl(x, 49n) ^ rotl(x, 24n)) * PRIME_MX2);
    const second = u64((first ^ ((first >> 35n) + BigInt(length))) * PRIME_MX2);
    return second ^ (second >> 28n);
  }
  const low = read(input, 0, 8) ^ u64((secretWord(24) ^ secretWord(32)) + seed);
  const high = read(input, length - 8, 8) ^ u64((secretWord(40) ^ secretWord(48)) - seed);
  return avalanche(u64(BigInt(length) + byteSwapped(low, 8) + high + foldedProduct(low, high)));
}

function hashTo240(input: Uint8Array, seed: bigint): bigint {
  const length = input.length;
  const mix = (at: number, secretAt: number): bigint =>
    foldedProduct(
      read(input, at, 8) ^ u64(secretWord(secretAt) + seed),
      read(input, at + 8, 8) ^ u64(secretWord(secretAt + 8) - seed),
    );
  let sum = BigInt(length) * PRIME64_1;
  if (length <= 128) {
    for (let i = Math.floor((length - 1) / 32); i >= 0; i--) {
      sum += mix(16 * i, 32 * i) + mix(length - 16 * (i + 1), 32 * i + 16);
    }
    return avalanche(u64(sum));
  }
  for (let i = 0; i < 8; i++) sum += mix(16 * i, 16 * i);
  sum = avalanche(u64(sum));
  for (let i = 8; i < Math.floor(length / 16); i++) sum += mix(16 * i, 16 * (i - 8) + 3);
  return avalanche(u64(sum + mix(length - 16, 136 - 17)));
}

function derivedSecret(seed: bigint): Uint8Array {
  const secret = new Uint8Array(192);
  const words = new DataView(secret.buffer);
  for (let i = 0; i < 192; i += 16) {
    words.setBigUint64(i, u64(secretWord(i) + seed), true);
    words.setBigUint64(i + 8, u64(secretWord(i + 8) - seed), true);
  }
  return secret;
}

function hashLong(input: Uint8Array, seed: bigint): bigint {
  const secret = derivedSecret(seed);
  const lanes = [PRIME32_3, PRIME64_1, PRIME64_2, PRIME64_3, PRIME64_4, PRIME32_2, PRIME64_5, PRIME32_1];
  const accumulate = (at: number, secretAt: number): void => {
    for (let i = 0; i < 8; i++) {
      const data = read(input, at + 8 * i, 8);
      const keyed = data ^ read(secret, secretAt + 8 * i, 8);
      lanes[i ^ 1] = u64(lanes[i ^ 1]! + data);
      lanes[i] = u64(lanes[i]! + u32(keyed) * (keyed >> 32n));
    }
  };
  const stripes = Math.floor((input.length - 1) / 64);
  for (let n = 0; n < stripes; n++) {
    accumulate(64 * n, 8 * (n % 16));
    if (n % 16 !== 15) continue;
    for (let i = 0; i < 8; i++) {
      const lane = lanes[i]!;
      lanes[i] = u64((lane ^ (lane >> 47n) ^ read(secret, 128 + 8 * i, 8)) * PRIME32_1);
    }
  }
  accumulate(input.length - 64, 192 - 64 - 7);
  let sum = BigInt(input.length) * PRIME64_1;
  for (let i = 0; i < 8; i += 2) {
    sum += foldedProduct(
      lanes[i]! ^ read(secret, 11 + 8 * i, 8),
      lanes[i + 1]! ^ read(secret, 19 + 8 * i, 8),
    );
  }
  return avalanche(u64(sum));
}

/** XXH3-64 of `input`. `seed` and the result are unsigned 64-bit numbers. */
export function xxh3Reference(input: Uint8Array, seed = 0n): bigint {
  if (input.length <= 16) return hashTo16(input, seed);
  if (input.length <= 240) return hashTo240(input, seed);
  return hashLong(input, seed);
}
