/**
 * Which functions run when, on any backend: first come, first served; again after a failure that may pass; twice when one takes
 * much longer than others of its kind did.
 */
import type { Cancel, Clock, Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { Backend, FunctionCall, RunningCall } from "./backend.ts";
import type { Executor, HandlerRef, MapOptions, RunOptions } from "./executor.ts";

export interface TaskOptions {
  /** Runs of a function that fail before it has failed; 3 by default. */
  readonly attemptsMax?: number;
  /** Of one attempt; none by default. */
  readonly timeLimitMs?: number;
  /** Runs a second attempt of stragglers when there is nothing else to run. */
  readonly speculate?: boolean;
  /** For tests: share of attempts that are ended at a random point. Those that a function can bear at most. */
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
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: MayflyError) => void;
  readonly attempts: Set<Attempt>;
  failures: number;
  isOver: boolean;
}

const attemptsMaxDefault = 3;
/** A straggler takes so many times as long as is usual, and so much more. */
const stragglerFactor = 2;
const stragglerMs = 250;
/** Of a kind that was run so often it is known what is usual. */
const knownRuns = 3;
const durationsKept = 101;
const lookMs = 100;
/** Where nothing is usual yet: within so long a function that is to fail does. */
const failWithinMs = 500;

export class TaskExecutor implements Executor {
  readonly #options: TaskExecutorOptions;
  readonly #queue: Task[] = [];
  readonly #running = new Set<Task>();
  /** By function: how long its last runs took, in ascending order. */
  readonly #durations = new Map<string, number[]>();
  #taken = 0;
  #closed = false;
  #cancelLook: Cancel | undefined;

  constructor(options: TaskExecutorOptions) {
    this.#options = options;
  }

  run(handler: HandlerRef, event: unknown, options: RunOptions = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(new MayflyError("CLOSED", "This executor is closed."));
    return new Promise((resolve, reject) => {
      const state = { attempts: new Set<Attempt>(), failures: 0, isOver: false };
      this.#queue.push({ handler, event, options, resolve, reject, ...state });
      this.#assign();
    });
  }

  map(handler: HandlerRef, events: readonly unknown[], options: MapOptions = {}): Promise<unknown[]> {
    return Promise.all(
      events.map(async (event, index) => {
        const result = await this.run(handler, event, options);
        options.onResult?.(index, result);
        return result;
      }),
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelLook?.();
    const error = new MayflyError("CLOSED", "The executor was closed while the function was running.");
    for (const task of [...this.#queue.splice(0), ...this.#running])
      this.#settle(task, () => task.reject(error));
    await this.#options.backend.close();
  }

  #assign(): void {
    const { backend, speculate } = this.#options;
    while (!this.#closed && this.#taken < backend.slots) {
      const task = this.#queue.shift() ?? (speculate === true ? this.#straggler() : undefined);
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
    return [...this.#running].find(({ handler, attempts, isOver }) => {
      const usualMs = this.#usualMs(handler);
      const [only, ...others] = attempts;
      if (isOver || usualMs === undefined || only === undefined || others.length > 0) return false;
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
    const withinMs = this.#usualMs(task.handler) ?? failWithinMs;
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
    this.#noteDuration(task.handler, this.#options.clock.now() - attempt.startedAtMs);
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
    const { attemptsMax = attemptsMaxDefault } = this.#options;
    const isLost = ended !== undefined || error.code === "TASK_FAILED";
    const isTransient = error.kind === "unavailable" || error.kind === "busy";
    if (!isLost && !isTransient) {
      this.#settle(task, () => task.reject(error));
      return;
    }
    task.failures += 1;
    // The other attempt may still do it.
    if (task.attempts.size > 0) return;
    if (task.failures < attemptsMax) {
      this.#queue.unshift(task);
      return;
    }
    const message = `Function ${task.handler.name} failed ${task.failures} times; the last time it ${ended ?? error.message}`;
    this.#settle(task, () => task.reject(isLost ? new MayflyError("TASK_FAILED", message) : error));
  }

  #leave(task: Task, attempt: Attempt): void {
    for (const cancel of attempt.cancelTimers) cancel();
    task.attempts.delete(attempt);
    if (task.attempts.size === 0) this.#running.delete(task);
    this.#taken -= 1;
  }

  #settle(task: Task, settle: () => void): void {
    task.isOver = true;
    for (const { running } of task.attempts) running.stop();
    settle();
  }

  #noteDuration({ module, name }: HandlerRef, ms: number): void {
    const key = `${module} ${name}`;
    const durations = [...(this.#durations.get(key) ?? []), ms].slice(-durationsKept);
    this.#durations.set(key, durations);
  }

  /** The median; undefined while it is not known. */
  #usualMs({ module, name }: HandlerRef): number | undefined {
    const durations = this.#durations.get(`${module} ${name}`) ?? [];
    if (durations.length < knownRuns) return undefined;
    return [...durations].sort((a, b) => a - b)[durations.length >> 1];
  }
}
