/** How long workers that share some work are expected to take; docs/EXCHANGE.md, "Planning", has the formulas. */
import type { ShuffleFacts } from "./plan-input.ts";

export interface ShufflePhase {
  readonly phase: "map" | "merge" | "reduce";
  readonly seconds: number;
  /** Workers that have something to do. */
  readonly workers: number;
}

/** What all workers of a phase do together, one part after the other. */
export interface PhaseWork {
  readonly phase: ShufflePhase["phase"];
  /** In the whole phase: each costs a start. */
  readonly tasks: number;
  /** At a time: there may be fewer of them than workers. */
  readonly tasksAtOnce: number;
  readonly inputBytes?: number;
  /** Input of other waves. */
  readonly skippedBytes?: number;
  /** On the wire, parity counted. */
  readonly fleetBytes?: number;
  readonly s3Bytes?: number;
  readonly s3Puts?: number;
  readonly s3Gets?: number;
}

export function timePhase(work: PhaseWork, { workers: most, nodes, rates }: ShuffleFacts): ShufflePhase {
  const {
    phase,
    tasks,
    tasksAtOnce,
    inputBytes = 0,
    skippedBytes = 0,
    fleetBytes = 0,
    s3Bytes = 0,
    s3Puts = 0,
    s3Gets = 0,
  } = work;
  const workers = Math.min(most, tasksAtOnce);
  const fleetRate = Math.min(workers * rates.fleetBytesPerSecond, nodes * rates.nodeBytesPerSecond);
  const latencySeconds = rates.s3LatencyMs / 1000 / (workers * rates.s3RequestsInFlight);
  const s3Seconds = Math.max(
    s3Bytes / (workers * rates.s3BytesPerSecond),
    s3Puts / rates.s3PutsPerSecond,
    s3Gets / rates.s3GetsPerSecond,
    (s3Puts + s3Gets) * latencySeconds,
  );
  const seconds =
    inputBytes / (workers * rates.inputBytesPerSecond) +
    skippedBytes / (workers * rates.skipBytesPerSecond) +
    fleetBytes / fleetRate +
    s3Seconds +
    ((tasks / workers) * rates.taskMs) / 1000;
  return { phase, seconds, workers };
}
