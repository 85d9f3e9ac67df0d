/** What this node has asked of the object store for each job: it is paid by the request and the byte. */
import type { JobNumber } from "../../src/ids.ts";
import type { JobStoreUse } from "../../src/wire/control-api.ts";

const nothing: JobStoreUse = { gets: 0, bytesRead: 0, puts: 0, bytesWritten: 0 };

export class StoreUse {
  readonly #jobs = new Map<JobNumber, JobStoreUse>();

  add(job: JobNumber, more: Partial<JobStoreUse>): void {
    const { gets = 0, bytesRead = 0, puts = 0, bytesWritten = 0 } = more;
    const use = this.#jobs.get(job) ?? nothing;
    this.#jobs.set(job, {
      gets: use.gets + gets,
      bytesRead: use.bytesRead + bytesRead,
      puts: use.puts + puts,
      bytesWritten: use.bytesWritten + bytesWritten,
    });
  }

  /** Since the node began; undefined where there was nothing. */
  of(job: JobNumber): JobStoreUse | undefined {
    return this.#jobs.get(job);
  }

  jobEnded(job: JobNumber): void {
    this.#jobs.delete(job);
  }
}
