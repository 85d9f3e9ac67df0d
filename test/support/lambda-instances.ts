/** Instances of one deployed function: processes that serve one call at a time, are kept warm, and freeze in between. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface Deployment {
  /** URL of the ES module. */
  readonly module: string;
  /** Export; `handler` by default. */
  readonly handler?: string;
  readonly timeoutMs: number;
  /** Reserved concurrency. */
  readonly concurrency: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Outcome {
  readonly payload: string;
  readonly functionError?: "Unhandled";
}

type InstanceMessage = { readonly ready: true } | { readonly payload: string } | { readonly error: unknown };

/** What the platform adds to 6 MiB for answers. */
const answerBytesMax = 6_291_556;

export class LambdaInstances {
  readonly #name: string;
  readonly #deployment: Deployment;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  running = 0;
  coldStarts = 0;

  constructor(name: string, deployment: Deployment) {
    this.#name = name;
    this.#deployment = deployment;
  }

  get isFull(): boolean {
    return this.running >= this.#deployment.concurrency;
  }

  get pids(): number[] {
    return [...this.#all].map(({ pid }) => pid!);
  }

  async invoke(event: unknown, requestId: string): Promise<Outcome> {
    this.running += 1;
    const warm = this.#idle.pop();
    const child = warm ?? this.#start();
    warm?.kill("SIGCONT");
    try {
      const outcome = await this.#outcome(child, warm !== undefined, event, requestId);
      if (this.#all.has(child) && child.exitCode === null && child.signalCode === null) {
        // As on Lambda, where an instance has no time between two calls.
        child.kill("SIGSTOP");
        this.#idle.push(child);
      }
      return outcome;
    } finally {
      this.running -= 1;
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#all].map((child) => end(child)));
  }

  #start(): ChildProcess {
    this.coldStarts += 1;
    const { module, handler = "handler", environment = {} } = this.#deployment;
    const main = fileURLToPath(new URL("lambda-instance.mjs", import.meta.url));
    const child = fork(main, [module, handler], {
      env: {
        ...{ PATH: "", AWS_LAMBDA_FUNCTION_NAME: this.#name, AWS_LAMBDA_FUNCTION_MEMORY_SIZE: "256" },
        ...environment,
      },
      execArgv: [],
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    this.#all.add(child);
    // What cannot be sent to it any more: its exit tells.
    child.on("error", () => undefined);
    child.once("exit", () => {
      this.#all.delete(child);
      const at = this.#idle.indexOf(child);
      if (at >= 0) this.#idle.splice(at, 1);
    });
    return child;
  }

  async #outcome(child: ChildProcess, isWarm: boolean, event: unknown, requestId: string): Promise<Outcome> {
    const { timeoutMs } = this.#deployment;
    const heard = new AbortController();
    let isTimedOut = false;
    let timer: NodeJS.Timeout | undefined;
    const call = (): void => {
      // The time to start an instance does not count.
      timer = setTimeout(() => {
        isTimedOut = true;
        child.kill("SIGKILL");
      }, timeoutMs);
      child.send({ event, awsRequestId: requestId });
    };
    const answered = new Promise<Outcome>((resolve) => {
      const onMessage = (message: unknown): void => {
        if ("ready" in (message as InstanceMessage)) call();
        else resolve(outcomeOf(message as Exclude<InstanceMessage, { ready: true }>));
      };
      child.on("message", onMessage);
      heard.signal.addEventListener("abort", () => child.off("message", onMessage));
    });
    const exited = once(child, "exit", heard).then(([code, killedBy]) => {
      if (isTimedOut) {
        const seconds = (timeoutMs / 1000).toFixed(2);
        const errorMessage = `RequestId: ${requestId} Error: Task timed out after ${seconds} seconds`;
        return failed({ errorType: "Sandbox.Timedout", errorMessage });
      }
      const how = killedBy === "SIGKILL" ? "signal: killed" : `exit status ${code}`;
      const errorMessage = `RequestId: ${requestId} Error: Runtime exited with error: ${how}`;
      return failed({ errorType: "Runtime.ExitError", errorMessage });
    });
    const outcome = Promise.race([answered, exited]);
    // Given up below when there was an answer.
    exited.catch(() => undefined);
    if (isWarm) call();
    try {
      return await outcome;
    } finally {
      clearTimeout(timer);
      heard.abort();
    }
  }
}

function outcomeOf(message: Exclude<InstanceMessage, { ready: true }>): Outcome {
  if ("error" in message) return failed(message.error);
  if (Buffer.byteLength(message.payload) <= answerBytesMax) return { payload: message.payload };
  return failed({
    errorType: "Function.ResponseSizeTooLarge",
    errorMessage: `Response payload size exceeded maximum allowed payload size (${answerBytesMax} bytes).`,
  });
}

function failed(error: unknown): Outcome {
  return { payload: JSON.stringify(error), functionError: "Unhandled" };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}
