/**
 * Nodes as child processes on this machine: `node <mainPath> node --controller <url> ...`. A child is ready when it
 * prints a line of JSON with the field `ready` on its standard output. It must exit when its IPC channel disconnects, so
 * that no node outlives this process, however it ends.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import type { Cancel, Clock } from "../../clock.ts";
import { systemClock } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import { createLimiter } from "./limiter.ts";
import type { NodeSpec, ProvisionedNode, Provisioner } from "./provisioner.ts";

export interface ProcessProvisionerOptions {
  /** The CLI's main file. */
  readonly mainPath: string;
  /** Arguments for the node runtime itself, before `mainPath`; those of this process by default. */
  readonly execArgv?: readonly string[];
  /** Address that nodes listen on; 127.0.0.1 by default. */
  readonly host?: string;
  /** A child that is not ready by then is killed; 15,000 by default. */
  readonly readyWithinMs?: number;
  /** From asking a child to end to killing it; 5,000 by default. */
  readonly stopWithinMs?: number;
  readonly clock?: Clock;
}

/** How soon a process is there: numbers for the autoscaler's policy, which otherwise expects machines. */
export const processPace = { startMs: 1000, decideEveryMs: 1000, coolDownUpMs: 2000 } as const;

interface NodeProcess extends ProvisionedNode {
  readonly child: ChildProcess;
}

/** How much of what a child complained about goes into an error. */
const stderrTailChars = 2000;
/** A child whose output has longer lines is not one of ours. */
const readyLineCharsMax = 64 * 1024;

export function createProcessProvisioner(options: ProcessProvisionerOptions): Provisioner {
  const { mainPath, host = "127.0.0.1", readyWithinMs = 15_000, stopWithinMs = 5_000 } = options;
  const { clock = systemClock, execArgv = process.execArgv } = options;
  const running = new Map<ProvisionedNode, NodeProcess>();
  // More at a time than there are cores would only make each slower, and starve the nodes that serve.
  const starts = createLimiter(Math.max(2, availableParallelism()));

  async function end(node: NodeProcess): Promise<void> {
    node.child.kill("SIGTERM");
    const cancel = clock.after(stopWithinMs, () => node.child.kill("SIGKILL"));
    await node.ended;
    cancel();
  }

  async function startOne(spec: NodeSpec): Promise<ProvisionedNode> {
    const args = [...execArgv, mainPath, "node", ...nodeArguments(spec, host)];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe", "ipc"] });
    const ended = new Promise<void>((resolve) => {
      child.once("exit", () => resolve());
      child.once("error", () => resolve());
    });
    const { pid } = child;
    const node: NodeProcess = { name: `process ${pid ?? "(not started)"}`, pid, child, ended };
    running.set(node, node);
    void ended.then(() => running.delete(node));
    try {
      await whenReady(child, readyWithinMs, clock, spec.signal);
    } catch (thrown) {
      if (child.pid !== undefined) child.kill("SIGKILL");
      await ended;
      throw thrown;
    }
    return node;
  }

  return {
    startsNodes: true,
    start: (spec) => starts(() => startOne(spec)),
    async stop(node) {
      const mine = running.get(node);
      if (mine !== undefined) await end(mine);
    },
    async stopAll() {
      await Promise.all([...running.values()].map(end));
    },
  };
}

function nodeArguments({ controllerUrl, memoryBytes, zone }: NodeSpec, host: string): string[] {
  const where = ["--host", host, "--port", "0", ...(zone === undefined ? [] : ["--zone", zone])];
  return ["--controller", controllerUrl, "--memory", String(memoryBytes), ...where];
}

/** Also keeps reading both outputs afterwards, for a full pipe would stop the child. */
function whenReady(
  child: ChildProcess,
  withinMs: number,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<void> {
  let stderrTail = "";
  let line = "";
  let cancel: Cancel = () => {};
  const ready = new Promise<void>((resolve, reject) => {
    const fail = (what: string, cause?: unknown): void => {
      const said = stderrTail.trim() === "" ? "it said nothing" : `it said: ${stderrTail.trim()}`;
      reject(new MayflyError("NODE_UNREACHABLE", `a node process ${what}; ${said}`, { cause }));
    };
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderrTail = (stderrTail + text).slice(-stderrTailChars);
    });
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (line + text).split("\n");
      line = lines.pop()!.slice(-readyLineCharsMax);
      if (lines.some(saysReady)) resolve();
    });
    child.once("error", (error) => fail(`could not be started (${error.message})`, error));
    // `close` and not `exit`: by then all that it said has been read.
    child.once("close", (code, signal) =>
      fail(`ended (${signal ?? `exit code ${code}`}) before it was ready`),
    );
    signal?.addEventListener("abort", () => fail("was given up before it was ready"), { once: true });
    cancel = clock.after(withinMs, () => fail(`was not ready after ${withinMs} ms`));
  });
  return ready.finally(() => cancel());
}

function saysReady(line: string): boolean {
  if (!line.startsWith("{")) return false;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "ready" in value;
  } catch {
    return false;
  }
}
