/** Waiting that ends with a signal. */

/** The promise, or the reason of the signal as soon as it fires: not everything that is waited for listens to signals. */
export function orAborted<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** The source of an upload failed, and not the store: its error is what the caller gets. */
export class SourceFailed extends Error {
  override readonly name = "SourceFailed";
}

/** The pieces of a source, until the signal fires: a source that hangs then is left alone. */
export async function* piecesUntilAborted(
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const source = pieces[Symbol.asyncIterator]();
  let ended = false;
  try {
    for (;;) {
      const next = await orAborted(signal, source.next()).catch((cause: unknown) => {
        ended = !signal.aborted;
        throw signal.aborted ? signal.reason : new SourceFailed("the source failed", { cause });
      });
      ended = next.done === true;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // It is told that nobody wants more, and not waited for.
    if (!ended) void Promise.resolve(source.return?.()).catch(() => undefined);
  }
}
