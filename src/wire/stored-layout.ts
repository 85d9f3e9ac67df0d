/**
 * How the bytes of an object lie in the object store.
 *
 * `plain`: the bytes of the object. `framed`: its frames in order, each followed by its checksum, 8 bytes: the frames that its data
 * shards have (stripe-layout.ts), with the checksums that lie behind those shards. Shards of a last short stripe may end
 * with a short frame. Whatever range is wanted, the frames that hold it lie together with what verifies them.
 */
import type { Code } from "../placement/types.ts";
import {
  frameBytes,
  frameCount,
  shardBytesMax,
  storedBytes,
  stripeAt,
  stripeBytesMax,
} from "./stripe-layout.ts";

export const sumBytes = 8;

/** Of a whole shard of 512 KiB. */
const framedShardBytesMax = shardBytesMax + frameCount(shardBytesMax) * sumBytes;

/** Bytes of the object when framed. */
export function framedBytes(sizeBytes: number, code: Code): number {
  const stripeBytes = stripeBytesMax(code);
  const whole = Math.floor(sizeBytes / stripeBytes);
  const before = whole * code.d * framedShardBytesMax;
  return before + (sizeBytes === whole * stripeBytes ? 0 : framedShards(sizeBytes, code, whole, code.d));
}

/** Where the frame at `offset` of a data shard, a multiple of the frame size, begins in the framed object. */
export function framedAt(
  sizeBytes: number,
  code: Code,
  stripe: number,
  shard: number,
  offset: number,
): number {
  const within = offset + (offset / frameBytes) * sumBytes;
  return stripe * code.d * framedShardBytesMax + framedShards(sizeBytes, code, stripe, shard) + within;
}

/** Of the first `shards` data shards of a stripe. */
function framedShards(sizeBytes: number, code: Code, stripe: number, shards: number): number {
  const at = stripeAt(sizeBytes, code, stripe);
  let bytes = 0;
  for (let shard = 0; shard < shards; shard++) {
    const stored = storedBytes(at, code, shard);
    bytes += stored + frameCount(stored) * sumBytes;
  }
  return bytes;
}
