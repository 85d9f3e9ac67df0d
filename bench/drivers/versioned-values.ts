/**
 * Values that tell what was read: each key and version has bytes of its own, all of them slices of one random text, so
 * that they need no memory.
 */
import { randomFillSync } from "node:crypto";

export interface VersionedValues {
  bytesOf(key: number, version: number): Buffer;
  /** Whether the value is that of the key in one of the versions `oldest` to `newest`. */
  isOneOf(value: Uint8Array, key: number, oldest: number, newest: number): boolean;
}

const places = 1 << 16;
const placeBytes = 64;
/** Keys begin far from one another: a version is not the next key's. */
const keyStride = 40_503;

export function createVersionedValues(valueBytes: number): VersionedValues {
  const text = randomFillSync(Buffer.allocUnsafe(valueBytes + places * placeBytes));
  const bytesOf = (key: number, version: number): Buffer => {
    const place = (Math.imul(key, keyStride) + version) & (places - 1);
    return text.subarray(place * placeBytes, place * placeBytes + valueBytes);
  };
  return {
    bytesOf,
    isOneOf(value, key, oldest, newest) {
      for (let version = newest; version >= oldest; version--) {
        if (bytesOf(key, version).equals(value)) return true;
      }
      return false;
    },
  };
}
