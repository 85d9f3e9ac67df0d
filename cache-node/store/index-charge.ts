/**
 * What an index entry costs on the V8 heap of Node 20 (64 bits, no pointer compression), in bytes:
 *
 *     key string      16 + its bytes, rounded up to 8      (latin-1: decode keys as bytes, not as UTF-8)
 *     entry object    24 + 8 for each of 10 fields + 16 for each of 3 numbers beyond 31 bits
 *     block handle    24 + 6 fields
 *     Map slot        28 for each slot; up to 4 slots an entry, after growing by doubling
 *
 * and a quarter of all that for garbage, which V8 leaves lying for a while (see `limitHeapGarbage`). Measured with
 * one Map and with 64, at 300,000 to 1,100,000 entries with keys of 24 bytes: 284 to 331 bytes are live, up to 540
 * are resident at the moment a single large Map grows while entries are replaced, and 390 to 450 with 64 Maps. Split
 * an index into many Maps: a large one also stops the node while it grows, and ends at 2^24 entries.
 */
const stringBytes = 16;
const entryBytes = 24 + 10 * 8 + 3 * 16;
const blockHandleBytes = 24 + 6 * 8;
const mapSlotBytes = 4 * 28;
const garbageFactor = 1.25;

/** Bytes to charge a job for an index entry with a block and a key of `keyBytes`. */
export function indexChargeFor(keyBytes: number): number {
  const live = stringBytes + keyBytes + entryBytes + blockHandleBytes + mapSlotBytes;
  return Math.ceil((live * garbageFactor) / 8) * 8;
}

/** Bytes to charge for an element of a list beside its bytes: its block, and up to 4 slots of the ring that holds it. */
export const elementCharge: number = Math.ceil(((blockHandleBytes + 4 * 8) * garbageFactor) / 8) * 8;

/** Bytes to charge for a member of a set, or the field of a hash beside its value: in sorted chunks that may be half full. */
export function memberChargeFor(nameBytes: number): number {
  return Math.ceil(((stringBytes + nameBytes + 2 * 2 * 8) * garbageFactor) / 8) * 8;
}
