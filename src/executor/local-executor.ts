/** Functions as processes of this machine: a pool of them, each running one function at a time and kept warm. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MayflyError } from "../errors.ts";
import type { Executor, HandlerRef, RunOptions } from "./executor.ts";
import type { CallMessage, ReplyMessage } from "./local-messages.ts";

export interface LocalExecutorOptions {
  readonly workers: number;
  /** Text form of the ticket; all that the functions get to know. */
  readonly ticket: string;
  /** Flags of the runtime, for example `--no-liftoff` for functions that mostly run kernels. */
  readonly execArgv?: readonly string[];
}

interface Task {
  readonly call: CallMessage;
  readonly options: RunOptions;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: MayflyError) => void;
  attempts: number;
}

const attemptsMax = 3;
const stderrTailChars = 2000;

export function createLocalExecutor(options: LocalExecutorOptions): Executor {
  return new LocalExecutor(options);
}

class LocalExecutor implements Executor {
  readonly #options: LocalExecutorOptions;
  readonly #main: string;
  readonly #queue: Task[] = [];
  readonly #idle: ChildProcess[] = [];
  readonly #running = new Map<ChildProcess, Task | undefined>();
  #closed = false;

  constructor(options: LocalExecutorOptions) {
    this.#options = options;
    this.#main = fileURLToPath(new URL("./local-function.js", import.meta.url));
  }

  run(handler: HandlerRef, event: unknown, options: RunOptions = {}): Promise<unknown> {
    if (this.#closed) return Promise.reject(new MayflyError("CLOSED", "This executor is closed."));
    return new Promise((resolve, reject) => {
      this.#queue.push({ call: { handler, event }, options, resolve, reject, attempts: 0 });
      this.#assign();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = new MayflyError("CLOSED", "The executor was closed while the function was running.");
    for (const task of this.#queue.splice(0)) task.reject(error);
    await Promise.all(
      [...this.#running].map(([child, task]) => {
        task?.reject(error);
        const gone = new Promise((resolve) => child.once("close", resolve));
        child.kill("SIGKILL");
        return gone;
      }),
    );
  }

  #assign(): void {
    while (this.#queue.length > 0 && (this.#idle.length > 0 || this.#running.size < this.#options.workers)) {
      const child = this.#idle.pop() ?? this.#start();
      const task = this.#queue.shift()!;
      task.attempts += 1;
      this.#running.set(child, task);
      child.send(task.call);
    }
  }

  #start(): ChildProcess {
    const child = fork(this.#main, [], {
      // A function sees its ticket and nothing of this process's environment.
      env: { MAYFLY_TICKET: this.#options.ticket, PATH: "" },
      execArgv: [...(this.#options.execArgv ?? [])],
      stdio: ["ignore", 2, "pipe", "ipc"],
      serialization: "json",
    });
    let stderrTail = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderrTail = (stderrTail + text).slice(-stderrTailChars);
    });
    child.on("message", (message) => this.#onMessage(child, message as ReplyMessage));
    child.on("error", (error) => {
      // It may still run: what it does from now on counts for nothing.
      child.kill("SIGKILL");
      this.#onEnd(child, error.message);
    });
    child.once("close", (code, signal) =>
      this.#onEnd(child, `${signal ?? `exit code ${code}`} ${stderrTail.trim()}`),
    );
    this.#running.set(child, undefined);
    return child;
  }

  #onMessage(child: ChildProcess, message: ReplyMessage): void {
    const task = this.#running.get(child);
    if (task === undefined) return;
    if ("progress" in message) {
      task.options.onProgress?.(message.progress);
      return;
    }
    this.#running.set(child, undefined);
    this.#idle.push(child);
    if ("result" in message) task.resolve(message.result);
    else
      task.reject(new MayflyError(message.error.code, message.error.message, { refs: message.error.refs }));
    this.#assign();
  }

  #onEnd(child: ChildProcess, why: string): void {
    const task = this.#running.get(child);
    this.#running.delete(child);
    const idleAt = this.#idle.indexOf(child);
    if (idleAt >= 0) this.#idle.splice(idleAt, 1);
    if (task === undefined || this.#closed) return;
    if (task.attempts < attemptsMax) this.#queue.unshift(task);
    else {
      const { name } = task.call.handler;
      task.reject(
        new MayflyError("TASK_FAILED", `The process of function ${name} ended ${attemptsMax} times: ${why}`),
      );
    }
    this.#assign();
  }
}
