/** Clients that a warm instance of a platform keeps from one call to the next. */
import type { Job } from "../../client/job.ts";

/** Of jobs that nobody runs for just now. An instance mostly serves one; each may hold a share of the memory. */
const idleMax = 2;

interface Entry {
  readonly job: Promise<Job>;
  calls: number;
}

export interface LentJob {
  readonly job: Promise<Job>;
  giveBack(): void;
}

export class WarmJobs {
  readonly #connect: (ticket: string) => Promise<Job>;
  /** By ticket, the one that was used last at the end. */
  readonly #entries = new Map<string, Entry>();

  constructor(connect: (ticket: string) => Promise<Job>) {
    this.#connect = connect;
  }

  lend(ticket: string): LentJob {
    const entry = this.#entries.get(ticket) ?? { job: this.#connect(ticket), calls: 0 };
    entry.calls += 1;
    this.#entries.delete(ticket);
    this.#entries.set(ticket, entry);
    // The next call tries again.
    entry.job.catch(() => {
      if (this.#entries.get(ticket) === entry) this.#entries.delete(ticket);
    });
    const giveBack = (): void => {
      entry.calls -= 1;
      this.#closeOldest();
    };
    return { job: entry.job, giveBack };
  }

  #closeOldest(): void {
    const idle = [...this.#entries].filter(([, { calls }]) => calls === 0);
    for (const [ticket, { job }] of idle.slice(0, Math.max(0, idle.length - idleMax))) {
      this.#entries.delete(ticket);
      void job.then((open) => open.close());
    }
  }
}
