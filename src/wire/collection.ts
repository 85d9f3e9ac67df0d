/**
 * Counters, lists, hashes and sets on the wire: what an effect on one carries, and what the session that asked is answered.
 *
 * The effect of a counter carries its new value as decimal text. That of a list, a hash or a set carries what is done to
 * it; whoever has the same collection makes the same of it. Integers are LEB128 varints:
 *
 *     u8      operation: its place in `operations`
 *     varint  elements taken from the head   (lpop, ltrim)
 *     varint  elements taken from the tail   (rpop, ltrim)
 *     varint  how many values; for each a varint length and bytes
 *
 * Values are the elements, the fields and their values in turn, or the members. A list of values, as `lpop` is answered,
 * is a varint count and for each a varint length and bytes.
 */
import { MayflyError } from "../errors.ts";
import { ByteReader, ByteWriter, MalformedBytes } from "../placement/byte-cursor.ts";
import { refBytesMax } from "./ref.ts";
import { inlineBytesMax } from "./stripe-layout.ts";

export const collectionKinds = ["list", "hash", "set"] as const;
export type CollectionKind = (typeof collectionKinds)[number];

/** What may be done to a collection. `hincr` sets a field to a number; `hset` takes fields and values in turn. */
export const operations = [
  ...(["lpush", "rpush", "lpop", "rpop", "ltrim"] as const),
  ...(["hset", "hdel", "hincr", "sadd", "srem"] as const),
] as const;
export type Operation = (typeof operations)[number];

export interface Update {
  readonly operation: Operation;
  /** Elements to take from the head of a list, and from its tail. */
  readonly head: number;
  readonly tail: number;
  readonly values: readonly Uint8Array[];
}

/** What a mutation is answered beside its version: a number, or an encoded list of values. */
export type CellResult = number | Uint8Array;

/** Elements of a list, fields of a hash, members of a set. */
export const elementsMax: number = 1024 * 1024;
/** An element of a list, or the value of a field: 16 KiB, and as much as a queue puts before a message of that size. */
export const elementBytesMax: number = inlineBytesMax + 1024;
/** A field of a hash or a member of a set: they are kept on the heap. */
export const nameBytesMax = 1024;
/** All of an update: what fits an effect. */
export const updateBytesMax: number = refBytesMax;
/** The values that one `lpop` or `rpop` takes, but at least one: they are kept until the session has its answer. */
export const popBytesMax: number = inlineBytesMax;

const word = 2 ** 32 - 1;

/** @throws MayflyError TOO_LARGE */
export function encodeUpdate({ operation, head, tail, values }: Update): Uint8Array {
  const bytes = values.reduce((sum, value) => sum + value.length + 3, 16);
  if (bytes > updateBytesMax) {
    const what = `These ${values.length} values have ${bytes} bytes with their lengths`;
    throw new MayflyError("TOO_LARGE", `${what}; one update has up to ${updateBytesMax}: send several.`);
  }
  const writer = new ByteWriter(bytes).u8(operations.indexOf(operation)).varint(head).varint(tail);
  return writeValues(writer, values);
}

/** Values are views of `bytes`. @throws MayflyError PROTOCOL */
export function decodeUpdate(bytes: Uint8Array): Update {
  return reading(bytes, "an update", (reader) => {
    const operation = operations[reader.u8("operation")];
    if (operation === undefined) throw new MalformedBytes("an unknown operation");
    const head = reader.varint(word, "elements from the head");
    const tail = reader.varint(word, "elements from the tail");
    return { operation, head, tail, values: readValues(reader) };
  });
}

export function encodeValues(values: readonly Uint8Array[]): Uint8Array {
  const bytes = values.reduce((sum, value) => sum + value.length + 3, 5);
  return writeValues(new ByteWriter(bytes), values);
}

/** Values are views of `bytes`. @throws MayflyError PROTOCOL */
export function decodeValues(bytes: Uint8Array): Uint8Array[] {
  return reading(bytes, "a list of values", readValues);
}

function writeValues(writer: ByteWriter, values: readonly Uint8Array[]): Uint8Array {
  writer.varint(values.length);
  for (const value of values) writer.varint(value.length).bytes(value);
  return writer.finish();
}

function readValues(reader: ByteReader): Uint8Array[] {
  const count = reader.varint(reader.left, "how many values");
  return Array.from({ length: count }, () => reader.take(reader.varint(word, "length"), "value"));
}

function reading<T>(bytes: Uint8Array, what: string, read: (reader: ByteReader) => T): T {
  const reader = new ByteReader(bytes);
  try {
    const value = read(reader);
    reader.end();
    return value;
  } catch (error) {
    if (!(error instanceof MalformedBytes)) throw error;
    throw new MayflyError("PROTOCOL", `These ${bytes.length} bytes are not ${what}: ${error.message}`);
  }
}

/** The whole number that the text is, if it is one that a counter may hold. */
export function parseInteger(bytes: Uint8Array): number | undefined {
  if (bytes.length === 0 || bytes.length > integerCharsMax) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
  const value = /^(?:0|-?[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** -9007199254740991 */
const integerCharsMax = 17;
