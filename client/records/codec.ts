/** Records as bytes: what a shuffle carries is up to whoever writes it. */
import { MayflyError } from "../../src/errors.ts";

/** What readers need of a codec. */
export interface BlockDecoder<T> {
  /** All records of a block, in order. @throws Error for bytes that are none */
  decode(block: Uint8Array): Iterable<T>;
}

/** Turns records into bytes and back. Encoded records follow one another in a block without anything between them. */
export interface RecordCodec<T> extends BlockDecoder<T> {
  encode(record: T): Uint8Array;
}

/** Turns many records into bytes at once, as columns do. A block is one batch. */
export interface BatchCodec<T> extends BlockDecoder<T> {
  /** @param records one at least; the array is not kept */
  encodeBatch(records: readonly T[]): Uint8Array;
}

/** A line of JSON for each record: anything that `JSON.stringify` takes, but for `undefined`. */
export function jsonLines<T>(): RecordCodec<T> {
  return {
    encode(record) {
      const text = JSON.stringify(record);
      if (text !== undefined) return Buffer.from(`${text}\n`, "utf8");
      throw new MayflyError("INVALID_ARGUMENT", "A record of JSON lines is something that JSON can say.");
    },
    *decode(block) {
      const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
      for (let at = 0; at < bytes.length; ) {
        const end = bytes.indexOf(0x0a, at);
        if (end < 0) throw new MayflyError("DAMAGED", "A block of JSON lines ends in the middle of a line.");
        yield JSON.parse(bytes.toString("utf8", at, end)) as T;
        at = end + 1;
      }
    },
  };
}

const lengthBytes = 4;

/** Bytes as they are, each with its length before it: u32, little-endian. Decoded ones are views of their block. */
export function rawRecords(): RecordCodec<Uint8Array> {
  return {
    encode(record) {
      const framed = Buffer.allocUnsafe(lengthBytes + record.length);
      framed.writeUInt32LE(record.length, 0);
      framed.set(record, lengthBytes);
      return framed;
    },
    *decode(block) {
      const view = new DataView(block.buffer, block.byteOffset, block.length);
      for (let at = 0; at < block.length; ) {
        const start = at + lengthBytes;
        const end = start <= block.length ? start + view.getUint32(at, true) : Number.POSITIVE_INFINITY;
        if (end > block.length)
          throw new MayflyError("DAMAGED", "A block of raw records ends in the middle of one.");
        yield block.subarray(start, end);
        at = end;
      }
    },
  };
}
