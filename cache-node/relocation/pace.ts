import { type Clock, sleep } from "../../src/clock.ts";

/** Lets bytes pass at a rate, on average: who comes too early waits. Without a rate nobody does. */
export function paceOf(clock: Clock, bytesPerSecond: number | undefined): (bytes: number) => Promise<void> {
  if (bytesPerSecond === undefined) return () => Promise.resolve();
  let freeAtMs = clock.now();
  return async (bytes) => {
    const waitMs = freeAtMs - clock.now();
    freeAtMs = Math.max(freeAtMs, clock.now()) + (bytes / bytesPerSecond) * 1000;
    if (waitMs > 0) await sleep(clock, waitMs);
  };
}
