/** The live blocks of a segment: a list in the order of their offsets, linked through the handles. */
import { type Block, footprint, type Segment } from "./segment.ts";

/** Adjacent blocks, which one copy moves together. */
export interface Run {
  readonly blocks: number;
  readonly bytes: number;
}

/** The blocks from `first` on, towards the newer, that have no gap between them, are not pinned and fit `bytesMax`. */
export function runFrom(first: Block, bytesMax: number): Run {
  let bytes = footprint(first.length);
  let blocks = 1;
  for (let next = first.newer; next !== undefined; next = next.newer) {
    const sumBytes = bytes + footprint(next.length);
    if (next.offset !== first.offset + bytes || next.pinned || sumBytes > bytesMax) break;
    bytes = sumBytes;
    blocks += 1;
  }
  return { blocks, bytes };
}

/** Makes a block that was copied to the target's head the target's. */
export function relink(block: Block, segment: Segment, target: Segment): void {
  const bytes = footprint(block.length);
  unlink(block, segment, bytes);
  block.segment = target;
  block.offset = target.head;
  link(block, target, bytes);
}

/** Appends a block that starts at the segment's head. */
export function link(block: Block, segment: Segment, bytes: number): void {
  const { newest } = segment;
  block.older = newest;
  if (newest === undefined) segment.oldest = block;
  else newest.newer = block;
  segment.newest = block;
  segment.head += bytes;
  segment.liveBytes += bytes;
}

/** Clears its links too: a freed handle that somebody keeps must not keep others. */
export function unlink(block: Block, segment: Segment, bytes: number): void {
  const { newer, older } = block;
  if (newer === undefined) segment.newest = older;
  else newer.older = older;
  if (older === undefined) segment.oldest = newer;
  else older.newer = newer;
  block.newer = undefined;
  block.older = undefined;
  segment.liveBytes -= bytes;
}
