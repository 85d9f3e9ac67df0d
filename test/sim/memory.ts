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

export function createSimMemory(): Pick<NodeMemory, "job"> {
  const jobs = new Map<JobNumber, JobMemory>();
  return {
    job(job) {
      let memory = jobs.get(job);
      if (memory === undefined) {
        const made = {
          job,
          ended: false,
          usedBytes: 0,
          allocate: (length: number) => new SimBlock(length),
          free: () => {},
          charge: () => true,
          discharge: () => {},
        };
        memory = made as unknown as JobMemory;
        jobs.set(job, memory);
      }
      return memory;
    },
  };
}
