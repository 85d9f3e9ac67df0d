/** Reads that wait on the server for a key that another client puts later, or never. */
import { sleep } from "../../../src/clock.ts";
import type { LoadClient } from "./load-client.ts";
import { getValue, putValue } from "./values.ts";

const timeoutMs = 5000;

export async function runWaits(waiter: LoadClient, putter: LoadClient): Promise<void> {
  for (let round = 0; !waiter.stopping(); round++) {
    const key = `wait/${waiter.name}/${round}`;
    const waitMs = 1000 + waiter.pick(4000);
    const waiting = getValue(waiter, key, { waitMs, timeoutMs: waitMs + timeoutMs });
    // Some come too late, and some never.
    const afterMs = waiter.pick(1.3 * waitMs);
    if (waiter.rng.random() < 0.95) {
      await sleep(waiter.clock, afterMs);
      await putValue(putter, { key, sizeBytes: 100, timeoutMs });
    }
    await waiting;
  }
}
