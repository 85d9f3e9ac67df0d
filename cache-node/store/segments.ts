/**
 * Segments of 1, 2, 4, ... 64 units (256 KiB to 16 MiB, and room for the checksums of that much), cut from slabs by a buddy scheme. A segment belongs to one job at a time
 * and is taken back whole; one that a socket still uses is taken back when its last pin goes.
 */
import { type Buddy, createBuddy } from "./buddy.ts";
import { type Ledger, segmentRoomBytesOf, shrinkIndexRoom } from "./ledger.ts";
import { Segment, type SegmentHome, type SegmentOwner } from "./segment.ts";
import { type Slab, type Slabs, slabOrders, unitBytes } from "./slabs.ts";

export const segmentBytesMin: number = unitBytes;
export const segmentBytesMax: number = 64 * unitBytes;

/** The smallest segment that holds `bytes`. */
export function segmentBytesFor(bytes: number): number {
  if (bytes <= segmentBytesMin) return segmentBytesMin;
  return unitBytes * 2 ** (32 - Math.clz32(Math.ceil(bytes / unitBytes) - 1));
}

/** The largest segment of at most `bytes`, or the smallest there is. */
export function segmentBytesWithin(bytes: number): number {
  if (bytes < segmentBytesMin) return segmentBytesMin;
  return Math.min(segmentBytesMax, unitBytes * 2 ** (31 - Math.clz32(Math.floor(bytes / unitBytes))));
}

export interface Segments extends SegmentHome {
  /** A free segment of one of the sizes, or undefined when there is none; cleaning may use the reserve. */
  acquire(sizeBytes: number, owner: SegmentOwner, from: "free" | "reserve"): Segment | undefined;
  /** The owner is done with it. */
  release(segment: Segment): void;
  /** A slab that segments are not taken from, because some of it is being emptied. */
  avoided: Slab | undefined;
  /** Segments of a slab that are not given back yet. */
  inSlab(slab: Slab): Segment[];
  isEmpty(slab: Slab): boolean;
  /** Gives empty slabs back to the machine until at most `touchedBytesMax` are touched; false if too few are empty. */
  shrinkTo(touchedBytesMax: number): boolean;
}

export function createSegments(ledger: Ledger, slabs: Slabs): Segments {
  const buddies: Buddy[] = slabs.all.map((slab) => createBuddy(slabOrders, slab.sizeBytes / unitBytes));
  const bySlab: (Segment | undefined)[][] = slabs.all.map(() => []);
  const isEmpty = (slab: Slab): boolean => buddies[slab.index]!.usedUnits === 0;

  const place = (slab: Slab, unit: number, sizeBytes: number, owner: SegmentOwner): Segment => {
    const segment = new Segment(segments, owner, slab, unit * unitBytes, sizeBytes);
    bySlab[slab.index]![unit] = segment;
    ledger.segmentBytes += sizeBytes;
    owner.ownedBytes += sizeBytes;
    return segment;
  };

  /** The slab whose largest free run is the smallest that will do, so that empty slabs stay empty. */
  const bestFit = (order: number): Slab | undefined => {
    let best: Slab | undefined;
    let bestLargest = Number.POSITIVE_INFINITY;
    for (let index = 0; index < buddies.length; index++) {
      const { largest } = buddies[index]!;
      if (largest > order && largest < bestLargest && slabs.all[index] !== segments.avoided) {
        best = slabs.all[index];
        bestLargest = largest;
      }
    }
    return best;
  };

  const segments: Segments = {
    avoided: undefined,
    acquire(sizeBytes, owner, from) {
      const keptBytes = from === "free" ? ledger.reserveBytes : 0;
      if (segmentRoomBytesOf(ledger) - sizeBytes < keptBytes) shrinkIndexRoom(ledger);
      if (segmentRoomBytesOf(ledger) - sizeBytes < keptBytes) return undefined;
      const order = Math.log2(sizeBytes / unitBytes);
      const slab = bestFit(order);
      if (slab === undefined) return undefined;
      const buddy = buddies[slab.index]!;
      const unit = buddy.take(order);
      if (slabs.ensure(slab, unit * unitBytes, sizeBytes)) return place(slab, unit, sizeBytes, owner);
      buddy.put(unit, order);
      // Nothing more may be touched: look for memory that is touched already, wherever it lies.
      for (const other of slabs.all) {
        if (other === segments.avoided || other.touchedBytes < sizeBytes) continue;
        const touched = (at: number): boolean => slabs.isTouched(other, at * unitBytes, sizeBytes);
        const found = buddies[other.index]!.takeWhere(order, touched);
        if (found >= 0) return place(other, found, sizeBytes, owner);
      }
      return undefined;
    },
    release(segment) {
      segment.state = "released";
      segment.newest = undefined;
      segment.oldest = undefined;
      if (segment.pins === 0) this.giveBack(segment);
    },
    giveBack(segment) {
      const { slab, sizeBytes } = segment;
      const unit = segment.offset / unitBytes;
      bySlab[slab.index]![unit] = undefined;
      buddies[slab.index]!.put(unit, Math.log2(sizeBytes / unitBytes));
      ledger.segmentBytes -= sizeBytes;
      ledger.freedBytes += sizeBytes;
      segment.owner.ownedBytes -= sizeBytes;
    },
    inSlab: (slab) => bySlab[slab.index]!.filter((segment) => segment !== undefined),
    isEmpty,
    shrinkTo(touchedBytesMax) {
      for (let index = slabs.all.length - 1; index >= 0 && ledger.touchedBytes > touchedBytesMax; index--) {
        const slab = slabs.all[index]!;
        if (slab.touchedBytes > 0 && isEmpty(slab)) slabs.drop(slab);
      }
      return ledger.touchedBytes <= touchedBytesMax;
    },
  };
  return segments;
}
