/** One function of the load: a connection of its own, seeded, with numbers for its values. */
import { connect, type Job } from "../../../client/index.ts";
import { type Clock, type Rng, seededRng, sleep } from "../../../src/clock.ts";
import type { Workload } from "./recorded.ts";
import type { Call, Recorder } from "./recorder.ts";

/** Values of a client get numbers of their own, so many of them. */
const valuesMax = 2 ** 20;

export interface LoadClient {
  readonly name: string;
  readonly job: Job;
  readonly rng: Rng;
  readonly clock: Clock;
  readonly stopping: () => boolean;
  nextNumber(): number;
  call(call: Omit<Call, "client" | "workload">): ReturnType<Recorder["call"]>;
  /** Up to twice this, at random. */
  pause(meanMs: number): Promise<void>;
  pick(max: number): number;
}

export async function openClient(options: {
  readonly number: number;
  readonly workload: Workload;
  readonly ticket: string;
  readonly seed: number;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly stopping: () => boolean;
}): Promise<LoadClient> {
  const { number, workload, ticket, seed, clock, recorder, stopping } = options;
  const rng = seededRng(seed * 4096 + number);
  const name = String(number);
  let next = number * valuesMax;
  return {
    ...{ name, rng, clock, stopping },
    job: await connect({ ticket, stripeMemoryBytes: 32 * 2 ** 20 }),
    nextNumber: () => next++,
    call: (call) => recorder.call({ ...call, client: name, workload }),
    pause: (meanMs) => sleep(clock, rng.random() * 2 * meanMs),
    pick: (max) => Math.floor(rng.random() * max),
  };
}
