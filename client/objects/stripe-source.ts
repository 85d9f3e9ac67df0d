/** Where the stripes of an object come from: bytes at hand, or a stream whose length nobody knows yet. */
import type { Code } from "../../src/placement/types.ts";
import { checkObjectSize, stripeBytesMax } from "../../src/wire/stripe-layout.ts";

/** Views of `bytes`, one stripe each. */
export function* stripesOfBytes(bytes: Uint8Array, code: Code): Generator<Uint8Array> {
  checkObjectSize(bytes.length, code);
  const step = stripeBytesMax(code);
  for (let at = 0; at < bytes.length; at += step) yield bytes.subarray(at, Math.min(at + step, bytes.length));
}

/**
 * Gathers a stream into stripes. Resolves when the first stripe is full or the stream has ended: `whole` is set when
 * all of it is at most `wholeBytesMax`.
 */
export async function stripesOfStream(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stripeBytes: number,
  wholeBytesMax: number,
): Promise<{ whole: Uint8Array | undefined; stripes: AsyncIterable<Uint8Array> }> {
  const pieces = gather(stream, stripeBytes);
  const first = await pieces.next();
  const bytes = first.done === true ? new Uint8Array(0) : first.value;
  if (bytes.length <= wholeBytesMax) return { whole: bytes, stripes: pieces };
  return { whole: undefined, stripes: prepend(bytes, pieces) };
}

async function* prepend(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

/** A new buffer for each stripe: several are in flight at once. */
async function* gather(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stripeBytes: number,
): AsyncGenerator<Uint8Array> {
  let buffer = Buffer.allocUnsafeSlow(stripeBytes);
  let filled = 0;
  for await (const chunk of stream) {
    for (let at = 0; at < chunk.length; ) {
      const count = Math.min(chunk.length - at, stripeBytes - filled);
      buffer.set(chunk.subarray(at, at + count), filled);
      at += count;
      filled += count;
      if (filled === stripeBytes) {
        yield buffer;
        buffer = Buffer.allocUnsafeSlow(stripeBytes);
        filled = 0;
      }
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
