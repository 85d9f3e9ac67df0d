/**
 * Which bytes of the object store a read needs, and what is taken out of them: of `plain` objects the very range, of `framed` ones
 * the frames that hold it, each verified.
 */
import { type FrameChecksums, shardSeed } from "../../src/checksum/frame-checksums.ts";
import { type JobNumber, objectIdBytes } from "../../src/ids.ts";
import type { Ref, StoredPlace } from "../../src/wire/ref.ts";
import { framedAt, sumBytes } from "../../src/wire/stored-layout.ts";
import { type StoredRange, storedPartBytes } from "../../src/wire/stored-spans.ts";
import {
  frameBytes,
  type Stripe,
  storedBytes,
  stripeAt,
  stripeBytesMax,
} from "../../src/wire/stripe-layout.ts";
import type { RangeRead } from "./read-ranges.ts";

/** A part of a read that is asked for in one piece: up to 4 MiB of the stored object. */
export interface StoredPiece extends StoredRange {
  readonly read: RangeRead;
  /** Within the object: what of the read comes with it. */
  readonly from: number;
  readonly to: number;
}

/** A frame of an object. */
interface Frame {
  readonly stripe: Stripe;
  readonly shard: number;
  /** Within the object. */
  readonly start: number;
  readonly end: number;
  /** Within the stored object. */
  readonly storedAt: number;
}

const framedFrameBytes = frameBytes + sumBytes;

/** @throws RangeError when the ref does not say where its bytes lie in the store */
export function* piecesOf(read: RangeRead): Generator<StoredPiece> {
  const place = read.ref.stored;
  if (place === undefined) throw new RangeError("the ref names no place in the object store");
  const end = read.offset + read.length;
  for (let from = read.offset; from < end; ) {
    const piece =
      place.layout === "plain" ? plainPiece(place, from, end) : framedPiece(read.ref, place, from, end);
    yield { ...piece, name: place.name, read, from };
    from = piece.to;
  }
}

type Cut = Pick<StoredPiece, "offset" | "length" | "to">;

function plainPiece(place: StoredPlace, from: number, end: number): Cut {
  const offset = place.offset + from;
  const length = Math.min(end - from, roomAt(offset, end - from));
  return { offset, length, to: from + length };
}

function framedPiece(ref: Ref, place: StoredPlace, from: number, end: number): Cut {
  const first = frameAt(ref, place, from);
  const last = frameAt(ref, place, end - 1);
  const room = roomAt(first.storedAt, storedEnd(last) - first.storedAt);
  let to = end;
  let until = last;
  if (storedEnd(last) - first.storedAt > room) {
    // No frame has more bytes in the store than a whole one, so these fit.
    const frames = Math.max(1, Math.floor(room / framedFrameBytes));
    until = first;
    for (let count = 1; count < frames && until.end < end; count++) until = frameAt(ref, place, until.end);
    to = Math.min(end, until.end);
  }
  return { offset: first.storedAt, length: storedEnd(until) - first.storedAt, to };
}

/** Up to the end of the part that this lies in, or to where the next one ends when it is near. Short ranges are not cut. */
function roomAt(offset: number, wanted: number): number {
  if (wanted <= storedPartBytes) return storedPartBytes;
  const left = storedPartBytes - (offset % storedPartBytes);
  return left >= 4 * framedFrameBytes ? left : storedPartBytes;
}

function storedEnd(frame: Frame): number {
  return frame.storedAt + frame.end - frame.start + sumBytes;
}

function frameAt(ref: Ref, place: StoredPlace, at: number): Frame {
  const { sizeBytes, code } = ref;
  const stripe = stripeAt(sizeBytes, code, Math.floor(at / stripeBytesMax(code)));
  const shard = Math.floor((at - stripe.offset) / stripe.shardBytes);
  const shardStart = stripe.offset + shard * stripe.shardBytes;
  const within = Math.floor((at - shardStart) / frameBytes) * frameBytes;
  const start = shardStart + within;
  const end = Math.min(start + frameBytes, shardStart + storedBytes(stripe, code, shard));
  const storedAt = place.offset + framedAt(sizeBytes, code, stripe.index, shard, within);
  return { stripe, shard, start, end, storedAt };
}

/**
 * Copies what the piece brings into the read's memory.
 * @param bytes those of the stored object from the piece's offset on
 * @returns false when bytes are missing or damaged; then some of the memory may have been written
 */
export function takePiece(
  checksums: FrameChecksums,
  job: JobNumber,
  piece: StoredPiece,
  bytes: Uint8Array,
): boolean {
  const { read, from, to, length, offset } = piece;
  const { ref, into } = read;
  const place = ref.stored;
  if (place === undefined || bytes.length < length) return false;
  const target = into.subarray(from - read.offset, to - read.offset);
  if (place.layout === "plain") {
    if (target.buffer !== bytes.buffer || target.byteOffset !== bytes.byteOffset)
      target.set(bytes.subarray(0, length));
    return true;
  }
  let seeded = "";
  for (let at = from; at < to; ) {
    const frame = frameAt(ref, place, at);
    const begin = frame.storedAt - offset;
    const frameLength = frame.end - frame.start;
    const sumAt = begin + frameLength;
    const seedName = `${frame.stripe.index} ${frame.shard}`;
    if (seedName !== seeded) {
      seeded = seedName;
      const seed = shardSeed(job, objectIdBytes(ref.object), frame.stripe.index, frame.shard);
      checksums.setSeed(seed.lo, seed.hi);
    }
    const payload = bytes.subarray(begin, sumAt);
    if (checksums.verifyBytes(payload, frameBytes, bytes.subarray(sumAt, sumAt + sumBytes)) !== -1)
      return false;
    const end = Math.min(frame.end, to);
    target.set(payload.subarray(at - frame.start, end - frame.start), at - from);
    at = end;
  }
  return true;
}
