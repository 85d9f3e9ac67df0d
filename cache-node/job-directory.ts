/** Which jobs live, as the controller says; a number too new to be listed is taken to be alive. */
import { MayflyError } from "../src/errors.ts";
import type { JobNumber } from "../src/ids.ts";
import type { JobTable } from "../src/wire/control-api.ts";

export class JobDirectory {
  #table: JobTable = { version: 0, highest: 0, jobs: [] };
  #alive = new Map<number, JobTable["jobs"][number]>();
  #active = new Set<number>();
  /** Jobs that have had an operation here and whose end has not been seen. */
  #known = new Set<JobNumber>();
  /** The job that was touched last, as long as touching it again would change nothing. */
  #touched: JobNumber | undefined;
  #wereActive = false;

  get version(): number {
    return this.#table.version;
  }

  /** Takes a table; returns the jobs known here that have ended since. */
  adopt(table: JobTable): JobNumber[] {
    this.#table = table;
    this.#touched = undefined;
    this.#alive = new Map(table.jobs.map((row) => [row.job, row]));
    const ended = [...this.#known].filter((job) => this.ended(job));
    for (const job of ended) this.#known.delete(job);
    return ended;
  }

  ended(job: JobNumber): boolean {
    return job <= this.#table.highest && !this.#alive.has(job);
  }

  /** Notes an operation of the job (it renews the lease). @throws MayflyError JOB_ENDED */
  touch(job: JobNumber): void {
    if (job === this.#touched) return;
    if (this.ended(job)) {
      throw new MayflyError("JOB_ENDED", `Job ${job} has ended: its data are freed and it takes no more.`);
    }
    this.#active.add(job);
    this.#known.add(job);
    this.#touched = job;
  }

  /** Jobs that this node may hold data of. */
  known(): JobNumber[] {
    return [...this.#known];
  }

  /** A backup holds data of jobs that never called on it. */
  note(job: JobNumber): void {
    this.#known.add(job);
  }

  /** What the job prefers to have, as its hints say. */
  preferenceOf(job: JobNumber): "latency" | "cost" | undefined {
    return this.#alive.get(job)?.prefer;
  }

  /** @param usedBytes what this node alone holds for the job. @throws MayflyError QUOTA_EXCEEDED */
  checkQuota(job: JobNumber, usedBytes: number, moreBytes: number): void {
    const row = this.#alive.get(job);
    if (row === undefined || row.quotaBytes === 0) return;
    if (!row.overQuota && usedBytes + moreBytes <= row.quotaBytes) return;
    throw new MayflyError(
      "QUOTA_EXCEEDED",
      `Job ${job} is at its quota of ${row.quotaBytes} bytes (parity and copies count); delete something, or create the job with more.`,
      { retryAfterMs: 1000 },
    );
  }

  /** Whether some job was touched since the last call of `takeActive` but one: in the last heartbeat or two. */
  get inUse(): boolean {
    return this.#wereActive || this.#active.size > 0;
  }

  /** The jobs touched since the last call. */
  takeActive(): number[] {
    const active = [...this.#active];
    this.#wereActive = active.length > 0;
    this.#active.clear();
    this.#touched = undefined;
    return active;
  }
}
