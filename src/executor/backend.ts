/** Where functions run: starts one and ends it, and nothing else. What is run again, and when, task-executor.ts decides. */
import { MayflyError } from "../errors.ts";
import type { HandlerRef } from "./executor.ts";

/** The platform did not run it, and may later; that is no failed attempt. */
export class CallRefused extends MayflyError {}

export interface FunctionCall {
  readonly handler: HandlerRef;
  readonly event: unknown;
  readonly attempt: string;
}

export interface RunningCall {
  /**
   * What the function returned.
   * @throws MayflyError what it threw; TASK_FAILED when its process or its platform ended before it did, and says why;
   * `CallRefused` when the platform has no place for it now
   */
  readonly result: Promise<unknown>;
  /** Ends it if that can be done; its result is of no interest any more. */
  stop(): void;
}

export interface Backend {
  /** Calls at a time. */
  readonly slots: number;
  start(call: FunctionCall, onProgress: (report: Readonly<Record<string, number>>) => void): RunningCall;
  /** Ends all that runs. */
  close(): Promise<void>;
}
