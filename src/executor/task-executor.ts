/**
 * Which functions run when, on any backend: first come, first served; again after a failure that may pass; twice when one takes
 * much longer than others of its kind did.
 */
import type { Cancel, Clock, Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { type Backend, CallRefused, type FunctionCall, type RunningCall } from "./backend.ts";
import type { Executor, HandlerRef, MapOptions, RunOptions } from "./executor.ts";
import { UsualDurations } from "./usual-durations.ts";

export interface TaskOptions {
  /** Runs of a function that fail before it has failed; 3 by default. */
  readonly attemptsMax?: number;
  /** Of one attempt; none by default. */
  readonly timeLimitMs?: number;
  /**
   * How long the platform may refuse to run a function before it has failed. 15 minutes by default: no function of AWS
   * Lambda takes longer, so that a place was free meanwhile.
   */
  readonly refusedMaxMs?: number;
  /** Runs a second attempt of stragglers when there is nothing else to run. */
  readonly speculate?: boolean;
  /**
   * For tests: share of attempts, 0 to 1, that are ended at a random point. The last attempt of a function is never one of
   * them, so that it can still succeed.
   */
  readonly failRate?: number;
}

export interface TaskExecutorOptions extends TaskOptions {
  readonly backend: Backend;
  readonly clock: Clock;
  readonly rng: Rng;
}

interface Attempt {
  readonly startedAtMs: number;
  readonly running: RunningCall;
  /** Why it was ended from here, when it was. */
  ended: string | undefined;
  cancelTimers: Cancel[];
}

interface Task {
  readonly handler: HandlerRef;
  readonly event: unknown;
  readonly options: RunOptions;
  readonly result: Promise<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: MayflyError) => void;
  /** Of one map, itself among them: when one fails all have. */
  readonly group: readonly Task[];
  readonly attempts: Set<Attempt>;
  failures: number;
  /** Since it ran last. */
  refusals: number;
  refusedSinceMs: number;
  /** Ends the wait of a place that is to run it again. */
  cancelWait: Cancel | undefined;
  isOver: boolean;
}

const attemptsMaxDefault = 3;
const refusedMaxMsDefault = 15 * 60_000;
/** Before what may pass by itself is tried again; twice as long each time. */
const backoffMs = 200;
const backoffMaxMs = 5000;
/** A straggler takes so many times as long as is usual, and so much more. */
const stragglerFactor = 2;
const stragglerMs = 250;
const lookMs = 100;
/** Where nothing is usual yet: within so long a function that is to fail does. */
const failWithinMs = 500;

export class TaskExecutor implements Executor {
  readonly #options: TaskExecutorOptions;
  readonly #queue: Task[] = [];
  readonly #running = new Set<Task>();
  readonly #durations = new UsualDurations();
  #taken = 0;
  #closed = false;
  #cancelLook: Cancel | undefined;

  constructor(options: TaskExecutorOptions) {
    this.#options = options;
  }

  async run(handler: HandlerRef, event: unknown, options: RunOptions = {}): Promise<unknown> {
    return await this.#add(handler, event, options).result;
  }

  async map(handler: HandlerRef, events: readonly unknown[], options: MapOptions = {}): Promise<unknown[]> {
    const tasks: Task[] = [];
    for (const event of events) tasks.push(this.#add(handler, event, options, tasks));
    try {
      return await Promise.all(
        tasks.map(async ({ result }, index) => {
          const value = await result;
          options.onResult?.(index, value);
          return value;
        }),
      );
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      this.#fail(tasks, error);
      this.#assign();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook?.();
    const error = new MayflyError("CLOSED", "The executor was closed while the function was running.");
    this.#fail([...this.#queue.splice(0), ...this.#running], error);
    await this.#options.backend.close();
  }

  #add(handler: HandlerRef, event: unknown, options: RunOptions, group: readonly Task[] = []): Task {
    if (this.#closed) throw new MayflyError("CLOSED", "This executor is closed.");
    let settle: Pick<Task, "resolve" | "reject"> | undefined;
    const result = new Promise<unknown>((resolve, reject) => {
      settle = { resolve, reject };
    });
    const task: Task = {
      ...{ handler, event, options, result, group, ...settle!, attempts: new Set<Attempt>() },
      ...{ failures: 0, refusals: 0, refusedSinceMs: 0, cancelWait: undefined, isOver: false },
    };
    this.#queue.push(task);
    this.#assign();
    return task;
  }

  /** Those that were cancelled while they waited are still in the queue. */
  #next(): Task | undefined {
    for (;;) {
      const task = this.#queue.shift();
      if (task?.isOver !== true) return task;
    }
  }

  #assign(): void {
    const { backend, speculate } = this.#options;
    while (!this.#closed && this.#taken < backend.slots) {
      const task = this.#next() ?? (speculate === true ? this.#straggler() : undefined);
      if (task === undefined) break;
      this.#start(task);
    }
    if (speculate === true) this.#lookLater();
  }

  /** Looks for stragglers as long as there is somebody who could run them. */
  #lookLater(): void {
    if (this.#cancelLook !== undefined || this.#closed || this.#running.size === 0) return;
    this.#cancelLook = this.#options.clock.after(
      lookMs,
      () => {
        this.#cancelLook = undefined;
        this.#assign();
      },
      true,
    );
  }

  #straggler(): Task | undefined {
    const nowMs = this.#options.clock.now();
    return [...this.#running].find(({ handler, attempts, cancelWait, isOver }) => {
      const usualMs = this.#durations.medianMs(handler);
      const [only, ...others] = attempts;
      if (
        isOver ||
        cancelWait !== undefined ||
        usualMs === undefined ||
        only === undefined ||
        others.length > 0
      )
        return false;
      return nowMs - only.startedAtMs > Math.max(stragglerFactor * usualMs, usualMs + stragglerMs);
    });
  }

  #start(task: Task): void {
    const { backend, clock, rng, timeLimitMs } = this.#options;
    const { handler, event, options } = task;
    const call: FunctionCall = { handler, event, attempt: Buffer.from(rng.bytes(9)).toString("base64url") };
    const running = backend.start(call, (report) => {
      if (!task.isOver) options.onProgress?.(report);
    });
    const attempt: Attempt = { startedAtMs: clock.now(), running, ended: undefined, cancelTimers: [] };
    this.#taken += 1;
    this.#running.add(task);
    task.attempts.add(attempt);
    if (timeLimitMs !== undefined) this.#endAfter(attempt, timeLimitMs, `took longer than ${timeLimitMs} ms`);
    this.#failPerhaps(task, attempt);
    running.result.then(
      (result) => this.#onResult(task, attempt, result),
      (thrown: unknown) => this.#onFailure(task, attempt, MayflyError.from(thrown)),
    );
  }

  #failPerhaps(task: Task, attempt: Attempt): void {
    const { rng, failRate = 0, attemptsMax = attemptsMaxDefault } = this.#options;
    if (rng.random() >= failRate || task.failures >= attemptsMax - 1) return;
    const withinMs = this.#durations.medianMs(task.handler) ?? failWithinMs;
    this.#endAfter(attempt, withinMs * rng.random(), "was ended on purpose");
  }

  #endAfter(attempt: Attempt, delayMs: number, why: string): void {
    const end = (): void => {
      attempt.ended ??= why;
      attempt.running.stop();
    };
    attempt.cancelTimers.push(this.#options.clock.after(delayMs, end, true));
  }

  #onResult(task: Task, attempt: Attempt, result: unknown): void {
    this.#durations.note(task.handler, this.#options.clock.now() - attempt.startedAtMs);
    this.#leave(task, attempt);
    if (!task.isOver) this.#settle(task, () => task.resolve(result));
    this.#assign();
  }

  #onFailure(task: Task, attempt: Attempt, error: MayflyError): void {
    this.#leave(task, attempt);
    if (!task.isOver) this.#retry(task, attempt, error);
    this.#assign();
  }

  #retry(task: Task, { ended }: Attempt, error: MayflyError): void {
    if (error instanceof CallRefused && ended === undefined) {
      this.#onRefused(task, error);
      return;
    }
    task.refusals = 0;
    const { attemptsMax = attemptsMaxDefault } = this.#options;
    const isLost = ended !== undefined || error.code === "TASK_FAILED";
    const isTransient = error.kind === "unavailable" || error.kind === "busy";
    if (!isLost && !isTransient) {
      this.#fail([task, ...task.group], error);
      return;
    }
    task.failures += 1;
    // The other attempt may still do it.
    if (task.attempts.size > 0) return;
    if (task.failures < attemptsMax) {
      if (!isLost) this.#waitWith(task, task.failures, error);
      else if (task.cancelWait === undefined) this.#queue.unshift(task);
      return;
    }
    const message = `Function ${task.handler.name} failed ${task.failures} times; the last time it ${ended ?? error.message}`;
    this.#fail([task, ...task.group], isLost ? new MayflyError("TASK_FAILED", message) : error);
  }

  #onRefused(task: Task, error: CallRefused): void {
    const { clock, refusedMaxMs = refusedMaxMsDefault } = this.#options;
    const nowMs = clock.now();
    if (task.refusals === 0) task.refusedSinceMs = nowMs;
    task.refusals += 1;
    const isTooLong = nowMs - task.refusedSinceMs >= refusedMaxMs;
    if (isTooLong && task.attempts.size === 0) this.#fail([task, ...task.group], error);
    else this.#waitWith(task, task.refusals, error);
  }

  /** Runs it again after a while. Its place waits with it: whatever else ran there would fare no better. */
  #waitWith(task: Task, times: number, { retryAfterMs = 0 }: MayflyError): void {
    if (task.cancelWait !== undefined) return;
    const { clock, rng } = this.#options;
    const longestMs = Math.min(backoffMaxMs, backoffMs * 2 ** (times - 1));
    const delayMs = Math.max(retryAfterMs, longestMs * (0.5 + 0.5 * rng.random()));
    this.#taken += 1;
    this.#running.add(task);
    const cancelTimer = clock.after(delayMs, () => {
      task.cancelWait?.();
      if (task.attempts.size === 0) this.#queue.unshift(task);
      this.#assign();
    });
    task.cancelWait = () => {
      cancelTimer();
      task.cancelWait = undefined;
      if (task.attempts.size === 0) this.#running.delete(task);
      this.#taken -= 1;
    };
  }

  #leave(task: Task, attempt: Attempt): void {
    for (const cancel of attempt.cancelTimers) cancel();
    task.attempts.delete(attempt);
    if (task.attempts.size === 0 && task.cancelWait === undefined) this.#running.delete(task);
    this.#taken -= 1;
  }

  #fail(tasks: readonly Task[], error: MayflyError): void {
    for (const task of tasks) if (!task.isOver) this.#settle(task, () => task.reject(error));
  }

  #settle(task: Task, settle: () => void): void {
    task.isOver = true;
    task.cancelWait?.();
    for (const { running } of task.attempts) running.stop();
    settle();
  }
}
