/** The memory of a simulated node: as much as it asks for, in small arrays of its own. */
import type { JobMemory } from "../../cache-node/store/job-memory.ts";
import type { NodeMemory } from "../../cache-node/store/node-memory.ts";
import type { JobNumber } from "../../src/ids.ts";

class SimBlock {
  readonly length: number;
  readonly #bytes: Uint8Array;
  #pins = 0;

  constructor(length: number) {
    this.length = length;
    this.#bytes = new Uint8Array(length);
  }

  get pinned(): boolean {
    return this.#pins > 0;
  }

  view(): Uint8Array {
    return this.#bytes;
  }

  pin(): void {
    this.#pins += 1;
  }

  unpin(): void {
    this.#pins -= 1;
  }
}

class SimJobMemory {
  readonly job: JobNumber;
  readonly usedBytes = 0;
  ended = false;

  constructor(job: JobNumber) {
    this.job = job;
  }

  allocate(length: number): SimBlock | undefined {
    return this.ended ? undefined : new SimBlock(length);
  }

  free(): void {}

  charge(): boolean {
    return !this.ended;
  }

  discharge(): void {}
}

export function createSimMemory(): NodeMemory {
  const jobs = new Map<JobNumber, SimJobMemory>();
  const memory: Pick<NodeMemory, "job" | "endJob"> = {
    job(job) {
      let found = jobs.get(job);
      if (found === undefined) {
        found = new SimJobMemory(job);
        jobs.set(job, found);
      }
      return found as unknown as JobMemory;
    },
    endJob(job) {
      const found = jobs.get(job);
      if (found !== undefined) found.ended = true;
    },
  };
  return memory as NodeMemory;
}
