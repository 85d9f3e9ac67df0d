/** The stripes of a stream whose length nobody knows yet. */
import { MayflyError } from "../../src/errors.ts";
import { type Deadline, within } from "../transport/deadline.ts";

/**
 * Gathers a stream into stripes. Resolves when the first stripe is full or the stream has ended: `whole` is set when
 * all of it is at most `wholeBytesMax`. A stream that stalls fails with what `checkDeadline` throws.
 */
export async function stripesOfStream(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  stripeBytes: number,
  wholeBytesMax: number,
  deadline: Deadline,
): Promise<{ whole: Uint8Array | undefined; stripes: AsyncIterable<Uint8Array> }> {
  const pieces = gather(timely(stream, deadline), stripeBytes);
  const first = await pieces.next();
  const bytes = first.done === true ? new Uint8Array(0) : first.value;
  if (bytes.length <= wholeBytesMax) return { whole: bytes, stripes: pieces };
  return { whole: undefined, stripes: prepend(bytes, pieces) };
}

async function* prepend(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}

/** Nobody knows when a stream goes on, and the call must end. */
async function* timely(
  stream: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  deadline: Deadline,
): AsyncGenerator<Uint8Array> {
  const iterator =
    Symbol.asyncIterator in stream ? stream[Symbol.asyncIterator]() : stream[Symbol.iterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await within(deadline, nextOf(iterator));
      ended = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: a generator that stalls closes when it goes on.
    if (!ended) Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

async function nextOf(
  iterator: Iterator<Uint8Array> | AsyncIterator<Uint8Array>,
): Promise<IteratorResult<Uint8Array>> {
  let next: IteratorResult<Uint8Array>;
  try {
    next = await iterator.next();
  } catch (cause) {
    if (cause instanceof MayflyError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MayflyError("INPUT_INVALID", `The stream to be stored failed: ${why}`, { cause });
  }
  const value: unknown = next.value;
  if (next.done === true || value instanceof Uint8Array) return next;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `A stream to be stored yields Uint8Arrays, not ${typeof value}s.`,
  );
}

/** A new buffer for each stripe: several are in flight at once. */
async function* gather(stream: AsyncIterable<Uint8Array>, stripeBytes: number): AsyncGenerator<Uint8Array> {
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
