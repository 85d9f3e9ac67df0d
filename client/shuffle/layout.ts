/**
 * What a shuffle keeps, and where.
 *
 * - `mf:shuffle/NAME/map/M`: the output of map M, an object: runs one behind the other, each with the blocks of all partitions in
 *   their order. The first attempt that commits it is the one that counts.
 * - `mf:shuffle/NAME/rows/K`: a queue of tables, one for each run of each attempt: a row for each of the partitions from 512 K on.
 *   They are there before the output is committed.
 * - `mf:shuffle/NAME`: a queue of notices, one for each committed output.
 *
 * A row, 24 bytes, little-endian: u48 where the block begins in the object, u32 its bytes, u32 its records, its checksum, 2 bytes 0.
 *
 * A notice: u8 1, then varints: how many runs, records (high and low 32 bits); 16 bytes of the object's id, and its ref, which is
 * missing when the map wrote nothing: then the cell of the output has the id in place of a ref.
 *
 * The checksum of a block is the XXH3-64 of its bytes, or, above 64 KiB, of the checksums of its pieces of 64 KiB; the seed is that
 * of `shardSeed` for the job, the object, the run and the partition.
 */
import {
  type FrameChecksums,
  frameBytesMax,
  shardSeed,
  sumBytes,
} from "../../src/checksum/frame-checksums.ts";
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, type ObjectId, objectId, objectIdBytes, objectIdHex } from "../../src/ids.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "../../src/placement/byte-cursor.ts";
import { decodeRef, encodeRef, Ref } from "../../src/wire/ref.ts";

/** Partitions of one queue of tables. */
export const partitionsPerTable = 512;
export const rowBytes = 24;
export const mapsMax = 65_536;
export const partitionsMax = 16_384;
export const runsMax = 4096;

const noticeVersion = 1;
const word = 2 ** 32 - 1;

/** One block, as its row says. */
export interface BlockRow {
  readonly offset: number;
  readonly bytes: number;
  readonly records: number;
  readonly sum: Uint8Array;
}

export function writeRow(table: Buffer, at: number, row: Omit<BlockRow, "sum">): void {
  table.writeUIntLE(row.offset, at, 6);
  table.writeUInt32LE(row.bytes, at + 6);
  table.writeUInt32LE(row.records, at + 10);
}

/** Where the checksum of a row is. */
export const sumAt = 14;

/** @throws MayflyError PROTOCOL */
export function readRow(bytes: Uint8Array): BlockRow {
  if (bytes.length !== rowBytes)
    throw new MayflyError("PROTOCOL", `A row of a shuffle has ${rowBytes} bytes, not ${bytes.length}.`);
  const row = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    offset: row.readUIntLE(0, 6),
    bytes: row.readUInt32LE(6),
    records: row.readUInt32LE(10),
    sum: row.subarray(sumAt, sumAt + sumBytes),
  };
}

/** Of which map and attempt a message is, for `notice` and tables alike: `M/OBJECT` and `M/OBJECT/RUN`. */
export function attemptName(map: number, object: ObjectId): string {
  return `${map}/${objectIdHex(object)}`;
}

/** A committed output. */
export interface Notice {
  readonly map: number;
  readonly object: ObjectId;
  readonly runs: number;
  readonly records: number;
  /** Undefined when the map wrote nothing. */
  readonly ref: Ref | undefined;
}

export function encodeNotice({ object, runs, records, ref }: Notice): Uint8Array {
  const writer = new ByteWriter(256).u8(noticeVersion).varint(runs);
  writer.varint(Math.floor(records / 2 ** 32)).varint(records % 2 ** 32);
  return writer
    .bytes(objectIdBytes(object))
    .bytes(ref === undefined ? new Uint8Array(0) : encodeRef(ref))
    .finish();
}

/** @param name of the message: `M/OBJECT` @throws MayflyError PROTOCOL */
export function decodeNotice(name: string, body: Uint8Array): Notice {
  const reader = new ByteReader(body);
  try {
    const version = reader.u8("version");
    if (version !== noticeVersion) throw new MalformedBytes(`version ${version}`);
    const runs = reader.varint(runsMax, "runs");
    const records = reader.varint(2 ** 21, "records") * 2 ** 32 + reader.varint(word, "records");
    const object = objectId(reader.take(16, "object id"));
    const ref = reader.left === 0 ? undefined : new Ref(decodeRef(reader.take(reader.left, "ref")));
    const map = Number(name.split("/")[0]);
    if (!Number.isSafeInteger(map) || map < 0 || map >= mapsMax) throw new MalformedBytes(`map ${name}`);
    return { map, object, runs, records, ref };
  } catch (thrown) {
    if (!(thrown instanceof MalformedBytes)) throw thrown;
    throw new MayflyError("PROTOCOL", `A notice of a shuffle cannot be read: ${thrown.message}.`);
  }
}

/** Checksums of blocks. */
export class BlockSums {
  readonly #checksums: FrameChecksums;
  readonly #job: JobNumber;

  constructor(checksums: FrameChecksums, job: JobNumber) {
    this.#checksums = checksums;
    this.#job = job;
  }

  /** Writes the checksum of the block to `into`. */
  write(object: ObjectId, run: number, partition: number, block: Uint8Array, into: Uint8Array): void {
    const seed = shardSeed(this.#job, objectIdBytes(object), run, partition);
    this.#checksums.setSeed(seed.lo, seed.hi);
    if (block.length === 0) {
      into.fill(0);
      return;
    }
    const frames = Math.ceil(block.length / frameBytesMax);
    if (frames === 1) {
      this.#checksums.hashByteFrames(block, frameBytesMax, into);
      return;
    }
    const sums = Buffer.allocUnsafe(frames * sumBytes);
    this.#checksums.hashByteFrames(block, frameBytesMax, sums);
    this.write(object, run, partition, sums, into);
  }

  matches(object: ObjectId, run: number, partition: number, block: Uint8Array, sum: Uint8Array): boolean {
    const found = Buffer.allocUnsafe(sumBytes);
    this.write(object, run, partition, block, found);
    return found.equals(sum);
  }
}
