/** What the shuffle scenario asks of its workers, and what they tell. */
import type { ShuffleShape } from "../peers/shuffle-store.ts";

/** `map` and `reduce`: the tasks of this worker; `delete` frees the shuffle. */
export interface ShuffleRequest {
  readonly ask: "map" | "reduce" | "delete";
  readonly shape: ShuffleShape;
  /** Of each pair of a map and a partition. */
  readonly blockBytes: number;
  /** Numbers of maps, or of partitions. */
  readonly tasks: readonly number[];
  /** So many at a time. */
  readonly tasksAtOnce: number;
}

export interface ShufflePhase {
  /** By the clock of the machine, that all processes have. */
  readonly beganMs: number;
  readonly endedMs: number;
  readonly requests: number;
  readonly cpuSeconds: number;
}
