/**
 * The memory of one job as a log: blocks are appended to open segments, and freed blocks leave holes. Cleaning copies
 * what still lives in holey segments to the open ones, so that whole segments come back; when there is no room to
 * copy to, it slides the blocks of a segment together, which needs none, so cleaning never waits for free memory.
 * Size classes would calcify; a log gives any mix of sizes the same memory, and ending a job costs one step a segment.
 */
import { link, type Run, relink, runFrom, unlink } from "./block-list.ts";
import { Block, footprint, type Segment, type SegmentOwner } from "./segment.ts";
import { segmentBytesFor, segmentBytesMax, segmentBytesMin, segmentBytesWithin } from "./segments.ts";

/** Largest block: 16 MiB and the checksums of that much. */
export const blockBytesMax: number = segmentBytesMax;
/** What a copy, and each block in it, costs beyond the bytes, in bytes of copying: bounds steps over small blocks. */
const runOverheadBytes = 512;
const blockOverheadBytes = 64;

/** Segments with room that are kept open: a block that does not fit the newest must not waste the rest of it. */
const openSegmentsMax = 16;
/** Segments with less room are closed; smaller blocks would otherwise look at all of them. */
const roomShareMin = 1 / 1024;
/** Segments with fewer holes are not worth copying. */
const holeShareMin = 1 / 16;
/** What lives in a segment this empty fits one of half the size. */
const sparseShareMax = 1 / 4;
/** A job with more segments than this is cleaned when more than a quarter of its memory is holes. */
const segmentsUncleaned = 4;
const holeShareMax = 1 / 4;

/** Where a log gets segments from. */
export interface SegmentSource {
  /** A segment of `wantedBytes`, or less, but enough for `bytes`; cleans if it must, and may fail. */
  acquire(log: JobLog, bytes: number, wantedBytes: number): Segment | undefined;
  /** The same for cleaning to copy into: from the reserve if need be, and without cleaning. */
  acquireForCleaning(log: JobLog, bytes: number, wantedBytes: number): Segment | undefined;
  release(segment: Segment): void;
  /** A block of so many bytes was freed; the log has become worth cleaning if `due`. */
  freed(bytes: number, due: boolean): void;
}

export interface JobLogOptions {
  /** Largest segment this log asks for, except for a single block that is larger. */
  readonly segmentBytesLimit: number;
}

export class JobLog implements SegmentOwner {
  ownedBytes = 0;
  /** Bytes of live blocks, alignment included. */
  liveBytes = 0;
  /** Bytes of freed blocks in segments that still have live ones. */
  holeBytes = 0;
  /** Bytes that cleaning has copied so far. */
  movedBytes = 0;
  readonly #source: SegmentSource;
  readonly #segmentBytesLimit: number;
  readonly #segments: Segment[] = [];
  /** Oldest first, so that small blocks fill what large ones left. */
  #open: Segment[] = [];
  #victim: Segment | undefined;

  constructor(source: SegmentSource, options: JobLogOptions) {
    this.#source = source;
    this.#segmentBytesLimit = options.segmentBytesLimit;
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /**
   * A block of `length` bytes (0 .. `blockBytesMax`), or undefined when there is no memory. Its content is whatever
   * was there before: the caller overwrites all of it before anybody can read it.
   */
  allocate(length: number): Block | undefined {
    if (!Number.isInteger(length) || length < 0 || length > blockBytesMax) {
      throw new RangeError(`a block of ${length} bytes is not in 0 .. ${blockBytesMax}`);
    }
    const bytes = footprint(length);
    const segment = this.roomFor(bytes) ?? this.#openFor(bytes);
    if (segment === undefined) return undefined;
    const block = new Block(segment, segment.head, length);
    link(block, segment, bytes);
    this.liveBytes += bytes;
    return block;
  }

  /** Frees a block, once. Its memory stays as it is while it is pinned. Nothing happens if the job has ended. */
  free(block: Block): void {
    const { segment } = block;
    if (segment.owner !== this) throw new RangeError("free of a block of another job");
    if (!block.held) throw new RangeError("free of a block that was freed before");
    block.markFreed();
    if (segment.state === "released") return;
    const bytes = footprint(block.length);
    unlink(block, segment, bytes);
    segment.stuck = false;
    this.liveBytes -= bytes;
    this.holeBytes += bytes;
    if (segment.newest === undefined) this.#drop(segment);
    this.#source.freed(bytes, this.cleaningDue);
  }

  /** Ends the log: all blocks are gone, in one step a segment. Pinned segments are given back by the last unpin. */
  freeAll(): void {
    for (const segment of this.#segments) this.#source.release(segment);
    this.#segments.length = 0;
    this.#open = [];
    this.#victim = undefined;
    this.liveBytes = 0;
    this.holeBytes = 0;
  }

  /** True when cleaning is worth its copies although memory is not short. */
  get cleaningDue(): boolean {
    return this.#segments.length > segmentsUncleaned && this.holeBytes > this.ownedBytes * holeShareMax;
  }

  /**
   * Cleans the segment with the largest share of holes until `maxWork` (bytes copied, and some for each copy) is
   * spent or it is clean. `others` need memory: then segments that are nearly empty are emptied too, holes or not.
   * Returns the work done; 0 when nothing is worth cleaning, or pins keep it from being cleaned.
   */
  cleanStep(maxWork: number, others = false): number {
    for (;;) {
      // The last block of the victim may have been freed since the last step.
      if (this.#victim?.state === "released") this.#victim = undefined;
      const victim = this.#victim ?? this.#emptiest(others);
      if (victim === undefined) return 0;
      const work = this.moveOut(victim, maxWork) || this.#slideTogether(victim, maxWork);
      const unfinished = victim.state !== "released" && victim.holeBytes > 0 && !victim.stuck;
      this.#victim = work > 0 && unfinished ? victim : undefined;
      if (work > 0) return work;
      victim.stuck = true;
    }
  }

  moveOut(segment: Segment, maxWork: number): number {
    this.close(segment);
    let work = 0;
    let block = segment.oldest;
    while (block !== undefined && work < maxWork) {
      if (block.pinned) {
        block = block.newer;
        continue;
      }
      const target = this.#destination(footprint(block.length), segment.liveBytes);
      if (target === undefined) return work;
      const runBytesMax = Math.min(target.roomBytes, Math.max(maxWork - work, footprint(block.length)));
      const run = runFrom(block, runBytesMax);
      segment.memory.copy(target.memory, target.head, block.offset, block.offset + run.bytes);
      for (let left = run.blocks; left > 0; left--) {
        const newer: Block | undefined = block!.newer;
        relink(block!, segment, target);
        block = newer;
      }
      this.holeBytes += run.bytes;
      this.movedBytes += run.bytes;
      work += workOf(run);
    }
    if (segment.newest === undefined) this.#drop(segment);
    else if (block === undefined) segment.stuck = true;
    return work;
  }

  close(segment: Segment): void {
    if (segment.state !== "open") return;
    segment.state = "closed";
    this.#open.splice(this.#open.indexOf(segment), 1);
  }

  /** An open segment with room for `bytes`. */
  roomFor(bytes: number): Segment | undefined {
    const open = this.#open;
    for (let i = 0; i < open.length; i++) if (open[i]!.roomBytes >= bytes) return open[i];
    return undefined;
  }

  /** Closes the holes between the blocks of a segment, and opens it for what it has room for again. */
  #slideTogether(segment: Segment, maxWork: number): number {
    // A block that was freed while it is pinned is in no list, yet its bytes are still being sent.
    if (segment.state === "released" || segment.pins > 0) return 0;
    let work = 0;
    let head = segment.offset;
    let block = segment.oldest;
    while (block !== undefined) {
      if (block.offset === head) {
        head += footprint(block.length);
        block = block.newer;
        continue;
      }
      if (work >= maxWork) return work;
      const run = runFrom(block, Math.max(maxWork - work, footprint(block.length)));
      segment.memory.copyWithin(head, block.offset, block.offset + run.bytes);
      for (let left = run.blocks; left > 0; left--) {
        block!.offset = head;
        head += footprint(block!.length);
        block = block!.newer;
      }
      this.movedBytes += run.bytes;
      work += workOf(run);
    }
    this.holeBytes -= segment.head - head;
    // Holes at the end cost no copy, but are a gain all the same.
    work += segment.head === head ? 0 : runOverheadBytes;
    segment.head = head;
    this.#keepOpen(segment);
    return work;
  }

  #openFor(bytes: number): Segment | undefined {
    // A quarter of what the job has: small jobs stay small, large ones have few segments.
    const grownBytes = segmentBytesWithin(this.ownedBytes / 4);
    const wantedBytes = Math.max(segmentBytesFor(bytes), Math.min(this.#segmentBytesLimit, grownBytes));
    const segment = this.#source.acquire(this, bytes, wantedBytes);
    // Without a segment, cleaning may still have made room.
    return segment === undefined ? this.roomFor(bytes) : this.#adopt(segment);
  }

  #destination(bytes: number, leftBytes: number): Segment | undefined {
    const room = this.roomFor(bytes);
    if (room !== undefined) return room;
    const wantedBytes = Math.max(
      segmentBytesFor(bytes),
      Math.min(this.#segmentBytesLimit, segmentBytesFor(leftBytes)),
    );
    const segment = this.#source.acquireForCleaning(this, bytes, wantedBytes);
    return segment === undefined ? undefined : this.#adopt(segment);
  }

  #adopt(segment: Segment): Segment {
    segment.place = this.#segments.length;
    this.#segments.push(segment);
    this.#keepOpen(segment);
    return segment;
  }

  /** Opens a segment; others are closed if they are full, or the fullest if there are too many. */
  #keepOpen(segment: Segment): void {
    let fullest: Segment | undefined;
    for (let i = this.#open.length - 1; i >= 0; i--) {
      const other = this.#open[i]!;
      if (other.roomBytes < other.sizeBytes * roomShareMin) this.close(other);
      else if (fullest === undefined || other.roomBytes < fullest.roomBytes) fullest = other;
    }
    if (fullest !== undefined && this.#open.length >= openSegmentsMax) this.close(fullest);
    segment.state = "open";
    this.#open.push(segment);
  }

  /** A segment without live blocks goes back at once, even an open one. */
  #drop(segment: Segment): void {
    this.close(segment);
    this.holeBytes -= segment.holeBytes;
    const last = this.#segments.pop()!;
    if (last !== segment) {
      this.#segments[segment.place] = last;
      last.place = segment.place;
    }
    this.#source.release(segment);
  }

  #emptiest(others: boolean): Segment | undefined {
    let best: Segment | undefined;
    let bestShare = 0;
    for (const segment of this.#segments) {
      // A pinned segment that is open is being written to; closing it would waste its room.
      if (segment.stuck || (segment.state === "open" && segment.pins > 0)) continue;
      const { sizeBytes, holeBytes, liveBytes } = segment;
      const sparse = others && liveBytes <= sizeBytes * sparseShareMax && sizeBytes > segmentBytesMin;
      if (!sparse && holeBytes < sizeBytes * holeShareMin) continue;
      const share = (sparse ? sizeBytes - liveBytes : holeBytes) / sizeBytes;
      if (share > bestShare) {
        best = segment;
        bestShare = share;
      }
    }
    return best;
  }
}

function workOf(run: Run): number {
  return run.bytes + runOverheadBytes + run.blocks * blockOverheadBytes;
}
