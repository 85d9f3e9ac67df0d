/**
 * Value of a cell of kind `durable`: bytes that are small enough for the cell and lie in the object store, too.
 *
 *     bytes, encoded ref (no nodes; its place in the store), u16 little-endian: length of the ref
 */
import { asBuffer } from "./as-buffer.ts";
import { encodeRef, type RefFields } from "./ref.ts";

const lengthBytes = 2;

export function encodeDurableValue(bytes: Uint8Array, ref: RefFields): Uint8Array {
  const encoded = encodeRef(ref);
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt16LE(encoded.length);
  return Buffer.concat([bytes, encoded, length]);
}

/** How many bytes the value holds, without the ref behind them. @throws RangeError for what is no such value */
export function durableBytes(value: Uint8Array): number {
  const at = value.length - lengthBytes;
  const bytes = at - asBuffer(value).readUInt16LE(at);
  if (bytes < 0) throw new RangeError("a durable value that is shorter than its ref");
  return bytes;
}

/** The bytes without the ref behind them: a view. */
export function plainBytes(value: Uint8Array): Uint8Array {
  return value.subarray(0, durableBytes(value));
}

/** The encoded ref behind the bytes: a view. */
export function durableRef(value: Uint8Array): Uint8Array {
  return value.subarray(durableBytes(value), value.length - lengthBytes);
}
