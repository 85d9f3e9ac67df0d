/** Functions as processes of this machine: a pool of them, each running one function at a time and kept warm. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { MayflyError } from "../errors.ts";
import type { Backend, FunctionCall, RunningCall } from "./backend.ts";
import type { HandlerRef } from "./executor.ts";
import { type CallReply, resultOf } from "./run-call.ts";

/** What a function's process answers over the IPC channel; it is sent a `FunctionCall`. */
export type ReplyMessage = { readonly progress: Readonly<Record<string, number>> } | CallReply;

export interface ProcessBackendOptions {
  readonly workers: number;
  /** Text form of the ticket; all that the functions get to know. */
  readonly ticket: string;
  /** URLs of modules by the names that handlers have for them; a name that is not here is a URL itself. */
  readonly modules?: Readonly<Record<string, string>>;
  /** Flags of the runtime, for example `--no-liftoff` for functions that mostly run kernels. */
  readonly execArgv?: readonly string[];
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: MayflyError) => void;
  readonly onProgress: (report: Readonly<Record<string, number>>) => void;
}

const stderrTailChars = 2000;

export class ProcessBackend implements Backend {
  readonly slots: number;
  readonly #options: ProcessBackendOptions;
  readonly #main: string;
  readonly #idle: ChildProcess[] = [];
  /** By process: what it runs. */
  readonly #running = new Map<ChildProcess, Pending | undefined>();

  constructor(options: ProcessBackendOptions) {
    this.slots = options.workers;
    this.#options = options;
    this.#main = fileURLToPath(new URL("./local-function.js", import.meta.url));
  }

  start(call: FunctionCall, onProgress: Pending["onProgress"]): RunningCall {
    const child = this.#idle.pop() ?? this.#fork();
    let pending: Pending | undefined;
    const result = new Promise<unknown>((resolve, reject) => {
      pending = { resolve, reject, onProgress };
      this.#running.set(child, pending);
    });
    child.send({ ...call, handler: this.#located(call.handler) });
    const stop = (): void => {
      // It may have answered, and run something else by now.
      if (this.#running.get(child) === pending) child.kill("SIGKILL");
    };
    return { result, stop };
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#running.keys()].map((child) => {
        const gone = new Promise((resolve) => child.once("close", resolve));
        child.kill("SIGKILL");
        return gone;
      }),
    );
  }

  #located({ module, name }: HandlerRef): HandlerRef {
    const { modules = {} } = this.#options;
    return { module: Object.hasOwn(modules, module) ? modules[module]! : module, name };
  }

  #fork(): ChildProcess {
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
      this.#onEnd(child, `${signal ?? `exit code ${code}`} ${stderrTail.trim()}`.trim()),
    );
    this.#running.set(child, undefined);
    return child;
  }

  #onMessage(child: ChildProcess, message: ReplyMessage): void {
    const pending = this.#running.get(child);
    if (pending === undefined) return;
    if ("progress" in message) {
      pending.onProgress(message.progress);
      return;
    }
    this.#running.set(child, undefined);
    this.#idle.push(child);
    try {
      pending.resolve(resultOf(message));
    } catch (thrown) {
      pending.reject(MayflyError.from(thrown));
    }
  }

  #onEnd(child: ChildProcess, why: string): void {
    const pending = this.#running.get(child);
    this.#running.delete(child);
    const idleAt = this.#idle.indexOf(child);
    if (idleAt >= 0) this.#idle.splice(idleAt, 1);
    pending?.reject(new MayflyError("TASK_FAILED", `ended with its process: ${why}`));
  }
}
