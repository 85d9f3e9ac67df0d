import { type Clock, sleep } from "../../src/clock.ts";

/** Lets bytes pass at a rate, on average: who comes too early waits. While there is no rate nobody does. */
export function paceOf(
  clock: Clock,
  rate: () => number | undefined = () => undefined,
): (bytes: number) => Promise<void> {
  let freeAtMs = clock.now();
  return async (bytes) => {
    const bytesPerSecond = rate();
    if (bytesPerSecond === undefined) return;
    const waitMs = freeAtMs - clock.now();
    freeAtMs = Math.max(freeAtMs, clock.now()) + (bytes / bytesPerSecond) * 1000;
    if (waitMs > 0) await sleep(clock, waitMs);
  };
}
