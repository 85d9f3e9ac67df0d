/** The stripes of bytes that are at hand; those of a stream are gathered by stream-source.ts. */
import type { Code } from "../../src/placement/types.ts";
import { checkObjectSize, stripeBytesMax } from "../../src/wire/stripe-layout.ts";

/** Views of `bytes`, one stripe each. */
export function* stripesOfBytes(bytes: Uint8Array, code: Code): Generator<Uint8Array> {
  checkObjectSize(bytes.length, code);
  const step = stripeBytesMax(code);
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, Math.min(at + step, bytes.length));
}
