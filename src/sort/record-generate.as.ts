// Generator of sort-benchmark records (100 bytes, 10-byte key first), as gensort 1.5 defines them; facts and vectors
// are in test/vectors/gensort.json, a plain version is record-reference.ts. The memory is imported and shared with
// other kernels: no static data here, every table lives where the caller says.
//
// x' = a * x + c modulo 2^128, from x = 0; record r is made of x[r+1] .. x[r+10].
const MULTIPLIER_HIGH: u64 = 0x2360ed051fc65da4;
const MULTIPLIER_LOW: u64 = 0x4385df649fccf645;
const INCREMENT_HIGH: u64 = 0x4a696d4772617952;
const INCREMENT_LOW: u64 = 0x4950202020202001;

// Field j of a binary record is XORed with constant j (its 10 bytes in memory order).
const FIELD1 = i64x2(0xd2d4d8e1e2e4e8f0, 0xccd1);
const FIELD2 = i64x2(0xb2b4b8c3c5c6c9ca, 0xacb1);
const FIELD3 = i64x2(0x999a9ca3a5a6a9aa, 0x9596);
const FIELD4 = i64x2(0x727478878b8d8e93, 0x6c71);
const FIELD5 = i64x2(0x595a5c636566696a, 0x5556);
const FIELD6 = i64x2(0x393a3c474b4d4e53, 0x3536);
const FIELD7 = i64x2(0x1b1d1e272b2d2e33, 0x0f17);
const FIELD8 = i64x2(0x91929498c1c2c4c8, 0xe08c);
const FIELD9 = i64x2(0x1e272b2d2e330f17, 0x1b1d);

let high: u64 = 0;
let low: u64 = 0;

/** High half of the 128-bit product. */
@inline function multiplyHigh(a: u64, b: u64): u64 {
  const a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const p01 = a0 * b1, p10 = a1 * b0;
  const middle = ((a0 * b0) >> 32) + (p01 & 0xffffffff) + (p10 & 0xffffffff);
  return a1 * b1 + (p01 >> 32) + (p10 >> 32) + (middle >> 32);
}

@inline function step(): void {
  const product = low * MULTIPLIER_LOW;
  const sum = product + INCREMENT_LOW;
  high = multiplyHigh(low, MULTIPLIER_LOW) + low * MULTIPLIER_HIGH + high * MULTIPLIER_LOW
    + INCREMENT_HIGH + u64(sum < product);
  low = sum;
}

/** Sets the state to x[steps]: one squaring of the map for each bit of `steps`. */
function skipTo(steps: u64): void {
  let aHigh = MULTIPLIER_HIGH, aLow = MULTIPLIER_LOW, cHigh = INCREMENT_HIGH, cLow = INCREMENT_LOW;
  high = 0;
  low = 0;
  while (steps) {
    if (steps & 1) {
      const product = low * aLow, sum = product + cLow;
      high = multiplyHigh(low, aLow) + low * aHigh + high * aLow + cHigh + u64(sum < product);
      low = sum;
    }
    const product = cLow * aLow, sum = product + cLow;
    cHigh = multiplyHigh(cLow, aLow) + cLow * aHigh + cHigh * aLow + cHigh + u64(sum < product);
    cLow = sum;
    const square = aLow * aLow;
    aHigh = multiplyHigh(aLow, aLow) + aLow * aHigh + aHigh * aLow;
    aLow = square;
    steps >>= 1;
  }
}

/** The next state, all 16 bytes big-endian: bytes 0..9 are a field, byte 11 holds the skew bits. */
@inline function next(): v128 {
  step();
  const state = i64x2.replace_lane(i64x2.splat(high), 1, low);
  return v128.shuffle<u8>(state, state, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
}

/** `key` with its top `bits` bits taken from `row`; more than 48 means none. */
@inline function skew(key: u64, row: u64, bits: u64): u64 {
  const mask: u64 = bits > 48 ? 0 : ~(u64.MAX_VALUE >> bits);
  return (key & ~mask) | (row & mask);
}

/** The row for a record number is the number's bit length. Rows hold key bytes 0..5 in their top bits. */
@inline function skewRow(table: usize, record: u64): u64 {
  return load<u64>(table + (<usize>(64 - clz(record)) << 3));
}

/**
 * Binary records. With `skewTable` = 0 keys are uniform. Each field is stored 16 bytes wide and the next overwrites
 * its tail; only the last is stored narrowly.
 */
@inline function binary(to: usize, first: u64, count: i32, skewTable: usize): void {
  skipTo(first);
  let q0 = next(), q1 = next(), q2 = next(), q3 = next(), q4 = next();
  let q5 = next(), q6 = next(), q7 = next(), q8 = next(), q9 = next();
  for (let i = 0; i < count; i++) {
    v128.store(to, q0);
    if (skewTable) {
      const key = bswap<u64>(<u64>i64x2.extract_lane(q0, 0));
      const bits = <u64>(i8x16.extract_lane_u(q0, 11) & 63);
      store<u64>(to, bswap<u64>(skew(key, skewRow(skewTable, first + i), bits)));
    }
    v128.store(to, v128.xor(q1, FIELD1), 10);
    v128.store(to, v128.xor(q2, FIELD2), 20);
    v128.store(to, v128.xor(q3, FIELD3), 30);
    v128.store(to, v128.xor(q4, FIELD4), 40);
    v128.store(to, v128.xor(q5, FIELD5), 50);
    v128.store(to, v128.xor(q6, FIELD6), 60);
    v128.store(to, v128.xor(q7, FIELD7), 70);
    v128.store(to, v128.xor(q8, FIELD8), 80);
    const last = v128.xor(q9, FIELD9);
    v128.store_lane<u64>(to, last, 0, 90);
    v128.store_lane<u16>(to, last, 4, 98);
    q0 = q1; q1 = q2; q2 = q3; q3 = q4; q4 = q5; q5 = q6; q6 = q7; q7 = q8; q8 = q9;
    q9 = next();
    to += 100;
  }
}

/** Writes exactly `count` * 100 bytes at `to`. */
export function generateBinary(to: usize, first: u64, count: i32): void {
  binary(to, first, count, 0);
}

export function generateBinarySkewed(to: usize, first: u64, count: i32, skewTable: usize): void {
  binary(to, first, count, skewTable);
}

/** Records that the last `keepBinary` has looked at. */
export let passed: u32 = 0;

const BLOCK: i32 = 1024;

/**
 * Of the binary records `first` .. `first + count - 1` those whose key is at least `lower` and below `upper`, in order,
 * to `to`; returns how many. Bounds are two numbers, key bytes 0..7 and 8..9; an `upperLow` of 65,536 makes the upper
 * bound inclusive of all keys with its first 8 bytes. Ends early, and `passed` says where, when less than a block of
 * `capacity` is left. `states` has 16,528 bytes, `places` has 4,096.
 *
 * A record's key is the first of its ten states, and its neighbour has nine of them in common: so each record costs one
 * state, and only those that are kept are written out of them.
 */
export function keepBinary(
  to: usize, capacity: i32, first: u64, count: i32, skewTable: usize,
  lowerHigh: u64, lowerLow: u64, upperHigh: u64, upperLow: u64, states: usize, places: usize,
): i32 {
  skipTo(first);
  // As they are kept, a state is two numbers; byte order matters when it is written only.
  for (let i: usize = 0; i < 9; i++) {
    step();
    store<u64>(states + (i << 4), high);
    store<u64>(states + (i << 4), low, 8);
  }
  const span = upperHigh - lowerHigh;
  let kept = 0;
  let done = 0;
  while (done < count && capacity - kept >= min<i32>(BLOCK, count - done)) {
    const size = min<i32>(BLOCK, count - done);
    fillStates(states + 144, size);
    let place = places;
    for (let i = 0; i < size; i++) {
      const state = states + (<usize>i << 4);
      let key = load<u64>(state);
      if (skewTable) key = skewed(key, load<u64>(state, 8), first + done + i, skewTable);
      store<u32>(place, <u32>i);
      place += <usize>(key - lowerHigh <= span) << 2;
    }
    for (let at = places; at < place; at += 4) {
      const i = load<u32>(at);
      const state = states + (<usize>i << 4);
      const keyLow = load<u64>(state, 8) >> 48;
      let key = load<u64>(state);
      if (skewTable) key = skewed(key, load<u64>(state, 8), first + done + i, skewTable);
      if (key == lowerHigh && keyLow < lowerLow) continue;
      if (key == upperHigh && keyLow >= upperLow) continue;
      writeStates(to, state);
      if (skewTable) store<u64>(to, bswap<u64>(key));
      to += 100;
      kept++;
    }
    memory.copy(states, states + (<usize>size << 4), 144);
    done += size;
  }
  passed = done;
  return kept;
}

/** The next `count` states, 16 bytes each. */
function fillStates(to: usize, count: i32): void {
  let stateHigh = high, stateLow = low;
  const end = to + (<usize>count << 4);
  for (; to < end; to += 16) {
    const product = stateLow * MULTIPLIER_LOW;
    const sum = product + INCREMENT_LOW;
    stateHigh = multiplyHigh(stateLow, MULTIPLIER_LOW) + stateLow * MULTIPLIER_HIGH + stateHigh * MULTIPLIER_LOW
      + INCREMENT_HIGH + u64(sum < product);
    stateLow = sum;
    store<u64>(to, stateHigh);
    store<u64>(to, stateLow, 8);
  }
  high = stateHigh;
  low = stateLow;
}

@inline function skewed(key: u64, stateLow: u64, record: u64, skewTable: usize): u64 {
  return skew(key, skewRow(skewTable, record), (stateLow >> 32) & 63);
}

/** State number `index` from `states` on, as `next` has it. */
@inline function field(states: usize, index: usize): v128 {
  const state = v128.load(states + (index << 4));
  return v128.shuffle<u8>(state, state, 7, 6, 5, 4, 3, 2, 1, 0, 15, 14, 13, 12, 11, 10, 9, 8);
}

/** The record that is made of ten states. */
@inline function writeStates(to: usize, states: usize): void {
  v128.store(to, field(states, 0));
  v128.store(to, v128.xor(field(states, 1), FIELD1), 10);
  v128.store(to, v128.xor(field(states, 2), FIELD2), 20);
  v128.store(to, v128.xor(field(states, 3), FIELD3), 30);
  v128.store(to, v128.xor(field(states, 4), FIELD4), 40);
  v128.store(to, v128.xor(field(states, 5), FIELD5), 50);
  v128.store(to, v128.xor(field(states, 6), FIELD6), 60);
  v128.store(to, v128.xor(field(states, 7), FIELD7), 70);
  v128.store(to, v128.xor(field(states, 8), FIELD8), 80);
  const last = v128.xor(field(states, 9), FIELD9);
  v128.store_lane<u64>(to, last, 0, 90);
  v128.store_lane<u16>(to, last, 4, 98);
}

/** Four base-95 digits of `value` < 95^4, least significant first, as bytes in memory order. */
@inline function digits4(value: u32): u32 {
  const v1 = value / 95, v2 = v1 / 95, v3 = v2 / 95;
  return (value - v1 * 95) | ((v1 - v2 * 95) << 8) | ((v2 - v3 * 95) << 16) | (v3 << 24);
}

/** Key bytes 0..7 of an ASCII record, as they lie in memory. */
@inline function asciiKey(stateHigh: u64): u64 {
  const upper = stateHigh / 81450625; // 95^4
  const digits0 = digits4(<u32>(stateHigh - upper * 81450625));
  return (<u64>digits0 | (<u64>digits4(<u32>(upper % 81450625)) << 32)) + 0x2020202020202020;
}

/** The 16 hexadecimal digits of `value`, most significant first. */
@inline function hex(value: u64): v128 {
  const bytes = i64x2.splat(bswap<u64>(value));
  const upper = i8x16.shr_u(bytes, 4), lower = v128.and(bytes, i8x16.splat(15));
  const nibbles = v128.shuffle<u8>(upper, lower, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const letters = v128.and(i8x16.gt_s(nibbles, i8x16.splat(9)), i8x16.splat(7));
  return i8x16.add(i8x16.add(nibbles, i8x16.splat(0x30)), letters);
}

@inline function ascii(to: usize, first: u64, count: i32, skewTable: usize): void {
  skipTo(first);
  for (let i = 0; i < count; i++) {
    step();
    let key = asciiKey(high);
    if (skewTable) {
      // Rows count bytes here: 0 to 6 of them, and 7 means none.
      const row = skewRow(skewTable, first + i);
      key = bswap<u64>(skew(bswap<u64>(key), row, ((low >> 32) & 7) << 3));
    }
    store<u64>(to, key);
    const rest = <u32>(low % 9025); // 95^2
    store<u32>(to, ((rest % 95) | ((rest / 95) << 8)) + 0x20202020, 8);
    v128.store(to, i8x16.splat(0x30), 12);
    v128.store(to, hex(first + i), 28);
    store<u16>(to, 0x2020, 44);
    const filler = hex(low);
    v128.store(to, v128.shuffle<u8>(filler, filler, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6), 46);
    v128.store(to, v128.shuffle<u8>(filler, filler, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 10, 10, 10, 10), 62);
    v128.store(to, v128.shuffle<u8>(filler, filler, 11, 11, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14), 78);
    store<u32>(to, <u32>i8x16.extract_lane_u(filler, 15) * 0x01010101, 94);
    store<u16>(to, 0x0a0d, 98);
    to += 100;
  }
}

export function generateAscii(to: usize, first: u64, count: i32): void {
  ascii(to, first, count, 0);
}

export function generateAsciiSkewed(to: usize, first: u64, count: i32, skewTable: usize): void {
  ascii(to, first, count, skewTable);
}

/** Two tables of 65 u64 rows: row i is the first 6 key bytes of record i, binary and ASCII. */
export function makeSkewTables(binaryTable: usize, asciiTable: usize): void {
  skipTo(0);
  for (let row: usize = 0; row <= 64; row++) {
    step();
    store<u64>(binaryTable + (row << 3), high);
    store<u64>(asciiTable + (row << 3), bswap<u64>(asciiKey(high)));
  }
}
