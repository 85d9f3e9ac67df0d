/** The processes that make the load, and what they say they did. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { MayflyError } from "../../src/errors.ts";
import type { FromLoad, LoadSetup, RecordedOperation, ToLoad, Workload } from "./load/recorded.ts";
import type { Place } from "./network.ts";
import { type RunningProcess, signal, startProcess, untilReady } from "./processes.ts";

/** More than all clients of one process. */
const clientsEach = 64;

export interface LoadResult {
  readonly operations: RecordedOperation[];
  /** Calls that never returned. */
  readonly hanging: readonly string[];
  readonly worstStandstillMs: number;
}

export class LoadProcesses {
  readonly #processes: readonly RunningProcess[];
  readonly #operations: RecordedOperation[] = [];
  readonly #hanging: string[] = [];
  #worstStandstillMs = 0;

  private constructor(processes: readonly RunningProcess[]) {
    this.#processes = processes;
    for (const { child } of processes) child.on("message", (message: FromLoad) => this.#take(message));
  }

  static async start(count: number, place: Place, dir: string): Promise<LoadProcesses> {
    // Beside this file's bundle, which scripts/chaos.js makes of it.
    const main = fileURLToPath(new URL("load/main.js", import.meta.url));
    const processes = Array.from({ length: count }, (_, at) =>
      startProcess(place, [main], join(dir, `load-${at}.log`)),
    );
    await Promise.all(processes.map((running, at) => untilReady(running, `load process ${at}`)));
    return new LoadProcesses(processes);
  }

  get operations(): readonly RecordedOperation[] {
    return this.#operations;
  }

  begin(setup: Omit<LoadSetup, "firstClient">): void {
    for (const [at, running] of this.#processes.entries()) {
      send(running, { kind: "start", setup: { ...setup, firstClient: 1 + at * clientsEach } });
    }
  }

  /** Resolves when all calls have returned, or were given up. */
  async stop(): Promise<void> {
    await Promise.all(
      this.#processes.map((running) => {
        send(running, { kind: "stop" });
        return untilMessage(running, "stopped");
      }),
    );
  }

  async readBack(keys: readonly (readonly [Workload, string])[]): Promise<void> {
    await Promise.all(
      this.#processes.map((running, at) => {
        const share = keys.filter((_, number) => number % this.#processes.length === at);
        send(running, { kind: "read-back", keys: share });
        return untilMessage(running, "read-back-done");
      }),
    );
  }

  result(): LoadResult {
    return {
      operations: this.#operations,
      hanging: this.#hanging,
      worstStandstillMs: this.#worstStandstillMs,
    };
  }

  end(): void {
    for (const running of this.#processes) signal(running, "SIGKILL");
  }

  #take(message: FromLoad): void {
    if (message.kind === "operations")
      for (const operation of message.operations) this.#operations.push(operation);
    if (message.kind === "stalled")
      this.#worstStandstillMs = Math.max(this.#worstStandstillMs, message.worstMs);
    if (message.kind === "stopped") this.#hanging.push(...message.hanging);
  }
}

function send({ child }: RunningProcess, message: ToLoad): void {
  if (child.connected) child.send(message);
}

async function untilMessage({ child, ended }: RunningProcess, kind: FromLoad["kind"]): Promise<void> {
  const said = new Promise<boolean>((resolve) => {
    child.on("message", (message: FromLoad) => {
      if (message.kind === kind) resolve(true);
    });
  });
  if (await Promise.race([said, ended.then(() => false)])) return;
  throw new MayflyError("INTERNAL", "a load process ended by itself; its log says why (--keep)");
}
