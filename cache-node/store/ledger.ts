/**
 * The one account of a node's memory, shared by the parts that spend it. Two promises hold at every moment:
 *
 *     segmentBytes + indexBytes + free = limitBytes        what jobs see
 *     touchedBytes + indexRoomBytes   <= limitBytes        what the machine sees
 *
 * Slabs are given back whole, which takes an empty one, and there may be none when memory is nearly full. So the
 * index keeps some room that slabs do not touch, and keeps it while it shrinks a little and grows again.
 */
export interface Ledger {
  readonly limitBytes: number;
  /** Room for segments that only cleaning may use: it needs somewhere to copy to, and gives back more than it takes. */
  readonly reserveBytes: number;
  /** Segments owned by jobs, those of ended jobs that are still pinned included. */
  segmentBytes: number;
  /** What jobs were charged for entries on the V8 heap. */
  indexBytes: number;
  /** Kept from the slabs for the index: at least `indexBytes`. */
  indexRoomBytes: number;
  /** Slab memory that the machine has given us. */
  touchedBytes: number;
  /** What the V8 heap had taken beyond its share when it was measured last: slabs must not touch this much either. */
  heapExcessBytes: number;
  /** Ever freed: blocks and segments. Only its growth means something: cleaning may now gain. */
  freedBytes: number;
}

/** Share of the limit that is room for the index from the start, and by which its room grows. */
const indexRoomShare = 1 / 64;

export function createLedger(limitBytes: number, reserveBytes: number): Ledger {
  const indexRoomBytes = Math.floor(limitBytes * indexRoomShare);
  return {
    ...{ limitBytes, reserveBytes, indexRoomBytes },
    ...{ segmentBytes: 0, indexBytes: 0, touchedBytes: 0, heapExcessBytes: 0, freedBytes: 0 },
  };
}

export function freeBytesOf(ledger: Ledger): number {
  return ledger.limitBytes - ledger.segmentBytes - ledger.indexBytes;
}

/** Bytes that slabs may touch now; less than 0 when the heap has taken what slabs have. */
export function touchableBytesOf(ledger: Ledger): number {
  const { limitBytes, indexRoomBytes, indexBytes, heapExcessBytes, touchedBytes } = ledger;
  return limitBytes - Math.max(indexRoomBytes, indexBytes + heapExcessBytes) - touchedBytes;
}

/**
 * Bytes that segments could still be made of: touched and not owned, or touchable. Less than what is free, since the
 * index's room is free too. A reserve that were counted in free bytes might lie in that room alone, and cleaning, with
 * nothing to copy to, would go round in circles.
 */
export function segmentRoomBytesOf(ledger: Ledger): number {
  return ledger.touchedBytes - ledger.segmentBytes + Math.max(0, touchableBytesOf(ledger));
}

/** Makes the index's room at least `indexBytes`, which slabs have not touched, and larger if that costs nothing. */
export function growIndexRoom(ledger: Ledger, indexBytes: number): void {
  const wantedBytes = indexBytes + Math.floor(ledger.limitBytes * indexRoomShare);
  const roomBytes = Math.min(wantedBytes, ledger.limitBytes - ledger.touchedBytes);
  ledger.indexRoomBytes = Math.max(ledger.indexRoomBytes, roomBytes);
}

/** Lets slabs have what the index has not used for long: when it fills less than half of its room. */
export function shrinkIndexRoom(ledger: Ledger): void {
  if (ledger.indexBytes * 2 >= ledger.indexRoomBytes) return;
  const leastBytes = Math.floor(ledger.limitBytes * indexRoomShare);
  const keptBytes = Math.max(leastBytes, Math.ceil(ledger.indexBytes * 1.5));
  ledger.indexRoomBytes = Math.min(ledger.indexRoomBytes, keptBytes);
}
