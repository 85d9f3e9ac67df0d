/**
 * Runs functions. A function is a named export of a module; it gets an event and a context, knows nothing else of the
 * world than its ticket, and may run anywhere: here in local processes, later on a platform.
 */
import type { Job } from "../../client/job.ts";

/** What a function is called with, besides its event. */
export interface FunctionContext {
  /** Connected with the ticket that the function was started with. */
  readonly job: Job;
  /** Tells the caller of `run` how far it is, in units of the function's own. */
  progress(report: Readonly<Record<string, number>>): void;
}

export type FunctionHandler = (event: never, context: FunctionContext) => Promise<unknown>;

/** Names a function: the URL of an ES module and one of its exports. */
export interface HandlerRef {
  readonly module: string;
  readonly name: string;
}

export interface RunOptions {
  readonly onProgress?: (report: Readonly<Record<string, number>>) => void;
}

export interface Executor {
  /**
   * Runs one function; events and results are JSON. A function whose process dies is run again, so it must be safe to
   * run twice.
   * @throws MayflyError what the function threw; TASK_FAILED when its process died too often
   */
  run(handler: HandlerRef, event: unknown, options?: RunOptions): Promise<unknown>;
  /** Ends all processes; calls under way are rejected with CLOSED. */
  close(): Promise<void>;
}
