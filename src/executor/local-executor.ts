import { type Clock, type Rng, systemClock, systemRng } from "../clock.ts";
import type { Executor } from "./executor.ts";
import { ProcessBackend, type ProcessBackendOptions } from "./process-backend.ts";
import { TaskExecutor, type TaskOptions } from "./task-executor.ts";

export interface LocalExecutorOptions extends ProcessBackendOptions, TaskOptions {
  /** The system's by default. */
  readonly clock?: Clock;
  readonly rng?: Rng;
}

/** Functions as processes of this machine. */
export function createLocalExecutor(options: LocalExecutorOptions): Executor {
  const { clock = systemClock, rng = systemRng } = options;
  return new TaskExecutor({ ...options, clock, rng, backend: new ProcessBackend(options) });
}
