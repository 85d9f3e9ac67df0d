/** Stands for every bulk of length 0, and for a body that was discarded. */
export const emptyBuffer: Buffer = Buffer.alloc(0);

/** The same memory as a Buffer; no copy. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
