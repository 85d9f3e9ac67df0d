/**
 * Removes durable objects that no key names any more, a moment later and many with one request. Best effort: what the store does not
 * take is tried again for a while, and what is given up, or dies with this process, stays under a name that nobody is told.
 */
import type { Clock, Rng } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { eachLimited } from "../relocation/each-limited.ts";

export interface RemovalOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly open: () => Promise<Pick<ObjectStore, "delete">>;
  /** Between a removal and the request; 200 ms by default. */
  readonly gatherMs?: number | undefined;
  /** After which an upload that was given up is certainly over; 90 s by default. */
  readonly lateMs?: number | undefined;
}

const gatherMsDefault = 200;
const lateMsDefault = 90_000;
const namesPerRequest = 1000;
const requestsInFlight = 4;
const timeoutMs = 30_000;
const triesMax = 8;
const backoffMsMin = 1000;
const backoffMsMax = 60_000;
/** Names that wait; what is above is left where it is. */
const waitingMax = 100_000;

export class StoredRemovals {
  readonly #options: RemovalOptions;
  #gathered: string[] = [];
  #waiting = 0;
  #closed = false;

  constructor(options: RemovalOptions) {
    this.#options = options;
  }

  /** Names that are not yet known to be gone. */
  get waiting(): number {
    return this.#waiting;
  }

  remove(name: string): void {
    if (this.#closed || this.#waiting >= waitingMax) return;
    this.#waiting += 1;
    if (this.#gathered.length === 0) {
      const { clock, gatherMs = gatherMsDefault } = this.#options;
      clock.after(gatherMs, () => void this.#removeGathered(), true);
    }
    this.#gathered.push(name);
  }

  /** Of an upload that was given up: it may still arrive. */
  removeAlsoLater(name: string): void {
    this.remove(name);
    const { clock, lateMs = lateMsDefault } = this.#options;
    clock.after(lateMs, () => this.remove(name), true);
  }

  close(): void {
    this.#closed = true;
  }

  async #removeGathered(): Promise<void> {
    const names = this.#gathered;
    this.#gathered = [];
    const batches: string[][] = [];
    for (let at = 0; at < names.length; at += namesPerRequest)
      batches.push(names.slice(at, at + namesPerRequest));
    await eachLimited(batches, requestsInFlight, (batch) => this.#removeBatch(batch));
  }

  /** Never rejects. */
  async #removeBatch(names: readonly string[]): Promise<void> {
    const { clock, rng, open } = this.#options;
    let backoffMs = backoffMsMin;
    for (let tries = 1; !this.#closed; tries++) {
      try {
        const store = await open();
        await store.delete(names, { timeoutMs });
        break;
      } catch {
        if (tries === triesMax) break;
        const delayMs = backoffMs * (0.5 + rng.random());
        await new Promise<void>((resolve) => clock.after(delayMs, resolve, true));
        backoffMs = Math.min(backoffMsMax, backoffMs * 2);
      }
    }
    this.#waiting -= names.length;
  }
}
