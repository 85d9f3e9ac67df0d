import type { Clock, Rng } from "../clock.ts";
import type { Executor } from "./executor.ts";
import { ProcessBackend, type ProcessBackendOptions } from "./process-backend.ts";
import { TaskExecutor, type TaskOptions } from "./task-executor.ts";

export interface LocalExecutorOptions extends ProcessBackendOptions, TaskOptions {
  readonly clock: Clock;
  readonly rng: Rng;
}

/** Functions as processes of this machine. */
export function createLocalExecutor(options: LocalExecutorOptions): Executor {
  return new TaskExecutor({ ...options, backend: new ProcessBackend(options) });
}
