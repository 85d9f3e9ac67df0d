/**
 * Runs functions. A function is a named export of a module; it gets an event and a context, knows nothing else of the
 * world than its ticket, and may run anywhere: here in local processes, or on AWS Lambda.
 */
import type { Job } from "../../client/job.ts";

/** What a function is called with, besides its event. */
export interface FunctionContext {
  /** Connected with the ticket that the function was started with. */
  readonly job: Job;
  /** Names this attempt: no other run of a function has the same, of this event neither. */
  readonly attempt: string;
  /**
   * Tells the caller of `run` how far it is, in units of the function's own. On AWS Lambda nobody hears it: an invocation
   * answers once.
   */
  progress(report: Readonly<Record<string, number>>): void;
}

export type FunctionHandler = (event: never, context: FunctionContext) => Promise<unknown>;

/**
 * Names a function: an ES module and one of its exports. The module is a name that each platform knows (the `modules` of
 * `createLocalExecutor` and of `createLambdaHandler`), or on this machine also a URL.
 */
export interface HandlerRef {
  readonly module: string;
  readonly name: string;
}

export interface RunOptions {
  /** Also called with the reports of attempts whose result does not count in the end. */
  readonly onProgress?: (report: Readonly<Record<string, number>>) => void;
}

export interface MapOptions extends RunOptions {
  /** Called with each result as it comes. */
  readonly onResult?: (index: number, result: unknown) => void;
}

export interface Executor {
  /**
   * Runs one function; events and results are JSON. One whose process dies, or that takes too long, or that fails for a reason
   * that passes by itself, is run again, and one that takes much longer than others may run twice at a time: it must be
   * safe to run again. The first result counts.
   * @throws MayflyError what the function threw; TASK_FAILED when it died or took too long too often
   */
  run(handler: HandlerRef, event: unknown, options?: RunOptions): Promise<unknown>;
  /**
   * Runs a function for each event; results in the order of the events. When one has failed for good, those that wait are
   * not started any more, and those that run are ended as far as the platform can.
   * @throws MayflyError as `run`, the first failure
   */
  map(handler: HandlerRef, events: readonly unknown[], options?: MapOptions): Promise<unknown[]>;
  /** Ends all that runs; calls under way are rejected with CLOSED. */
  close(): Promise<void>;
}
