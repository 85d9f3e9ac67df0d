/** Many requests at a time. */

/** Asks for so many items ahead, and yields the answers in the order of the items. */
export async function* readAhead<T, A>(
  items: readonly T[],
  ahead: number,
  read: (item: T) => Promise<A>,
): AsyncGenerator<A> {
  const asked: Promise<A>[] = [];
  let next = 0;
  for (let at = 0; at < items.length; at++) {
    for (; next < items.length && next < at + ahead; next++) {
      const answer = read(items[next]!);
      // Who leaves early, or meets an error before, does not look at it.
      answer.catch(() => undefined);
      asked[next] = answer;
    }
    const answer = await asked[at]!;
    delete asked[at];
    yield answer;
  }
}

/** Resolves when all are done, so many at a time. @throws the first that `run` throws, when nothing is under way any more */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  run: (item: T) => Promise<unknown>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      try {
        await run(items[next++]!);
      } catch (thrown) {
        next = items.length;
        throw thrown;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  for (const end of ends) if (end.status === "rejected") throw end.reason;
}
