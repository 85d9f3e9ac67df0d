import type { Code } from "../placement/types.ts";
import { frameCount, inlineBytesMax, storedBytes, stripeAt, stripeCount } from "../wire/stripe-layout.ts";

const sumBytes = 8;

/** What an object of `sizeBytes` takes on all nodes together: its shards, parity, and a checksum for each frame. */
export function storedBytesOf(sizeBytes: number, code: Code): number {
  if (sizeBytes <= inlineBytesMax) return sizeBytes;
  let bytes = 0;
  for (let index = 0; index < stripeCount(sizeBytes, code); index++) {
    const stripe = stripeAt(sizeBytes, code, index);
    for (let shard = 0; shard < code.d + code.p; shard++) {
      const stored = storedBytes(stripe, code, shard);
      bytes += stored + sumBytes * frameCount(stored);
    }
  }
  return bytes;
}
