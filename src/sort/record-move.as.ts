// Moves 100-byte records: partition (one input range to P output ranges) and gather (to sorted order). The memory
// is imported and shared with other kernels: no static data here, tables and counters live where the caller says.

@inline function copyRecord(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
  v128.store(to, v128.load(from, 32), 32);
  v128.store(to, v128.load(from, 48), 48);
  v128.store(to, v128.load(from, 64), 64);
  v128.store(to, v128.load(from, 80), 80);
  store<u32>(to, load<u32>(from, 96), 96);
}

/**
 * `splits`: `count` sorted keys of 10 bytes. Makes `bounds`, 16 bytes each (bytes 0..7 and 8..9 of the key as
 * numbers), and `table`, 65,537 u16: how many splits have a 16-bit prefix below v. table[v] and table[v + 1] then
 * enclose the answer for all keys with prefix v, and for most prefixes they are equal.
 */
export function makePartitionTable(splits: usize, count: i32, bounds: usize, table: usize): void {
  let prefix: u32 = 0;
  for (let i = 0; i < count; i++) {
    const high = bswap<u64>(load<u64>(splits));
    store<u64>(bounds, high);
    store<u64>(bounds, <u64>bswap<u16>(load<u16>(splits, 8)), 8);
    for (; prefix <= <u32>(high >> 48); prefix++) store<u16>(table + (prefix << 1), <u16>i);
    splits += 10;
    bounds += 16;
  }
  for (; prefix <= 65536; prefix++) store<u16>(table + (prefix << 1), <u16>count);
}

/** 1 if the split at `bound` is at most the key. */
@inline function atMost(bound: usize, high: u64, low: u64): usize {
  const boundHigh = load<u64>(bound);
  return usize(boundHigh < high) | (usize(boundHigh == high) & usize(load<u64>(bound, 8) <= low));
}

/** The number of splits that are at most the key at `record`. The search has no unpredictable branch but its end. */
@inline function partitionOf(record: usize, bounds: usize, table: usize): usize {
  const high = bswap<u64>(load<u64>(record));
  const pair = load<u32>(table + (<usize>(high >> 48) << 1));
  let from = <usize>(pair & 0xffff);
  let left = <usize>(pair >> 16) - from;
  if (left == 0) return from;
  const low = <u64>bswap<u16>(load<u16>(record, 8));
  while (left > 1) {
    const half = left >> 1;
    from = select<usize>(from + half, from, atMost(bounds + ((from + half - 1) << 4), high, low));
    left -= half;
  }
  return from + atMost(bounds + (from << 4), high, low);
}

/**
 * Distributes `count` records at `from` to `to`, partition after partition, in input order inside each. `ids`: scratch
 * of 2 bytes a record; `counts`: 4 bytes a partition, the result; `cursors`: scratch of the same size.
 */
export function partition(
  from: usize, count: i32, to: usize, partitions: i32,
  bounds: usize, table: usize, ids: usize, counts: usize, cursors: usize,
): void {
  memory.fill(counts, 0, partitions << 2);
  let record = from;
  for (let i = 0; i < count; i++) {
    const id = partitionOf(record, bounds, table);
    store<u16>(ids + (<usize>i << 1), <u16>id);
    const counter = counts + (id << 2);
    store<u32>(counter, load<u32>(counter) + 1);
    record += 100;
  }
  let cursor = to;
  for (let i = 0; i < partitions; i++) {
    store<u32>(cursors + (<usize>i << 2), <u32>cursor);
    cursor += <usize>load<u32>(counts + (<usize>i << 2)) * 100;
  }
  record = from;
  for (let i = 0; i < count; i++) {
    const slot = cursors + (<usize>load<u16>(ids + (<usize>i << 1)) << 2);
    const target = <usize>load<u32>(slot);
    store<u32>(slot, <u32>(target + 100));
    copyRecord(target, record);
    record += 100;
  }
}

/** Writes the records that `count` entries name, one after another; an entry's low bits are the record's index. */
export function gather(entries: usize, count: i32, indexMask: u64, records: usize, to: usize): void {
  for (let i = 0; i < count; i++) {
    copyRecord(to, records + <usize>(load<u64>(entries) & indexMask) * 100);
    entries += 8;
    to += 100;
  }
}

/**
 * Of `count` records at `from` those whose key is at least `lower` and below `upper`, in order, to `to`; returns how
 * many. Bounds as those of `keepBinary`. Also where the ranges overlap, if `to` is at most `from`.
 */
export function keep(
  from: usize, count: i32, to: usize, lowerHigh: u64, lowerLow: u64, upperHigh: u64, upperLow: u64,
): i32 {
  const start = to;
  for (let i = 0; i < count; i++) {
    const high = bswap<u64>(load<u64>(from));
    const low = <u64>bswap<u16>(load<u16>(from, 8));
    const fromLower = u32(high > lowerHigh) | (u32(high == lowerHigh) & u32(low >= lowerLow));
    const belowUpper = u32(high < upperHigh) | (u32(high == upperHigh) & u32(low < upperLow));
    if (fromLower & belowUpper) {
      copyRecord(to, from);
      to += 100;
    }
    from += 100;
  }
  return <i32>((to - start) / 100);
}
