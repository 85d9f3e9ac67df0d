/**
 * All that a group holds, as bytes: what a primary gives a member whose own log does not lead up to the primary's. Records
 * one after another, integers as LEB128 varints unless noted:
 *
 *     u8 1  cell     job, key length, key, kind u8, version (generation, sequence), position,
 *                    expiry high and low 32 bits (0: never), value length, value (of those that have one)
 *     u8 2  session  job, id 8 bytes, floor, how many results; each sequence, version, position, flags u8: 1 existed,
 *                    2 a number, 4 a list of values; then length and bytes: its decimal text, or the list (collection.ts)
 *     u8 3  abort    job, object id 16 bytes
 *     u8 4  items    job, key length, key, list of values: more of what the collection at the key holds, whose cell came before
 *
 * Pieces of it travel as `snapshot` effects.
 */
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, jobNumber, type ObjectId, objectId, objectIdBytes } from "../../src/ids.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "../../src/placement/byte-cursor.ts";
import { type CellKind, cellKinds, hasValue } from "../../src/wire/cell.ts";
import { decodeValues, encodeValues, parseInteger } from "../../src/wire/collection.ts";
import { keyBytesMax, refBytesMax } from "../../src/wire/ref.ts";
import type { Version } from "../../src/wire/version.ts";
import type { KeptSession } from "../store/session-results.ts";

export interface CellRecord {
  readonly type: "cell";
  readonly job: JobNumber;
  readonly key: Uint8Array;
  readonly kind: CellKind;
  readonly version: Version;
  readonly position: number;
  readonly expiresAtMs: number;
  readonly value: Uint8Array | undefined;
}

export interface SessionRecord extends KeptSession {
  readonly type: "session";
  readonly job: JobNumber;
}

export interface AbortRecord {
  readonly type: "abort";
  readonly job: JobNumber;
  readonly object: ObjectId;
}

/** Some of the elements of a collection; see `Collection.values`. */
export interface ItemsRecord {
  readonly type: "items";
  readonly job: JobNumber;
  readonly key: Uint8Array;
  readonly values: readonly Uint8Array[];
}

export type GroupRecord = CellRecord | SessionRecord | AbortRecord | ItemsRecord;

/** Of a piece of a snapshot: what fits an effect, and leaves room in a batch for others. */
export const pieceBytes: number = 128 * 1024;
/** Pieces that one snapshot may have: 4 GiB of cells in one group. */
export const piecesMax = 32_768;
const word = 2 ** 32 - 1;
const existedFlag = 1;
const numberFlag = 2;
const listFlag = 4;

export function encodeRecords(records: Iterable<GroupRecord>): Uint8Array {
  const writer = new ByteWriter(4096);
  for (const record of records) writeRecord(writer, record);
  return writer.finish();
}

/** Keys and values are views of `bytes`. @throws MayflyError PROTOCOL */
export function decodeRecords(bytes: Uint8Array): GroupRecord[] {
  const reader = new ByteReader(bytes);
  const records: GroupRecord[] = [];
  try {
    while (reader.left > 0) records.push(readRecord(reader));
    return records;
  } catch (error) {
    if (!(error instanceof MalformedBytes || error instanceof RangeError)) throw error;
    throw new MayflyError("PROTOCOL", `A snapshot is malformed: ${error.message}`);
  }
}

function writeRecord(out: ByteWriter, record: GroupRecord): void {
  const version = ({ generation, sequence }: Version): ByteWriter => out.varint(generation).varint(sequence);
  if (record.type === "cell") {
    const { key, value, expiresAtMs } = record;
    out.u8(1).varint(record.job).varint(key.length).bytes(key).u8(cellKinds.indexOf(record.kind));
    version(record.version).varint(record.position);
    out.varint(Math.floor(expiresAtMs / 2 ** 32)).varint(expiresAtMs % 2 ** 32);
    if (value !== undefined) out.varint(value.length).bytes(value);
  } else if (record.type === "session") {
    out.u8(2).varint(record.job).bytes(Buffer.from(record.id, "latin1"));
    out.varint(record.floor).varint(record.results.length);
    for (const { sequence, position, existed, result, ...made } of record.results) {
      out.varint(sequence);
      version(made.version).varint(position);
      const flag = result === undefined ? 0 : typeof result === "number" ? numberFlag : listFlag;
      out.u8(flag + Number(existed));
      if (result === undefined) continue;
      const bytes = typeof result === "number" ? Buffer.from(String(result)) : result;
      out.varint(bytes.length).bytes(bytes);
    }
  } else if (record.type === "items") {
    const { job, key, values } = record;
    const encoded = encodeValues(values);
    out.u8(4).varint(job).varint(key.length).bytes(key).varint(encoded.length).bytes(encoded);
  } else {
    out.u8(3).varint(record.job).bytes(objectIdBytes(record.object));
  }
}

function readRecord(from: ByteReader): GroupRecord {
  const type = from.u8("type of record");
  const job = jobNumber(from.varint(word, "job"));
  const number = (what: string): number => from.varint(word, what);
  const version = (): Version => ({ generation: number("generation"), sequence: number("sequence") });
  if (type === 1) {
    const key = from.take(from.varint(keyBytesMax, "key length"), "key");
    const kind = cellKinds[from.u8("kind")];
    if (kind === undefined) throw new MalformedBytes("an unknown kind of cell");
    const at = { version: version(), position: number("position") };
    const expiresAtMs = from.varint(2 ** 20, "expiry") * 2 ** 32 + number("expiry");
    const value = hasValue(kind) ? from.take(from.varint(refBytesMax, "value length"), "value") : undefined;
    return { type: "cell", job, key, kind, ...at, expiresAtMs, value };
  }
  if (type === 2) {
    const id = Buffer.from(from.take(8, "session")).toString("latin1");
    const floor = number("floor");
    const count = from.varint(from.left, "how many results");
    const results = Array.from({ length: count }, () => {
      const made = { sequence: number("sequence"), version: version(), position: number("position") };
      const flags = from.u8("flags");
      const known = { ...made, existed: (flags & existedFlag) !== 0 };
      if ((flags & (numberFlag | listFlag)) === 0) return known;
      const bytes = from.take(number("result length"), "result");
      // A copy: it stays, and the snapshot should not with it.
      if ((flags & listFlag) !== 0) return { ...known, result: Uint8Array.from(bytes) };
      const result = parseInteger(bytes);
      if (result === undefined) throw new MalformedBytes("a result that is no number");
      return { ...known, result };
    });
    return { type: "session", job, id, floor, results };
  }
  if (type === 4) {
    const key = from.take(from.varint(keyBytesMax, "key length"), "key");
    return { type: "items", job, key, values: decodeValues(from.take(number("items length"), "items")) };
  }
  if (type === 3) return { type: "abort", job, object: objectId(from.take(16, "object id")) };
  throw new MalformedBytes(`a record of type ${type}`);
}
