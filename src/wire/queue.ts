/**
 * A queue: a hash whose fields its primary names, so that messages are numbered, taken once by their id, and read in order from
 * any place. Channels, fan-ins and topics are queues (client/exchange/). Its fields:
 *
 *     n                  how many messages were ever added, as decimal text: the number of the newest
 *     k                  how many ids are remembered, as decimal text
 *     m <number, u48>    a message that is not removed yet, big-endian: in the order of the bytes of the fields
 *     i <id>             the number of the message that was added with this id, as decimal text; kept after it was removed
 *     z                  nothing more is added
 *
 * A message is a varint length and the bytes of its name (the id it was sent with, or its topic), and the rest, its body: u8 0 and what
 * was sent, or u8 1 and the ref of an object with that. What was sent may be a table, of rows of one length behind that length, u16:
 * many readers take one row each (client/shuffle/).
 */

import { ByteReader, ByteWriter, MalformedBytes } from "../placement/byte-cursor.ts";
import { elementBytesMax, elementsMax } from "./collection.ts";

export const countField = "n";
export const idsField = "k";
export const closedField = "z";
export const messagePrefix = "m";
export const idPrefix = "i";

/** Messages of a queue at a time; fewer when it remembers many ids. */
export const messagesOfQueueMax: number = elementsMax / 2;
/** Ids and topics. */
export const messageNameBytesMax = 512;

/** First byte of a body. */
export const bodyIsInline = 0;
export const bodyIsRef = 1;

/** A message's name and body. */
export const messageBytesMax: number = elementBytesMax - 2;

const numberBytes = 6;
export const messageNumberMax: number = 2 ** (8 * numberBytes) - 1;

/** Its field, as latin-1. */
export function messageField(number: number): string {
  const bytes = Buffer.alloc(numberBytes);
  bytes.writeUIntBE(number, 0, numberBytes);
  return messagePrefix + bytes.toString("latin1");
}

/** The number in the field of a message; undefined for another field. */
export function numberOfField(field: string): number | undefined {
  if (field.length !== 1 + numberBytes || field[0] !== messagePrefix) return undefined;
  return Buffer.from(field, "latin1").readUIntBE(1, numberBytes);
}

export interface Message {
  readonly name: Uint8Array;
  readonly body: Uint8Array;
}

export function encodeMessage({ name, body }: Message): Uint8Array {
  return new ByteWriter(name.length + body.length + 2).varint(name.length).bytes(name).bytes(body).finish();
}

/** Views of `bytes`; undefined when they are no message. */
export function decodeMessage(bytes: Uint8Array): Message | undefined {
  const reader = new ByteReader(bytes);
  try {
    const name = reader.take(reader.varint(messageNameBytesMax, "length of the name"), "name");
    return { name, body: reader.take(reader.left, "body") };
  } catch (thrown) {
    if (thrown instanceof MalformedBytes) return undefined;
    throw thrown;
  }
}

const tableHeaderBytes = 2;
const kindBytes = 1;

/** A table of `rows` rows, filled with zeros, and where its rows begin. @throws RangeError */
export function createTable(
  rows: number,
  rowBytes: number,
): { readonly table: Buffer; readonly rowsAt: number } {
  const bytes = tableHeaderBytes + rows * rowBytes;
  if (rowBytes < 1 || bytes + kindBytes > messageBytesMax) throw new RangeError(`a table of ${bytes} bytes`);
  const table = Buffer.alloc(bytes);
  table.writeUInt16LE(rowBytes, 0);
  return { table, rowsAt: tableHeaderBytes };
}

/** A view of a row; undefined when the bytes are no table with such a row. */
export function rowOfTable(table: Uint8Array, row: number): Uint8Array | undefined {
  if (table.length < tableHeaderBytes) return undefined;
  const rowBytes = table[0]! | (table[1]! << 8);
  const start = tableHeaderBytes + row * rowBytes;
  return rowBytes === 0 || start + rowBytes > table.length
    ? undefined
    : table.subarray(start, start + rowBytes);
}
