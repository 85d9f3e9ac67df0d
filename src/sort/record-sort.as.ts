// Sorts 100-byte records by their 10-byte keys, stably, in time linear in their number for every input.
//
// An entry is 8 bytes: as many key bits as fit above the record's index (38 and more). Bits that all keys share are
// skipped, so the window of key bits starts where keys differ. The top 32 or 33 bits of the window are sorted by
// radix passes; runs that still tie are sorted by comparison when short, and otherwise get a new window further down
// the key. Each window uses up at least 32 of 80 key bits, so there are at most three levels, whatever the keys are.
//
// The memory is imported and shared with other kernels: no static data here.

/** Runs up to this length are sorted by insertion. */
const SHORT: i32 = 24;
/** From here on digits of 11 bits beat digits of 8. */
const LONG: i32 = 4096;
const KEY_BITS: u64 = 80;

let records: usize = 0;
let counters: usize = 0;
let indexMask: u64 = 0;
let differHigh: u64 = 0;
let differLow: u64 = 0;

@inline function recordOf(entry: u64): usize {
  return records + <usize>(entry & indexMask) * 100;
}

@inline function keyHigh(record: usize): u64 {
  return bswap<u64>(load<u64>(record));
}

/** Key bytes 8 and 9, at the top. */
@inline function keyLow(record: usize): u64 {
  return <u64>bswap<u16>(load<u16>(record, 8)) << 48;
}

/** The 64 bits of the key from bit `skip` (0 .. 79) on, zeros after its end. */
@inline function windowOf(high: u64, low: u64, skip: u64): u64 {
  if (skip >= 64) return low << (skip - 64);
  return (high << skip) | ((low >> 1) >> (63 - skip));
}

/** How many leading bits the keys that were looked at share, after `differHigh` and `differLow` were collected. */
@inline function sharedBits(): u64 {
  if (differHigh) return clz(differHigh);
  return differLow ? 64 + clz(differLow) : KEY_BITS;
}

/** Shared leading bits of a few of the run's keys: at least what the whole run shares. */
function guessSharedBits(run: usize, count: i32): u64 {
  const stride = max<i32>(1, count >> 4);
  const first = recordOf(load<u64>(run));
  differHigh = 0;
  differLow = 0;
  for (let i = 0; i < count; i += stride) {
    const record = recordOf(load<u64>(run + (<usize>i << 3)));
    differHigh |= keyHigh(record) ^ keyHigh(first);
    differLow |= keyLow(record) ^ keyLow(first);
  }
  return sharedBits();
}

/** Entries at `to` for the indexes in `run`, with the window from `skip` on; returns the bits that all keys share. */
function extract(run: usize, to: usize, count: i32, skip: u64): u64 {
  const first = recordOf(load<u64>(run)), firstHigh = keyHigh(first), firstLow = keyLow(first);
  let high: u64 = 0, low: u64 = 0;
  const end = run + (<usize>count << 3);
  for (; run < end; run += 8) {
    const index = load<u64>(run) & indexMask;
    const record = records + <usize>index * 100;
    const thisHigh = keyHigh(record), thisLow = keyLow(record);
    high |= thisHigh ^ firstHigh;
    low |= thisLow ^ firstLow;
    store<u64>(to, (windowOf(thisHigh, thisLow, skip) & ~indexMask) | index);
    to += 8;
  }
  differHigh = high;
  differLow = low;
  return sharedBits();
}

/** Sorts by the top `passes` * `bits` bits, least significant digit first; the result is at `from` or at `to`. */
function radix(from: usize, to: usize, count: i32, bits: u64, passes: u64): usize {
  const counterBytes: usize = 4 << <usize>bits, mask: u64 = (1 << bits) - 1;
  for (let shift: u64 = 64 - passes * bits; shift < 64; shift += bits) {
    memory.fill(counters, 0, counterBytes);
    const end = from + (<usize>count << 3);
    for (let entry = from; entry < end; entry += 8) {
      const counter = counters + (<usize>((load<u64>(entry) >> shift) & mask) << 2);
      store<u32>(counter, load<u32>(counter) + 1);
    }
    // A digit that all share moves nothing.
    if (load<u32>(counters + (<usize>((load<u64>(from) >> shift) & mask) << 2)) == <u32>count) continue;
    let target = <u32>to;
    for (let counter = counters; counter < counters + counterBytes; counter += 4) {
      const digits = load<u32>(counter);
      store<u32>(counter, target);
      target += digits << 3;
    }
    for (let entry = from; entry < end; entry += 8) {
      const value = load<u64>(entry);
      const counter = counters + (<usize>((value >> shift) & mask) << 2);
      const slot = <usize>load<u32>(counter);
      store<u32>(counter, <u32>(slot + 8));
      store<u64>(slot, value);
    }
    const other = from;
    from = to;
    to = other;
  }
  return from;
}

/** Entries of one window: by the key bits they hold, then by the whole keys. */
@inline function before(a: u64, b: u64): bool {
  if ((a ^ b) & ~indexMask) return a < b;
  const x = recordOf(a), y = recordOf(b);
  const xHigh = keyHigh(x), yHigh = keyHigh(y);
  return xHigh == yHigh ? keyLow(x) < keyLow(y) : xHigh < yHigh;
}

function insertionSort(run: usize, count: i32): void {
  const end = run + (<usize>count << 3);
  for (let entry = run + 8; entry < end; entry += 8) {
    const value = load<u64>(entry);
    let slot = entry;
    for (; slot > run && before(value, load<u64>(slot - 8)); slot -= 8) store<u64>(slot, load<u64>(slot - 8));
    store<u64>(slot, value);
  }
}

/** Sorts the entries at `run`, in index order now; `scratch` has the same size. */
function sortRun(run: usize, scratch: usize, count: i32): void {
  // One look at all keys serves both the window and what they share: the guess is nearly always right.
  let skip = guessSharedBits(run, count);
  const shared = extract(run, scratch, count, min<u64>(skip, KEY_BITS - 1));
  if (shared == KEY_BITS) return;
  if (shared < skip) {
    skip = shared;
    extract(run, scratch, count, skip);
  }
  const bits: u64 = count < LONG ? 8 : 11, passes: u64 = count < LONG ? 4 : 3;
  const sorted = radix(scratch, run, count, bits, passes);
  if (sorted != run) memory.copy(run, sorted, <usize>count << 3);
  if (skip + bits * passes < KEY_BITS) sortTies(run, scratch, count, 64 - bits * passes);
}

/** Sorts each run of entries that are equal from bit `shift` up. */
function sortTies(run: usize, scratch: usize, count: i32, shift: u64): void {
  const end = run + (<usize>count << 3);
  let start = run, head = load<u64>(run) >> shift;
  for (let entry = run + 8; entry <= end; entry += 8) {
    if (entry < end) {
      const digits = load<u64>(entry) >> shift;
      if (digits == head) continue;
      head = digits;
    }
    const length = <i32>((entry - start) >> 3);
    if (length > SHORT) sortRun(start, scratch + (start - run), length);
    else if (length > 1) insertionSort(start, length);
    start = entry;
  }
}

/**
 * Sorts `count` records at `from`, which stay where they are: afterwards `entries` (8 bytes a record) names them in
 * order by the low bits under `mask`. `scratch` has the size of `entries`; `counterArea` has 8 KiB. `mask` is one
 * less than a power of two, at least `count` - 1, and leaves 38 bits or more.
 */
export function sort(from: usize, count: i32, entries: usize, scratch: usize, counterArea: usize, mask: u64): void {
  records = from;
  counters = counterArea;
  indexMask = mask;
  for (let i = 0; i < count; i++) store<u64>(entries + (<usize>i << 3), i);
  if (count <= SHORT) insertionSort(entries, count);
  else sortRun(entries, scratch, count);
}
