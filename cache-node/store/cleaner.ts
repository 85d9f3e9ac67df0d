/**
 * Chooses what to clean: holes when memory is short, a window of a slab when memory is there but in pieces. Works in
 * steps of bounded work, so that a caller decides how long it may take; a window that is being emptied stays chosen
 * between the steps.
 */
import type { JobLog } from "./job-log.ts";
import { freeBytesOf, type Ledger, segmentRoomBytesOf } from "./ledger.ts";
import type { Segment } from "./segment.ts";
import type { Segments } from "./segments.ts";
import type { Slabs } from "./slabs.ts";

export interface Cleaner {
  /**
   * One step for somebody who needs `neededBytes` and found none; if that much is free in all, then in a window of
   * `windowBytes` (a power of two). Returns the work done, 0 when nothing helps.
   */
  stepForNeed(neededBytes: number, windowBytes: number, maxWork: number): number;
  /** One step of what is worth doing when nobody waits. */
  stepWhenIdle(maxWork: number): number;
}

/** Below this share of free memory, the holes of every job are worth cleaning. */
const shortShare = 1 / 8;

export function createCleaner(
  ledger: Ledger,
  slabs: Slabs,
  segments: Segments,
  logs: () => Iterable<JobLog>,
): Cleaner {
  let current: JobLog | undefined;
  let emptying: Segment[] = [];

  const cleanHoles = (maxWork: number, others: boolean): number => {
    // One victim at a time: half-moved segments of many jobs would give nothing back.
    const work = current?.cleanStep(maxWork, others) ?? 0;
    if (work > 0) return work;
    current = undefined;
    for (const log of logs()) {
      if (current === undefined || unusedBytes(log) > unusedBytes(current)) current = log;
    }
    const first = current?.cleanStep(maxWork, others) ?? 0;
    if (first > 0) return first;
    for (const log of logs()) {
      current = log;
      const other = log.cleanStep(maxWork, others);
      if (other > 0) return other;
    }
    current = undefined;
    return 0;
  };

  /** The window that takes the fewest copies to empty and whose blocks fit elsewhere; pinned ones do not move. */
  const cheapestWindow = (windowBytes: number): Segment[] => {
    let best: Segment[] = [];
    let bestLiveBytes = Number.POSITIVE_INFINITY;
    for (const slab of slabs.all) {
      for (const window of windowsOf(segments.inSlab(slab), windowBytes)) {
        const spareBytes = Math.max(0, windowBytes - window.ownedBytes);
        if (window.pins > 0 || window.liveBytes > segmentRoomBytesOf(ledger) - spareBytes) continue;
        if (window.liveBytes < bestLiveBytes) {
          best = window.segments;
          bestLiveBytes = window.liveBytes;
        }
      }
    }
    return best;
  };

  const startEmptying = (windowBytes: number): void => {
    emptying = cheapestWindow(windowBytes);
    for (const segment of emptying) segment.owner.close(segment);
    segments.avoided = emptying[0]?.slab;
  };

  const emptyingStep = (maxWork: number): number => {
    let work = 0;
    for (const segment of emptying) {
      if (work >= maxWork) return work;
      if (segment.state !== "released") work += segment.owner.moveOut(segment, maxWork - work);
    }
    if (work === 0 || emptying.every((segment) => segment.state === "released")) {
      emptying = [];
      segments.avoided = undefined;
    }
    return work;
  };

  return {
    stepForNeed(neededBytes, windowBytes, maxWork) {
      const enoughInPieces = segmentRoomBytesOf(ledger) - neededBytes >= ledger.reserveBytes;
      if (emptying.length === 0 && enoughInPieces) startEmptying(windowBytes);
      return emptyingStep(maxWork) || cleanHoles(maxWork, true);
    },
    stepWhenIdle(maxWork) {
      const work = emptyingStep(maxWork);
      if (work > 0) return work;
      if (freeBytesOf(ledger) < ledger.limitBytes * shortShare) return cleanHoles(maxWork, false);
      for (const log of logs()) {
        const done = log.cleaningDue ? log.cleanStep(maxWork) : 0;
        if (done > 0) return done;
      }
      return 0;
    },
  };
}

function unusedBytes(log: JobLog): number {
  return log.ownedBytes - log.liveBytes;
}

interface Window {
  readonly segments: Segment[];
  ownedBytes: number;
  liveBytes: number;
  pins: number;
}

/** The segments of one slab by aligned windows; a segment that is larger than a window is one. Empty ones are left out. */
function windowsOf(inSlab: readonly Segment[], windowBytes: number): Iterable<Window> {
  const windows = new Map<number, Window>();
  for (const segment of inSlab) {
    const at = Math.floor(segment.offset / windowBytes);
    const window = windows.get(at) ?? { segments: [], ownedBytes: 0, liveBytes: 0, pins: 0 };
    windows.set(at, window);
    window.segments.push(segment);
    window.ownedBytes += segment.sizeBytes;
    window.liveBytes += segment.liveBytes;
    window.pins += segment.pins;
  }
  return windows.values();
}
