/** Reads that wait for a key: parked here, woken when an effect on the key is on all members of its row. */
import type { Cancel, Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";

interface Wait {
  readonly job: JobNumber;
  readonly group: Group;
  readonly wake: (error?: MayflyError) => void;
  readonly cancel: Cancel;
}

const waitsMax = 1_000_000;

export class CellWaits {
  readonly #clock: Clock;
  readonly #waits = new Map<string, Set<Wait>>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.#count;
  }

  /** Those for whom somebody waits. */
  jobs(): Set<JobNumber> {
    const jobs = new Set<JobNumber>();
    for (const [first] of this.#waits.values()) if (first !== undefined) jobs.add(first.job);
    return jobs;
  }

  /** Calls `wake` once: when the key changes, after `waitMs`, or with an error when waiting is of no use any more. */
  add(job: JobNumber, group: Group, name: string, waitMs: number, wake: (error?: MayflyError) => void): void {
    if (this.#count >= waitsMax) {
      throw new MayflyError("BUSY", `This node has ${waitsMax} waiting reads.`, { retryAfterMs: 1000 });
    }
    const key = `${job} ${name}`;
    const wait: Wait = {
      ...{ job, group },
      wake: (error) => {
        wait.cancel();
        if (this.#remove(key, wait)) wake(error);
      },
      cancel: this.#clock.after(waitMs, () => wait.wake(), true),
    };
    const waits = this.#waits.get(key);
    if (waits === undefined) this.#waits.set(key, new Set([wait]));
    else waits.add(wait);
    this.#count += 1;
  }

  /** Somebody waits for the key to change. */
  has(job: JobNumber, name: string): boolean {
    return this.#waits.has(`${job} ${name}`);
  }

  /** The key changed. */
  fire(job: JobNumber, name: string): void {
    for (const wait of this.#waits.get(`${job} ${name}`) ?? []) wait.wake();
  }

  /** Sends the waits that match away with an error. */
  dismiss(matches: (job: JobNumber, group: Group) => boolean, error: (group: Group) => MayflyError): void {
    for (const waits of [...this.#waits.values()]) {
      for (const wait of [...waits]) if (matches(wait.job, wait.group)) wait.wake(error(wait.group));
    }
  }

  #remove(key: string, wait: Wait): boolean {
    const waits = this.#waits.get(key);
    if (waits?.delete(wait) !== true) return false;
    if (waits.size === 0) this.#waits.delete(key);
    this.#count -= 1;
    return true;
  }
}
