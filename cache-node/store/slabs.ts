/**
 * The machine memory of a node: a fixed row of slabs, each an ArrayBuffer that exists while something needs it. First
 * touch of fresh memory costs more than everything else about a write, so slabs are touched ahead of use, in steps,
 * a unit at a time; an allocation that is faster than that touches what it needs itself.
 */
import { freeArrayBuffer } from "../../src/free-array-buffer.ts";
import { type Ledger, shrinkIndexRoom, touchableBytesOf } from "./ledger.ts";

/**
 * Unit of touching, and the smallest segment: 256 KiB, and 8 bytes of checksum for each 16 KiB of that. So a power of
 * two of units holds a power of two of full shards, with their checksums and without a rest: with plain 256 KiB, a
 * segment of 1 MiB had room for one shard of 512 KiB instead of two, and a node that was full was 84 % full.
 */
export const unitBytes: number = 256 * 1024 + 16 * 8;
/** log2 of units in a slab. */
export const slabOrders = 7;
/** A little above 32 MiB, the smallest size that goes back to the machine when freed, see free-array-buffer.ts. */
export const slabBytes: number = unitBytes * 2 ** slabOrders;

/** No machine has smaller pages. */
const pageBytes = 4096;
const absent: Buffer = Buffer.alloc(0);

export interface Slab {
  readonly index: number;
  /** A multiple of `unitBytes`; less than `slabBytes` only in the last slab, whose rest is never touched. */
  readonly sizeBytes: number;
  /** Empty while the slab does not exist. */
  memory: Buffer;
  /** 1 for each unit that the machine has backed. */
  readonly touched: Uint8Array;
  touchedBytes: number;
}

export interface Slabs {
  readonly all: readonly Slab[];
  /** True when the machine has backed all of this range. */
  isTouched(slab: Slab, offset: number, sizeBytes: number): boolean;
  /** Touches what is untouched in a range; false, touching nothing, when the limit does not allow it. */
  ensure(slab: Slab, offset: number, sizeBytes: number): boolean;
  /**
   * Touches at least a unit and at most `maxBytes`, the lowest memory first, up to `targetBytes` in all, and stops when
   * `enough`, which is asked after each unit, says so. Returns the bytes touched.
   */
  touchStep(maxBytes: number, targetBytes: number, enough?: () => boolean): number;
  /** Gives a slab back to the machine. The caller makes sure that nothing owns any of it. */
  drop(slab: Slab): void;
  /** Forgets every slab; those that `mayFree` approves go at once, the others when the last view of them has gone. */
  close(mayFree: (slab: Slab) => boolean): void;
}

/** @param measureHeapExcess brings `ledger.heapExcessBytes` up to date */
export function createSlabs(ledger: Ledger, measureHeapExcess: () => void): Slabs {
  const all: Slab[] = [];
  for (let left = ledger.limitBytes; left >= unitBytes; left -= slabBytes) {
    const units = Math.floor(Math.min(left, slabBytes) / unitBytes);
    all.push({
      index: all.length,
      sizeBytes: units * unitBytes,
      memory: absent,
      touched: new Uint8Array(units),
      touchedBytes: 0,
    });
  }

  const untouchedBytes = (slab: Slab, offset: number, sizeBytes: number): number => {
    const end = (offset + sizeBytes) / unitBytes;
    let bytes = 0;
    for (let unit = offset / unitBytes; unit < end; unit++) if (slab.touched[unit] === 0) bytes += unitBytes;
    return bytes;
  };

  const create = (slab: Slab): boolean => {
    try {
      // Also for a short slab: only what is touched counts, and only this size is given back when freed.
      slab.memory = Buffer.from(new ArrayBuffer(slabBytes));
      return true;
    } catch (error) {
      // The machine has less than the limit promised; to the caller that is memory that is used up.
      if (error instanceof RangeError) return false;
      throw error;
    }
  };

  const touchUnit = (slab: Slab, unit: number): void => {
    const end = (unit + 1) * unitBytes;
    for (let at = unit * unitBytes; at < end; at += pageBytes) slab.memory[at] = 0;
    slab.touched[unit] = 1;
    slab.touchedBytes += unitBytes;
    ledger.touchedBytes += unitBytes;
  };

  const forget = (slab: Slab): void => {
    slab.memory = absent;
    slab.touched.fill(0);
    ledger.touchedBytes -= slab.touchedBytes;
    slab.touchedBytes = 0;
  };

  return {
    all,
    isTouched: (slab, offset, sizeBytes) => untouchedBytes(slab, offset, sizeBytes) === 0,
    ensure(slab, offset, sizeBytes) {
      const bytes = untouchedBytes(slab, offset, sizeBytes);
      if (bytes === 0) return true;
      // Takes longer than all the rest, but far less than touching.
      measureHeapExcess();
      if (touchableBytesOf(ledger) < bytes) shrinkIndexRoom(ledger);
      if (touchableBytesOf(ledger) < bytes) return false;
      if (slab.memory.length === 0 && !create(slab)) return false;
      const end = (offset + sizeBytes) / unitBytes;
      for (let unit = offset / unitBytes; unit < end; unit++) {
        if (slab.touched[unit] === 0) touchUnit(slab, unit);
      }
      return true;
    },
    touchStep(maxBytes, targetBytes, enough = () => false) {
      let touched = 0;
      for (const slab of all) {
        if (slab.touchedBytes === slab.sizeBytes) continue;
        for (let unit = 0; unit < slab.touched.length; unit++) {
          if (slab.touched[unit] !== 0) continue;
          const done = touched + unitBytes > maxBytes || ledger.touchedBytes + unitBytes > targetBytes;
          if (done || touchableBytesOf(ledger) < unitBytes) return touched;
          if (slab.memory.length === 0 && !create(slab)) return touched;
          touchUnit(slab, unit);
          touched += unitBytes;
          if (enough()) return touched;
        }
      }
      return touched;
    },
    drop(slab) {
      if (slab.memory.length === 0) return;
      const memory = slab.memory.buffer as ArrayBuffer;
      forget(slab);
      freeArrayBuffer(memory);
    },
    close(mayFree) {
      for (const slab of all) {
        if (mayFree(slab)) this.drop(slab);
        else forget(slab);
      }
    },
  };
}
