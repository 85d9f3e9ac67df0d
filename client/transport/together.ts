import type { Deadline } from "./deadline.ts";
import { Stop } from "./stop.ts";

/**
 * Carries out the parts of one call at once. When one fails the others are called off, and it is awaited that they
 * have ended: once this settles none of them touches memory that they were given. Rejects with the first failure.
 */
export async function together(
  deadline: Deadline,
  start: (deadline: Deadline) => Iterable<Promise<unknown>>,
): Promise<void> {
  const { signal } = deadline;
  const stop = new Stop();
  const onAbort = (): void => stop.abort(signal?.reason);
  if (signal?.aborted === true) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  const failures: unknown[] = [];
  const fail = (error: unknown): void => {
    failures.push(error);
    stop.abort(error);
  };
  try {
    await Promise.all([...start({ ...deadline, signal: stop })].map((part) => part.catch(fail)));
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  if (failures.length > 0) throw failures[0];
}
