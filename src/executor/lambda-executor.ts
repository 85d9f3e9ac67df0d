import { type Clock, type Rng, systemClock, systemRng } from "../clock.ts";
import type { Executor } from "./executor.ts";
import { LambdaBackend, type LambdaBackendOptions } from "./lambda-backend.ts";
import { TaskExecutor, type TaskOptions } from "./task-executor.ts";

export interface LambdaExecutorOptions extends LambdaBackendOptions, TaskOptions {
  /** The system's by default. */
  readonly clock?: Clock;
  readonly rng?: Rng;
}

/**
 * Functions on AWS Lambda. Handlers name the modules that the deployed function was given (`createLambdaHandler`); events
 * and results are up to 6 MiB of JSON. Needs the package `@aws-sdk/client-lambda`, and takes credentials from where the
 * AWS SDK finds them. What is ended from here (`timeLimitMs`, a straggler's other attempt, `close`) is no longer waited
 * for, and goes on at Lambda until its own time limit.
 * @throws MayflyError INVALID_ARGUMENT
 */
export function createLambdaExecutor(options: LambdaExecutorOptions): Executor {
  const { clock = systemClock, rng = systemRng } = options;
  return new TaskExecutor({ ...options, clock, rng, backend: new LambdaBackend(options) });
}
