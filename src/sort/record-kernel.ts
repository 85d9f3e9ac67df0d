/**
 * Everything that `mayfly sort` computes on 100-byte records with 10-byte keys, as WASM kernels on one fixed memory:
 * generate, partition, sort, gather, checksum, check order. Addresses are byte offsets into that memory; whoever
 * receives or sends records does it through views of `bytes`, so nothing is copied in or out.
 *
 * V8 first runs WASM from a quick compiler, and a call that has begun there ends there: a first checksum or sort of
 * 64 MB ran at a third to a half of its later speed, a first one of 2 MB cost 3 to 6 ms. So either call each operation
 * on some thousand records before it counts, or start processes that exist for sorting with `node --no-liftoff`, which
 * pays a few milliseconds of compilation at the first call instead.
 */
import { wasmBase64 as checkWasm } from "./record-check.wasm.generated.ts";
import { wasmBase64 as generateWasm } from "./record-generate.wasm.generated.ts";
import { addresses, keyBytes, layOut, partitionsMax, type Region, recordBytes } from "./record-memory.ts";
import { wasmBase64 as moveWasm } from "./record-move.wasm.generated.ts";
import { wasmBase64 as sortWasm } from "./record-sort.wasm.generated.ts";
import { instantiateKernel } from "./wasm-instance.ts";

interface GenerateExports {
  makeSkewTables(binary: number, ascii: number): void;
  generateBinary(to: number, first: bigint, count: number): void;
  generateBinarySkewed(to: number, first: bigint, count: number, table: number): void;
  generateAscii(to: number, first: bigint, count: number): void;
  generateAsciiSkewed(to: number, first: bigint, count: number, table: number): void;
  keepBinary(
    to: number,
    capacity: number,
    first: bigint,
    count: number,
    skewTable: number,
    ...rest: [...bounds: KeepBounds, states: number, places: number]
  ): number;
  readonly passed: { readonly value: number };
}

/** A range of keys as the kernels take it: bytes 0..7 and 8..9 of its lower bound, then of its upper. */
type KeepBounds = [lowerHigh: bigint, lowerLow: bigint, upperHigh: bigint, upperLow: bigint];

interface MoveExports {
  makePartitionTable(splits: number, count: number, bounds: number, table: number): void;
  partition(
    from: number,
    count: number,
    to: number,
    partitions: number,
    bounds: number,
    table: number,
    ids: number,
    counts: number,
    cursors: number,
  ): void;
  gather(entries: number, count: number, indexMask: bigint, records: number, to: number): void;
  keep(from: number, count: number, to: number, ...bounds: KeepBounds): number;
}

interface SortExports {
  sort(
    from: number,
    count: number,
    entries: number,
    scratch: number,
    counters: number,
    indexMask: bigint,
  ): void;
}

interface CheckExports {
  makeCrcTables(tables: number, scratch: number): void;
  crcSum(from: number, count: number): bigint;
  firstDisorder(from: number, count: number, previous: number): number;
  readonly duplicates: { readonly value: number };
}

export interface RecordFormat {
  /** Printable keys and contents, as for PennySort; binary otherwise. */
  readonly ascii?: boolean;
  /** `gensort -s`: half of the records crowd on few key prefixes. */
  readonly skew?: boolean;
}

/** Keys from `lower` on and below `upper`, 10 bytes each; without one of them there is no such bound. */
export interface KeyRange {
  readonly lower?: Uint8Array | undefined;
  readonly upper?: Uint8Array | undefined;
}

export interface GenerateRangeRequest {
  readonly to: number;
  /** Records that have room there: as many as there are to look at, or 1,024 at least. */
  readonly capacity: number;
  readonly firstRecord: number;
  readonly records: number;
  readonly range: KeyRange;
  readonly format?: RecordFormat;
}

export interface PartitionRequest {
  readonly from: number;
  readonly records: number;
  /** Room for as many records, apart from the input. */
  readonly to: number;
  /** Scratch of 2 bytes a record. */
  readonly ids: number;
  /** P - 1 sorted keys of 10 bytes, P from 1 to 4,096. A record goes to the partition numbered by how many are at most its key. */
  readonly splits: Uint8Array;
}

export interface SortRequest {
  readonly from: number;
  readonly records: number;
  /** 8 bytes a record. */
  readonly entries: number;
  /** Another 8 bytes a record. */
  readonly scratch: number;
}

/** An order of records, good until one of its two regions is written to. */
export interface SortedRecords {
  readonly from: number;
  readonly records: number;
  readonly entries: number;
  readonly indexMask: bigint;
}

export interface OrderCheck {
  /** Index of the first record whose key is below its predecessor's, or -1. */
  readonly disorderAt: number;
  /** Records up to there whose key equals their predecessor's. */
  readonly duplicates: number;
}

export interface RecordKernel<Name extends string> {
  readonly memory: WebAssembly.Memory;
  readonly memoryBytes: number;
  /** The whole memory, for views: `bytes.subarray(region.at, region.at + length)`. */
  readonly bytes: Uint8Array;
  readonly regions: { readonly [N in Name]: Region };
  /** Writes records `firstRecord` .. `firstRecord + records - 1` of the sort-benchmark generator; numbers stay below 2^53. */
  generate(to: number, firstRecord: number, records: number, format?: RecordFormat): void;
  /**
   * Of those records the ones with a key in the range, in order. Ends early when there is no room for a block: `passed`
   * says how many it has looked at, and `kept` how many it has written. Binary records outside of the range are never made.
   */
  generateRange(request: GenerateRangeRequest): { readonly kept: number; readonly passed: number };
  /** Moves the records at `from` with a key in the range to its beginning, in order; returns how many. */
  keepRange(from: number, records: number, range: KeyRange): number;
  /** Distributes records to partitions, stably, partition after partition; returns how many each got. */
  partition(request: PartitionRequest): Uint32Array;
  /** Orders records by key (equal keys in input order), in linear time whatever the keys; moves none of them. */
  sort(request: SortRequest): SortedRecords;
  /** Writes the records at positions `first` .. `first + records - 1` of the order to `to`. */
  gather(sorted: SortedRecords, first: number, records: number, to: number): void;
  /** Sum of the records' CRC32s, below 2^59 for what fits the memory. Add the sums of blocks as bigint. */
  checksum(from: number, records: number): bigint;
  /** Checks a block; `previousKey` is the last key of the block before it. */
  checkOrder(from: number, records: number, previousKey?: Uint8Array): OrderCheck;
  /** A copy of the key of the record at `at`. */
  keyAt(at: number): Uint8Array;
}

/** A record of another kernel's memory cannot start in the tables; ranges must lie in the regions' part of the memory. */
function checkRange(what: string, at: number, bytes: number, memoryBytes: number): void {
  const fits = Number.isSafeInteger(at) && Number.isSafeInteger(bytes) && bytes >= 0;
  if (fits && at >= addresses.regions && at + bytes <= memoryBytes) return;
  throw new RangeError(`${what}: ${bytes} bytes at ${at} are not in ${addresses.regions} .. ${memoryBytes}`);
}

function checkApart(what: string, ranges: readonly Region[]): void {
  const sorted = ranges.filter((range) => range.bytes > 0).sort((a, b) => a.at - b.at);
  for (let i = 1; i < sorted.length; i++) {
    if (sorted[i - 1]!.at + sorted[i - 1]!.bytes > sorted[i]!.at)
      throw new RangeError(`${what}: ranges overlap`);
  }
}

/** How many splits, after checking that they are whole keys in order. */
function checkSplits(splits: Uint8Array): number {
  const count = splits.length / keyBytes;
  if (!Number.isInteger(count) || count >= partitionsMax) {
    throw new RangeError(
      `${splits.length} bytes are not 0 to ${partitionsMax - 1} split keys of ${keyBytes} bytes`,
    );
  }
  for (let i = 1; i < count; i++) {
    const at = i * keyBytes;
    if (Buffer.compare(splits.subarray(at - keyBytes, at), splits.subarray(at, at + keyBytes)) > 0) {
      throw new RangeError(`split ${i} is below split ${i - 1}`);
    }
  }
  return count;
}

const noUpperBound: readonly [bigint, bigint] = [2n ** 64n - 1n, 2n ** 16n];

function boundsOf({ lower, upper }: KeyRange): KeepBounds {
  const numbers = (key: Uint8Array): readonly [bigint, bigint] => {
    if (key.length !== keyBytes) throw new RangeError(`a key has ${keyBytes} bytes, not ${key.length}`);
    const view = new DataView(key.buffer, key.byteOffset, key.length);
    return [view.getBigUint64(0), BigInt(view.getUint16(8))];
  };
  const [from, to] = [
    lower === undefined ? ([0n, 0n] as const) : numbers(lower),
    upper === undefined ? noUpperBound : numbers(upper),
  ];
  if (to[0] < from[0] || (to[0] === from[0] && to[1] < from[1]))
    throw new RangeError("a range of keys ends before it begins");
  return [...from, ...to];
}

function checkNumbers(what: string, firstRecord: number, records: number): void {
  if (Number.isSafeInteger(firstRecord) && firstRecord >= 0 && Number.isSafeInteger(firstRecord + records))
    return;
  throw new RangeError(`${what}: record numbers from ${firstRecord} on are not below 2^53`);
}

/** Of the binary generator, and what other records are made in at a time before they are looked at. */
export const rangeBlockRecords = 1024;

/**
 * A kernel with a memory of its own that has `regions` (name to bytes; see mapRegions and reduceRegions), 4 GiB less
 * 64 KiB at most with about 320 KiB of tables. A sort can hold some 37 million records. Fresh memory is slow when
 * first touched: keep a kernel for many tasks. All operations throw RangeError for ranges outside the memory.
 */
export function createRecordKernel<Name extends string>(options: {
  readonly regions: { readonly [N in Name]: number };
}): RecordKernel<Name> {
  const { regions, memoryBytes } = layOut(options.regions);
  // Of fixed size: growing it would detach the views that sockets and files write into.
  const pages = memoryBytes / 65_536;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const bytes = new Uint8Array(memory.buffer);
  const generator = instantiateKernel<GenerateExports>(generateWasm, memory);
  const mover = instantiateKernel<MoveExports>(moveWasm, memory);
  const sorter = instantiateKernel<SortExports>(sortWasm, memory);
  const checker = instantiateKernel<CheckExports>(checkWasm, memory);
  generator.makeSkewTables(addresses.skewBinary, addresses.skewAscii);
  checker.makeCrcTables(addresses.crcTables, addresses.crcScratch);

  const range = (what: string, at: number, length: number): Region => {
    checkRange(what, at, length, memoryBytes);
    return { at, bytes: length };
  };

  return {
    memory,
    memoryBytes,
    bytes,
    regions,

    generate(to, firstRecord, records, format = {}) {
      range("generate", to, records * recordBytes);
      checkNumbers("generate", firstRecord, records);
      const first = BigInt(firstRecord);
      if (format.ascii) {
        if (format.skew) generator.generateAsciiSkewed(to, first, records, addresses.skewAscii);
        else generator.generateAscii(to, first, records);
      } else if (format.skew) generator.generateBinarySkewed(to, first, records, addresses.skewBinary);
      else generator.generateBinary(to, first, records);
    },

    generateRange({ to, capacity, firstRecord, records, range: keys, format = {} }) {
      range("generateRange", to, capacity * recordBytes);
      checkNumbers("generateRange", firstRecord, records);
      if (capacity < Math.min(records, rangeBlockRecords)) {
        throw new RangeError(
          `generateRange: room for ${capacity} of ${records} records, less than a block of ${rangeBlockRecords}`,
        );
      }
      const bounds = boundsOf(keys);
      // What one call of the kernel counts in 32 bits.
      const wanted = Math.min(records, 2 ** 31 - 1);
      if (!format.ascii) {
        const table = format.skew ? addresses.skewBinary : 0;
        const { states, places } = addresses;
        const first = BigInt(firstRecord);
        const kept = generator.keepBinary(to, capacity, first, wanted, table, ...bounds, states, places);
        return { kept, passed: generator.passed.value };
      }
      let [kept, passed] = [0, 0];
      while (passed < wanted && capacity - kept >= Math.min(rangeBlockRecords, wanted - passed)) {
        const count = Math.min(wanted - passed, capacity - kept, 8 * rangeBlockRecords);
        const at = to + kept * recordBytes;
        this.generate(at, firstRecord + passed, count, format);
        kept += mover.keep(at, count, at, ...bounds);
        passed += count;
      }
      return { kept, passed };
    },

    keepRange(from, records, keys) {
      range("keepRange", from, records * recordBytes);
      return mover.keep(from, records, from, ...boundsOf(keys));
    },

    partition({ from, records, to, ids, splits }) {
      const partitions = checkSplits(splits) + 1;
      checkApart("partition", [
        range("partition input", from, records * recordBytes),
        range("partition output", to, records * recordBytes),
        range("partition ids", ids, records * 2),
      ]);
      const { bounds, prefixTable, counts, cursors } = addresses;
      bytes.set(splits, addresses.splits);
      mover.makePartitionTable(addresses.splits, partitions - 1, bounds, prefixTable);
      mover.partition(from, records, to, partitions, bounds, prefixTable, ids, counts, cursors);
      return new Uint32Array(memory.buffer, counts, partitions).slice();
    },

    sort({ from, records, entries, scratch }) {
      checkApart("sort", [
        range("sort input", from, records * recordBytes),
        range("sort entries", entries, records * 8),
        range("sort scratch", scratch, records * 8),
      ]);
      const indexMask = 2n ** BigInt(32 - Math.clz32(Math.max(1, records - 1))) - 1n;
      sorter.sort(from, records, entries, scratch, addresses.radixCounters, indexMask);
      return { from, records, entries, indexMask };
    },

    gather(sorted, first, records, to) {
      if (!(first >= 0 && records >= 0 && first + records <= sorted.records)) {
        throw new RangeError(`gather: ${records} from ${first} on are not in 0 .. ${sorted.records}`);
      }
      checkApart("gather", [
        range("gather input", sorted.from, sorted.records * recordBytes),
        range("gather entries", sorted.entries, sorted.records * 8),
        range("gather output", to, records * recordBytes),
      ]);
      mover.gather(sorted.entries + first * 8, records, sorted.indexMask, sorted.from, to);
    },

    checksum(from, records) {
      range("checksum", from, records * recordBytes);
      return BigInt.asUintN(64, checker.crcSum(from, records));
    },

    checkOrder(from, records, previousKey) {
      range("checkOrder", from, records * recordBytes);
      if (previousKey !== undefined) {
        if (previousKey.length !== keyBytes)
          throw new RangeError(`a key has 10 bytes, not ${previousKey.length}`);
        bytes.set(previousKey, addresses.previousKey);
      }
      const previous = previousKey === undefined ? 0 : addresses.previousKey;
      const disorderAt = checker.firstDisorder(from, records, previous);
      return { disorderAt, duplicates: checker.duplicates.value };
    },

    keyAt(at) {
      range("keyAt", at, keyBytes);
      return bytes.slice(at, at + keyBytes);
    },
  };
}
