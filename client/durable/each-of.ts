/** Runs `work` on what comes, `limit` at a time. Settles when all that began has ended; after a failure, which it throws, no more begins. */
export async function eachOf<T>(
  items: AsyncIterable<T>,
  limit: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const inFlight = new Set<Promise<void>>();
  const failures: unknown[] = [];
  try {
    for await (const item of items) {
      const one: Promise<void> = work(item)
        .catch((thrown: unknown) => void failures.push(thrown))
        .finally(() => inFlight.delete(one));
      inFlight.add(one);
      if (inFlight.size >= limit) await Promise.race(inFlight);
      if (failures.length > 0) break;
    }
  } finally {
    await Promise.all(inFlight);
  }
  if (failures.length > 0) throw failures[0];
}
