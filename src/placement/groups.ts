/**
 * From a key to its group. The hash, the hash tag and the 16,384 slots are those of the Redis Cluster specification,
 * so that a cluster-aware Redis client sends a key to the node that serves it; a group is 16 consecutive slots.
 */
import type { Group } from "../ids.ts";

export const slotCount = 16_384;
export const groupCount = 1024;
/** Slots of a group: group g holds slots [16 g, 16 g + 15]. */
export const slotsPerGroup = slotCount / groupCount;

/** CRC16/XMODEM: polynomial 0x1021, initial value 0, no reflection. One entry for each leading byte. */
const crcTable = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) !== 0 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** CRC16/XMODEM: that of "123456789" is 0x31C3. */
export function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (let i = 0; i < bytes.length; i++) crc = ((crc << 8) & 0xffff) ^ crcTable[(crc >>> 8) ^ bytes[i]!]!;
  return crc;
}

const openBrace = 0x7b;
const closeBrace = 0x7d;

/**
 * The part of a key that is hashed: what stands between the first `{` and the first `}` after it, when that is not
 * empty; else the whole key. Keys with the same tag share a group, and so a row. A view, not a copy.
 */
export function hashTag(key: Uint8Array): Uint8Array {
  const open = key.indexOf(openBrace);
  if (open < 0) return key;
  const close = key.indexOf(closeBrace, open + 1);
  return close > open + 1 ? key.subarray(open + 1, close) : key;
}

/** The Redis Cluster slot of a key, 0 .. 16,383. */
export function slotOf(key: Uint8Array): number {
  return crc16(hashTag(key)) & (slotCount - 1);
}

/** The group of a key, 0 .. 1,023: an index of `FleetMap.rows`. */
export function groupOf(key: Uint8Array): Group {
  return groupOfSlot(slotOf(key));
}

export function groupOfSlot(slot: number): Group {
  return (slot >>> 4) as Group;
}
