/**
 * How the bytes of an object lie in stripes and shards. A stripe holds up to `d` x 512 KiB of the object; its
 * shards have `shardBytes` = ceil(stripe bytes / d), rounded up to 128, and data shard `i` holds the stripe's bytes
 * from `i * shardBytes` on. The end of a stripe is not padded when stored: the last data shards may be shorter, even
 * empty; for coding they count as filled with zeros.
 */
import { MayflyError } from "../errors.ts";
import type { Code } from "../placement/types.ts";

export const shardBytesMax = 512 * 1024;
/** Values up to this size are kept in the cell itself. */
export const inlineBytesMax = 16 * 1024;
export const frameBytes = 16 * 1024;
/** The coder works on chunks of so many bytes. */
export const shardAlignBytes = 128;
export const stripesMax = 8192;

export interface Stripe {
  readonly index: number;
  /** Where it begins in the object. */
  readonly offset: number;
  /** Bytes of the object in it. */
  readonly bytes: number;
  /** Length of a shard for coding: a multiple of 128. */
  readonly shardBytes: number;
}

export function stripeBytesMax(code: Code): number {
  return code.d * shardBytesMax;
}

/** The placement of all stripes must fit into a ref: up to 2 bytes a shard, within 240 of its 256 KiB. */
const placementBytesMax = 240 * 1024;

export function objectBytesMax(code: Code): number {
  const stripes = Math.min(stripesMax, Math.floor(placementBytesMax / (2 * (code.d + code.p))));
  return stripes * stripeBytesMax(code);
}

export function stripeCount(sizeBytes: number, code: Code): number {
  return Math.ceil(sizeBytes / stripeBytesMax(code));
}

export function checkObjectSize(sizeBytes: number, code: Code): void {
  if (sizeBytes <= objectBytesMax(code)) return;
  throw new MayflyError(
    "TOO_LARGE",
    `An object of ${sizeBytes} bytes is above the limit of ${objectBytesMax(code)} for code ` +
      `${code.d}+${code.p}; write it as several objects.`,
  );
}

export function stripeAt(sizeBytes: number, code: Code, index: number): Stripe {
  const full = stripeBytesMax(code);
  const offset = index * full;
  const bytes = Math.min(full, sizeBytes - offset);
  if (!(bytes > 0)) throw new RangeError(`an object of ${sizeBytes} bytes has no stripe ${index}`);
  return stripeOf(bytes, code, index, offset);
}

/** The stripe of `bytes` object bytes that begins at `offset`. */
export function stripeOf(bytes: number, code: Code, index: number, offset: number): Stripe {
  const shardBytes = Math.ceil(Math.ceil(bytes / code.d) / shardAlignBytes) * shardAlignBytes;
  return { index, offset, bytes, shardBytes };
}

/** Bytes that shard `shard` of the stripe is stored with. */
export function storedBytes(stripe: Stripe, code: Code, shard: number): number {
  if (shard >= code.d) return stripe.shardBytes;
  return Math.max(0, Math.min(stripe.shardBytes, stripe.bytes - shard * stripe.shardBytes));
}

/** Number of checksummed frames of a shard of so many stored bytes. */
export function frameCount(stored: number): number {
  return Math.ceil(stored / frameBytes);
}
