/**
 * The partition index of one map output: where each partition's records lie, and what they sum up to, so that counts
 * and checksums can be reconciled from the generator to the sorted output. Little-endian:
 *
 *      0  magic       u32   "MFPI"
 *      4  version     u16   1
 *      6  partitions  u16   P, 1 .. 4,096
 *      8  records     u64   sum of the counts, at most 2^45
 *     16  sums        u64 x P   sum of the CRC32s of each partition's records
 *   16+8P counts      u32 x P   records of each partition
 *
 * Partitions follow one another in the output without gaps, so offsets are sums of counts. At most 49,168 bytes.
 */
import { MayflyError } from "../errors.ts";
import { partitionsMax, recordBytes } from "./record-memory.ts";

const magic = 0x4950464d;
const version = 1;
const headerBytes = 16;
const partitionBytes = 12;

/** What `counts` and `sums` of a map output say; the result of `kernel.partition` and of `kernel.checksum` for each range. */
export interface PartitionSums {
  /** Records of each partition. */
  readonly counts: Uint32Array;
  /** Sum of the CRC32s of each partition's records. */
  readonly sums: BigUint64Array;
}

export interface PartitionIndex extends PartitionSums {
  readonly partitions: number;
  readonly records: number;
  /** P + 1 byte offsets into the output: partition i is `offsets[i]` .. `offsets[i + 1]`. */
  readonly offsets: Float64Array;
}

/** Bytes of the index of `partitions` partitions. */
export function partitionIndexBytes(partitions: number): number {
  return headerBytes + partitions * partitionBytes;
}

/** RangeError for 0 or more than 4,096 partitions, or when counts and sums differ in length. */
export function encodePartitionIndex({ counts, sums }: PartitionSums): Uint8Array {
  const partitions = counts.length;
  if (partitions < 1 || partitions > partitionsMax || sums.length !== partitions) {
    throw new RangeError(
      `${partitions} counts and ${sums.length} sums are not 1 to ${partitionsMax} of each`,
    );
  }
  const bytes = new Uint8Array(partitionIndexBytes(partitions));
  const view = new DataView(bytes.buffer);
  let records = 0;
  for (let i = 0; i < partitions; i++) {
    view.setBigUint64(headerBytes + i * 8, sums[i]!, true);
    view.setUint32(headerBytes + partitions * 8 + i * 4, counts[i]!, true);
    records += counts[i]!;
  }
  view.setUint32(0, magic, true);
  view.setUint16(4, version, true);
  view.setUint16(6, partitions, true);
  view.setBigUint64(8, BigInt(records), true);
  return bytes;
}

/**
 * The index in `bytes`, which must be the whole of them. `partitions` is what the caller's plan says. Throws
 * `PROTOCOL` for anything that `encodePartitionIndex` did not write; allocates no more than the input warrants.
 */
export function decodePartitionIndex(bytes: Uint8Array, partitions: number): PartitionIndex {
  const fail = (problem: string): never => {
    throw new MayflyError(
      "PROTOCOL",
      `partition index of ${bytes.length} bytes: ${problem}; was it written by another version of mayfly, or under another key?`,
    );
  };
  if (bytes.length < headerBytes) fail(`shorter than its header of ${headerBytes} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const foundMagic = view.getUint32(0, true);
  if (foundMagic !== magic) fail(`begins with 0x${foundMagic.toString(16)}, not 0x${magic.toString(16)}`);
  if (view.getUint16(4, true) !== version) fail(`version ${view.getUint16(4, true)}, not ${version}`);
  const found = view.getUint16(6, true);
  if (found < 1 || found > partitionsMax) fail(`${found} partitions, not 1 to ${partitionsMax}`);
  if (found !== partitions) fail(`${found} partitions, but the plan has ${partitions}`);
  if (bytes.length !== partitionIndexBytes(found)) {
    fail(`${found} partitions need ${partitionIndexBytes(found)} bytes`);
  }
  const counts = new Uint32Array(found);
  const sums = new BigUint64Array(found);
  const offsets = new Float64Array(found + 1);
  for (let i = 0; i < found; i++) {
    sums[i] = view.getBigUint64(headerBytes + i * 8, true);
    counts[i] = view.getUint32(headerBytes + found * 8 + i * 4, true);
    offsets[i + 1] = offsets[i]! + counts[i]! * recordBytes;
    // A CRC32 is below 2^32, so a larger sum belongs to other counts.
    if (sums[i]! > BigInt(counts[i]!) * 0xffffffffn)
      fail(`the checksum of partition ${i} is too large for it`);
  }
  const records = offsets[found]! / recordBytes;
  const stated = view.getBigUint64(8, true);
  if (stated !== BigInt(records)) fail(`says ${stated} records, but its partitions have ${records}`);
  return { partitions: found, records, counts, sums, offsets };
}
