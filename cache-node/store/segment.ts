/**
 * A segment is a run of slab memory that belongs to one job at a time; a block is one value's bytes in it. Both are
 * plain data: segments.ts hands segments out, job-log.ts fills and cleans them.
 */
import type { Slab } from "./slabs.ts";

/** Blocks start at multiples of this, and occupy a multiple of it. */
export const blockAlignBytes = 8;

/** What a segment must know of the pool it came from. */
export interface SegmentHome {
  /** Takes back a released segment whose last pin has gone. */
  giveBack(segment: Segment): void;
}

/** What a segment must know of the log it belongs to. */
export interface SegmentOwner {
  /** Bytes of the segments this owner holds, until the last of them is given back. */
  ownedBytes: number;
  /** Stops appending to the segment. */
  close(segment: Segment): void;
  /** Moves unpinned blocks elsewhere until `maxWork` is spent; returns the work done, 0 if nothing could move. */
  moveOut(segment: Segment, maxWork: number): number;
}

/** `released` segments only wait for their last pin: nothing in them can be read by a new caller. */
export type SegmentState = "open" | "closed" | "released";

export class Segment {
  readonly home: SegmentHome;
  readonly owner: SegmentOwner;
  readonly slab: Slab;
  /** The slab's bytes; offsets count from its start. */
  readonly memory: Buffer;
  readonly offset: number;
  readonly sizeBytes: number;
  state: SegmentState = "open";
  /** Where the next block starts. */
  head: number;
  /** Bytes of live blocks, alignment included. */
  liveBytes = 0;
  /** Pins of all its blocks, freed ones too. */
  pins = 0;
  /** Cleaning could do nothing for it; cleared when a pin goes or a block is freed. */
  stuck = false;
  /** The live blocks are a doubly linked list in the order of their offsets; this is its end, the last appended. */
  newest: Block | undefined;
  oldest: Block | undefined;
  /** Its place in the owner's list of segments. */
  place = 0;

  constructor(home: SegmentHome, owner: SegmentOwner, slab: Slab, offset: number, sizeBytes: number) {
    this.home = home;
    this.owner = owner;
    this.slab = slab;
    this.memory = slab.memory;
    this.offset = offset;
    this.sizeBytes = sizeBytes;
    this.head = offset;
  }

  /** Bytes left to append to. */
  get roomBytes(): number {
    return this.offset + this.sizeBytes - this.head;
  }

  /** Bytes of freed blocks, which only cleaning brings back. */
  get holeBytes(): number {
    return this.head - this.offset - this.liveBytes;
  }
}

const liveBit = 1;
const onePin = 2;

/**
 * Handle of one value's bytes. Cleaning moves unpinned blocks; it runs between turns of the event loop, and inside
 * `allocate` and `charge` of any job. So a view must not be kept across any of these unless the block is pinned: a
 * pinned block neither moves nor is its memory used again, even when it is freed or its job ends. Fields are for
 * this folder; callers use `length`, `view`, `pin` and `unpin`.
 */
export class Block {
  segment: Segment;
  /** From the start of the slab. */
  offset: number;
  /** Bytes that were asked for. */
  readonly length: number;
  newer: Block | undefined;
  older: Block | undefined;
  /** One word for two facts, because there is one handle a value: bit 0 live, the rest counts pins. */
  #state = liveBit;

  constructor(segment: Segment, offset: number, length: number) {
    this.segment = segment;
    this.offset = offset;
    this.length = length;
  }

  /** The bytes; valid as long as the block is pinned, else until something may clean (see above). */
  view(): Buffer {
    if (!this.readable) throw new RangeError("view of a block that was freed");
    return this.segment.memory.subarray(this.offset, this.offset + this.length);
  }

  /** Keeps the bytes where they are: a socket sends from or receives into them. Once pinned, also of a freed block. */
  pin(): void {
    if (!this.readable) throw new RangeError("pin of a block that was freed");
    this.#state += onePin;
    this.segment.pins += 1;
  }

  unpin(): void {
    if (!this.pinned) throw new RangeError("unpin of a block that is not pinned");
    this.#state -= onePin;
    const { segment } = this;
    segment.pins -= 1;
    if (segment.pins === 0 && segment.state === "released") segment.home.giveBack(segment);
    else segment.stuck = false;
  }

  /** Neither freed nor of an ended job. */
  get live(): boolean {
    return (this.#state & liveBit) !== 0 && this.segment.state !== "released";
  }

  get pinned(): boolean {
    return this.#state >= onePin;
  }

  /** Not freed by its owner; true also when its job has ended. */
  get held(): boolean {
    return (this.#state & liveBit) !== 0;
  }

  get readable(): boolean {
    return this.live || this.pinned;
  }

  /** For the job's log: the owner has let go of it. */
  markFreed(): void {
    this.#state &= ~liveBit;
  }
}

/** Bytes that a block of `length` occupies; an empty block has a place too. */
export function footprint(length: number): number {
  return length === 0 ? blockAlignBytes : (length + blockAlignBytes - 1) & -blockAlignBytes;
}
