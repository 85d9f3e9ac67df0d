/**
 * The memory of a cache node: one limit, shared by the bytes of values (segments in slabs) and by what the index
 * costs on the V8 heap. The parts: slabs.ts touches machine memory, segments.ts cuts it, job-log.ts fills it, cleaner.ts
 * decides what to compact, ledger.ts keeps the account. Here they are put together, and time and failure are handled.
 */
import type { Cancel, Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber } from "../../src/ids.ts";
import { createCleaner } from "./cleaner.ts";
import { createHeapGauge, type HeapGauge } from "./heap-gauge.ts";
import { JobLog, type SegmentSource } from "./job-log.ts";
import { JobMemory } from "./job-memory.ts";
import { createLedger, freeBytesOf, growIndexRoom, shrinkIndexRoom } from "./ledger.ts";
import type { Segment } from "./segment.ts";
import { createSegments, segmentBytesFor, segmentBytesMin, segmentBytesWithin } from "./segments.ts";
import { createSlabs, slabBytes } from "./slabs.ts";

const mebibyte = 1024 * 1024;

/** Smallest limit: less could not hold a reserve, a segment for each of a few jobs, and an index. */
export const limitBytesMin: number = 4 * mebibyte;

/** Nothing is touched ahead while the process still starts: it registers the sooner. */
const firstStepPauseMs = 200;
/** Pause between background steps, so that requests go first. */
const stepPauseMs = 1;
/** Touching takes 0.1 to 1 ms a unit, by the machine: a step ends after this. */
const touchMsPerStep = 1;
/** Work (see `JobLog.cleanStep`) that an allocation may do itself when it finds no memory: about 10 ms. */
const cleanWorkPerNeedMax = 32 * mebibyte;
/** After cleaning gained nothing, so much must be freed before it is tried again. */
const freedBytesBeforeRetry = segmentBytesMin / 4;
/** Collecting stops the process, so it may take a twentieth of its time at most, and less when it brings nothing. */
const collectPauseFactor = 20;
const collectInVainPauseMs = 5_000;
/** The heap is held against its charges each time they have grown by so much. */
const indexBytesBetweenMeasures = 8 * mebibyte;
/** Share of V8's own limit that index entries may use; beyond it V8 would end the process. */
const heapShareMax = 0.75;

export interface NodeMemoryOptions {
  /** Bytes for values and index together, at least `limitBytesMin`. */
  readonly limitBytes: number;
  readonly clock: Clock;
  /** Memory touched ahead in one background step, unless that takes a millisecond; 0 touches nothing ahead. */
  readonly touchBytesPerStep?: number;
  /** Cleaning work in one background step. */
  readonly cleanWorkPerStep?: number;
  /** The heap that index entries live on: that of this process by default. */
  readonly heap?: HeapGauge;
}

export interface NodeMemoryStats {
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly freeBytes: number;
  /**
   * How full the node is, as far as cleaning cannot help: nothing when nothing is alive, `limitBytes` when no more live
   * bytes would fit. `usedBytes` nears the limit much earlier, since whole segments count and holes are left until
   * somebody needs them; so whoever chooses a node to write to should judge by this.
   */
  readonly claimedBytes: number;
  /** Part of `usedBytes`: segments, those of ended jobs that a socket still uses included. */
  readonly segmentBytes: number;
  /** Part of `usedBytes`: charges for index entries. */
  readonly indexBytes: number;
  /** Bytes in live blocks. */
  readonly liveBytes: number;
  /** Bytes in freed blocks that wait for cleaning. */
  readonly holeBytes: number;
  /** Slab memory the machine has given; with `indexBytes` never more than the limit. */
  readonly touchedBytes: number;
  /** Bytes that cleaning has copied so far, for the jobs that are alive. */
  readonly movedBytes: number;
  /** Part of `freeBytes` that only cleaning may use. */
  readonly reserveBytes: number;
  readonly jobs: number;
}

export interface NodeMemory {
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Always `limitBytes - usedBytes`. */
  readonly freeBytes: number;
  /** The memory of a job, made at its first use; the caller knows which jobs are alive. `CLOSED` after `close`. */
  job(job: JobNumber): JobMemory;
  /** Frees all of a job, in one step a segment; does nothing when the job has no memory here. */
  endJob(job: JobNumber): void;
  stats(): NodeMemoryStats;
  /** Ends all jobs and gives the memory back to the machine, except what a socket still uses. */
  close(): void;
}

/** Throws `INVALID_ARGUMENT` when `limitBytes` is not a whole number of at least `limitBytesMin`. */
export function createNodeMemory(options: NodeMemoryOptions): NodeMemory {
  const { limitBytes, clock, touchBytesPerStep = 2 * mebibyte, cleanWorkPerStep = 2 * mebibyte } = options;
  if (!Number.isSafeInteger(limitBytes) || limitBytes < limitBytesMin) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `memory limit of a cache node: ${limitBytes} bytes is not a whole number of at least ${limitBytesMin}; give the node more memory`,
    );
  }
  const heap = options.heap ?? createHeapGauge();
  const heapBytesAtStart = heap.takenBytes();
  const indexBytesMax = Math.max(0, heap.limitBytes * heapShareMax - heapBytesAtStart);
  // The heap always holds some garbage and the buffers of requests; the slabs make room only for more than this.
  const heapExcessAllowed = 8 * mebibyte + limitBytes / 32;
  // Small nodes need small segments: each job has some that are not full, and cleaning wants room for one.
  const segmentBytesLimit = segmentBytesWithin(limitBytes / 32);
  // Not touched ahead, since slabs that are touched would have to be dropped when the index grows.
  const indexHeadroomBytes = Math.max(limitBytes / 16, Math.min(slabBytes, limitBytes / 8));

  const ledger = createLedger(limitBytes, segmentBytesLimit / 2);
  const measureHeapExcess = (): number => {
    const excessBytes = heap.takenBytes() - heapBytesAtStart - ledger.indexBytes - heapExcessAllowed;
    ledger.heapExcessBytes = Math.max(0, excessBytes);
    return ledger.heapExcessBytes;
  };
  const slabs = createSlabs(ledger, measureHeapExcess);
  const segments = createSegments(ledger, slabs);
  const jobs = new Map<JobNumber, JobMemory>();
  const logs = new Map<JobNumber, JobLog>();
  const cleaner = createCleaner(ledger, slabs, segments, () => logs.values());

  let closed = false;
  let cancelStep: Cancel | undefined;
  let freedBytesAtFailure = Number.NEGATIVE_INFINITY;
  let collectAtMs = clock.now();
  let measureAtIndexBytes = indexBytesBetweenMeasures;

  const touchTarget = (excessBytes: number): number =>
    limitBytes - ledger.indexBytes - indexHeadroomBytes - excessBytes;

  const step = (): void => {
    cancelStep = undefined;
    const excessBytes = measureHeapExcess();
    if (excessBytes > 0) segments.shrinkTo(limitBytes - ledger.indexBytes - excessBytes);
    shrinkIndexRoom(ledger);
    const startMs = clock.now();
    const enough = (): boolean => clock.now() - startMs >= touchMsPerStep;
    const touched = slabs.touchStep(touchBytesPerStep, touchTarget(excessBytes), enough);
    const cleaned = cleaner.stepWhenIdle(cleanWorkPerStep);
    if (touched > 0 || cleaned > 0) wake();
  };
  const wake = (pauseMs = stepPauseMs): void => {
    if (cancelStep === undefined && !closed) cancelStep = clock.after(pauseMs, step, true);
  };

  /** Cleans until `found`, within the work that one caller may spend. */
  const cleanUntil = (found: () => boolean, neededBytes: number, windowBytes: number): boolean => {
    if (ledger.freedBytes - freedBytesAtFailure < freedBytesBeforeRetry) return false;
    for (let left = cleanWorkPerNeedMax; left > 0; ) {
      const work = cleaner.stepForNeed(neededBytes, windowBytes, left);
      if (found()) return true;
      if (work === 0) {
        freedBytesAtFailure = ledger.freedBytes;
        return false;
      }
      left -= work;
    }
    wake();
    return false;
  };

  /** After a large job ended, the heap still holds its index, and no slab may take that memory before it is gone. */
  const collectGarbage = (): boolean => {
    const startMs = clock.now();
    const excessBytes = measureHeapExcess();
    if (startMs < collectAtMs || excessBytes < limitBytes / 16) return false;
    heap.collect();
    const endMs = clock.now();
    const gained = measureHeapExcess() <= excessBytes / 2;
    collectAtMs = endMs + (endMs - startMs) * collectPauseFactor + (gained ? 0 : collectInVainPauseMs);
    return gained;
  };

  const acquireDown = (
    log: JobLog,
    bytes: number,
    wantedBytes: number,
    from: "free" | "reserve",
  ): Segment | undefined => {
    const neededBytes = segmentBytesFor(bytes);
    for (let sizeBytes = wantedBytes; sizeBytes >= neededBytes; sizeBytes /= 2) {
      const segment = segments.acquire(sizeBytes, log, from);
      if (segment !== undefined) return segment;
    }
    return undefined;
  };

  const source: SegmentSource = {
    acquire(log, bytes, wantedBytes) {
      let segment = acquireDown(log, bytes, wantedBytes, "free");
      if (segment !== undefined) {
        if (freeBytesOf(ledger) < limitBytes / 8) wake();
        return segment;
      }
      const find = (): boolean => {
        if (log.roomFor(bytes) !== undefined) return true;
        segment = acquireDown(log, bytes, wantedBytes, "free");
        return segment !== undefined;
      };
      const neededBytes = segmentBytesFor(bytes);
      if (!(collectGarbage() && find())) cleanUntil(find, neededBytes, neededBytes);
      return segment;
    },
    acquireForCleaning: (log, bytes, wantedBytes) => acquireDown(log, bytes, wantedBytes, "reserve"),
    release: (segment) => segments.release(segment),
    freed(bytes, due) {
      ledger.freedBytes += bytes;
      if (due) wake();
    },
  };

  const makeRoomForIndex = (bytes: number): boolean => {
    const fits = (): boolean => {
      if (freeBytesOf(ledger) - bytes < ledger.reserveBytes) return false;
      return segments.shrinkTo(limitBytes - ledger.indexBytes - bytes);
    };
    if (!fits() && !cleanUntil(fits, bytes, slabBytes)) return false;
    growIndexRoom(ledger, ledger.indexBytes + bytes);
    return true;
  };

  const account = {
    charge(bytes: number): boolean {
      if (!(bytes >= 0)) throw new RangeError(`charge of ${bytes} bytes`);
      const sumBytes = ledger.indexBytes + bytes;
      if (sumBytes > indexBytesMax) return false;
      if (sumBytes > ledger.indexRoomBytes && !makeRoomForIndex(bytes)) return false;
      ledger.indexBytes = sumBytes;
      if (sumBytes >= measureAtIndexBytes) {
        measureAtIndexBytes = sumBytes + indexBytesBetweenMeasures;
        wake();
      }
      return true;
    },
    discharge(bytes: number): void {
      ledger.indexBytes -= bytes;
      ledger.freedBytes += bytes;
      if (ledger.touchedBytes + touchBytesPerStep <= touchTarget(0)) wake();
    },
  };

  const endJob = (number: JobNumber): void => {
    jobs.get(number)?.end();
    jobs.delete(number);
    logs.delete(number);
    if (touchBytesPerStep > 0) wake();
  };

  wake(firstStepPauseMs);
  return {
    limitBytes,
    get usedBytes() {
      return limitBytes - freeBytesOf(ledger);
    },
    get freeBytes() {
      return freeBytesOf(ledger);
    },
    job(number) {
      const known = jobs.get(number);
      if (known !== undefined) return known;
      if (closed) throw new MayflyError("CLOSED", `memory of job ${number}: the node's memory is closed`);
      const log = new JobLog(source, { segmentBytesLimit });
      const memory = new JobMemory(number, log, account);
      logs.set(number, log);
      jobs.set(number, memory);
      return memory;
    },
    endJob,
    stats() {
      let liveBytes = 0;
      let holeBytes = 0;
      let movedBytes = 0;
      for (const log of logs.values()) {
        liveBytes += log.liveBytes;
        holeBytes += log.holeBytes;
        movedBytes += log.movedBytes;
      }
      const { segmentBytes, indexBytes, touchedBytes, reserveBytes } = ledger;
      const freeBytes = freeBytesOf(ledger);
      const claimableBytes = limitBytes - reserveBytes - (ledger.indexRoomBytes - indexBytes);
      const claimedBytes = Math.min(limitBytes, (limitBytes * (liveBytes + indexBytes)) / claimableBytes);
      return {
        claimedBytes: Math.round(claimedBytes),
        ...{ limitBytes, usedBytes: limitBytes - freeBytes, freeBytes, segmentBytes, indexBytes },
        ...{ liveBytes, holeBytes, touchedBytes, movedBytes, reserveBytes, jobs: jobs.size },
      };
    },
    close() {
      closed = true;
      cancelStep?.();
      cancelStep = undefined;
      for (const number of [...jobs.keys()]) endJob(number);
      slabs.close((slab) => segments.isEmpty(slab));
    },
  };
}
