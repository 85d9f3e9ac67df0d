/**
 * Processes of a benchmark: started on cores of their own, watched, and ended with the benchmark however it ends.
 * A whole fleet is in fleet.ts.
 */
import { type ChildProcess, execFileSync, type StdioOptions, spawn } from "node:child_process";
import { accessSync, constants, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";

export interface SpawnOptions {
  /** A path, or a name to be found on the PATH. */
  readonly command: string;
  readonly args?: readonly string[];
  /** Cores it may run on; all by default, and on machines where nothing can be pinned. */
  readonly cores?: readonly number[] | undefined;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Opens a channel, for a Node program: `child.send` and `child.on("message")`. */
  readonly ipc?: boolean;
}

export interface PinnedProcess {
  readonly pid: number;
  readonly child: ChildProcess;
  /** Settles when it has ended, for whatever reason, with a phrase like "exit code 1"; never rejects. */
  readonly exited: Promise<string>;
  /** The last 2,000 characters that it wrote to its standard error, or else to its standard output. */
  complaints(): string;
  /**
   * The first line of its standard output or standard error that matches, from its start on.
   * @throws Error when it ends before, or after `withinMs` (15,000 by default)
   */
  line(matches: RegExp, withinMs?: number): Promise<string>;
  /** SIGTERM, and SIGKILL after 3 s; resolves when it has ended. To stop it twice does nothing. */
  stop(): Promise<void>;
}

/** Where clients and servers run: never on the same core, so that the scheduler does not decide who wins. */
export interface BenchCores {
  readonly clients: readonly number[];
  readonly servers: readonly number[];
}

const outputTailChars = 2000;
const linesKept = 1000;
const stopWithinMs = 3000;
const clockTicksPerSecond = 100;
const idleMs = 200;

const running = new Set<ChildProcess>();
// The last resort, when nobody had the time to stop them one by one.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Starts a process. @throws Error when it cannot be started */
export async function spawnPinned(options: SpawnOptions): Promise<PinnedProcess> {
  const { command, args = [], env, cwd, ipc = false } = options;
  const path = command.includes("/") ? command : findProgram(command);
  // What goes before the command would start even without it.
  if (path === undefined || !isProgram(path))
    throw new Error(`${command} cannot be started: it is not there`);
  const [program, ...rest] = [...prefixFor(options.cores), path, ...args] as [string, ...string[]];
  const stdio: StdioOptions = ["ignore", "pipe", "pipe", ...(ipc ? ["ipc" as const] : [])];
  const child = spawn(program, rest, {
    stdio,
    ...(env !== undefined && { env }),
    ...(cwd !== undefined && { cwd }),
    ...(ipc && { serialization: "advanced" as const }),
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => reject(new Error(`${command} cannot be started: ${error.message}`)));
  });
  running.add(child);
  const exited = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      running.delete(child);
      resolve(signal ?? `exit code ${code}`);
    });
  });
  const output = watchOutput(child, command, exited);
  return {
    ...{ pid: child.pid!, child, exited, ...output },
    async stop() {
      if (!running.has(child)) return;
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopWithinMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** Reads both outputs until they end: a full pipe would stop the child. */
function watchOutput(
  child: ChildProcess,
  command: string,
  exited: Promise<string>,
): Pick<PinnedProcess, "complaints" | "line"> {
  const tails = { stdout: "", stderr: "" };
  const lines: string[] = [];
  const listeners = new Set<(line: string) => void>();
  for (const name of ["stdout", "stderr"] as const) {
    let rest = "";
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      tails[name] = (tails[name] + text).slice(-outputTailChars);
      const parts = (rest + text).split("\n");
      rest = parts.pop()!.slice(-outputTailChars);
      for (const line of parts) {
        if (lines.length < linesKept) lines.push(line);
        for (const listener of listeners) listener(line);
      }
    });
  }
  const complaints = (): string => (tails.stderr.trim() === "" ? tails.stdout : tails.stderr).trim();
  return {
    complaints,
    async line(matches, withinMs = 15_000) {
      const said = lines.find((line) => matches.test(line));
      if (said !== undefined) return said;
      let timer: NodeJS.Timeout | undefined;
      let listener: (line: string) => void = () => undefined;
      const found = new Promise<string>((resolve, reject) => {
        const fail = (what: string): void =>
          reject(new Error(`${command} ${what}; it said: ${complaints() || "nothing"}`));
        listener = (line) => matches.test(line) && resolve(line);
        listeners.add(listener);
        timer = setTimeout(() => fail(`did not say ${matches} within ${withinMs} ms`), withinMs);
        // By `close` all that it said has been read.
        child.once(
          "close",
          () => void exited.then((how) => fail(`ended (${how}) before it said ${matches}`)),
        );
      });
      return found.finally(() => {
        clearTimeout(timer);
        listeners.delete(listener);
      });
    },
  };
}

/** What goes before a command: it is pinned, and ends when this process does, even by SIGKILL. */
function prefixFor(cores: readonly number[] | undefined): string[] {
  const mortal = findProgram("setpriv") === undefined ? [] : ["setpriv", "--pdeathsig", "KILL"];
  const pinned = cores === undefined || !canPin() ? [] : ["taskset", "-c", cores.join(",")];
  return process.platform === "linux" ? [...mortal, ...pinned] : [];
}

function canPin(): boolean {
  return process.platform === "linux" && findProgram("taskset") !== undefined;
}

/** The first of this process's cores for clients, the others for servers; undefined where nothing can be pinned. */
export function coresForBench(): BenchCores | undefined {
  if (!canPin()) return undefined;
  const answer = execFileSync("taskset", ["-cp", String(process.pid)], { encoding: "utf8" });
  const [first, ...others] = parseCoreList(answer.slice(answer.lastIndexOf(":") + 1));
  return first === undefined || others.length === 0 ? undefined : { clients: [first], servers: others };
}

/** `0,2-4` are 0, 2, 3 and 4. */
export function parseCoreList(text: string): number[] {
  return text
    .trim()
    .split(",")
    .filter((part) => part !== "")
    .flatMap((part) => {
      const [from = Number.NaN, to = from] = part.split("-").map(Number);
      return Number.isNaN(to - from) ? [] : Array.from({ length: to - from + 1 }, (_, i) => from + i);
    });
}

/** Moves running processes, with all their threads. Does nothing where nothing can be pinned. */
export function pinProcesses(pids: readonly number[], cores: readonly number[] | undefined): void {
  if (cores === undefined || !canPin()) return;
  for (const pid of pids) {
    execFileSync("taskset", ["-apc", cores.join(","), String(pid)], { stdio: ["ignore", "ignore", "pipe"] });
  }
}

/**
 * CPU time that these processes have used so far, in user mode and in the kernel, all threads, in steps of 10 ms.
 * NaN where there is no /proc, and when one of them has ended.
 */
export function cpuSecondsOf(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      // Behind the name in parentheses, which may hold anything, field 3 comes first; utime and stime are 14 and 15.
      const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ").at(-1)!.split(" ");
      ticks += Number(fields[11]) + Number(fields[12]);
    } catch {
      return Number.NaN;
    }
  }
  return ticks / clockTicksPerSecond;
}

/**
 * Resolves when these processes have used less than 5 % of a core for 200 ms, or at last after `withinMs`: what they do
 * when they start must not fall into a sample.
 */
export async function untilIdle(pids: readonly number[], withinMs = 20_000): Promise<void> {
  const untilMs = performance.now() + withinMs;
  for (let before = cpuSecondsOf(pids); performance.now() < untilMs; ) {
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const now = cpuSecondsOf(pids);
    if (!(now - before > (0.05 * idleMs) / 1000)) return;
    before = now;
  }
}

/** The path of a program, as a shell would find it. */
export function findProgram(name: string, path = process.env["PATH"] ?? ""): string | undefined {
  return path
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find(isProgram);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that was free a moment ago, for servers that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has no port");
  return address.port;
}
