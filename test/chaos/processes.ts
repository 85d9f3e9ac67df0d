/** Child processes of a run: where they are, what they say, how they end. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";
import { type Clock, sleep } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Place } from "./network.ts";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly ended: Promise<Exit>;
  /** How it ended, if it did. */
  exit: Exit | undefined;
  /** The end of what it said on standard error. */
  complaints: string;
}

const complaintsMax = 2000;

/**
 * Starts a Node.js program at a place. What it says on standard error goes to the file; with an IPC channel it learns when
 * this process is gone.
 */
export function startProcess(
  place: Place,
  args: readonly string[],
  logFile: string,
  env: NodeJS.ProcessEnv = process.env,
): RunningProcess {
  const [program, all] = place.command(process.execPath, args);
  // A group of its own: a Ctrl-C at the terminal is for the run, not for its nodes.
  const child = spawn(program, all, { stdio: ["ignore", "pipe", "pipe", "ipc"], detached: true, env });
  const log = createWriteStream(logFile, { flags: "a" });
  const running: RunningProcess = {
    ...{ child, pid: child.pid ?? -1, exit: undefined, complaints: "" },
    ended: new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        running.exit ??= { code, signal };
        resolve(running.exit);
      };
      // Not "exit": by then not all that it said may have been read.
      child.once("close", end);
      child.once("error", () => end(null, null));
    }),
  };
  child.stderr?.on("data", (chunk: Buffer) => {
    log.write(chunk);
    running.complaints = (running.complaints + String(chunk)).slice(-complaintsMax);
  });
  void running.ended.then(() => log.end());
  return running;
}

/** What follows `{"ready":` in the line that a process of ours prints when it serves. */
export async function untilReady(running: RunningProcess, what: string): Promise<Record<string, unknown>> {
  const { stdout } = running.child;
  if (stdout === null) throw new MayflyError("INTERNAL", `${what} has no standard output`);
  for await (const line of createInterface({ input: stdout })) {
    if (!line.startsWith('{"ready":')) continue;
    // A full pipe would stop it.
    stdout.resume();
    return (JSON.parse(line) as { ready: Record<string, unknown> }).ready;
  }
  const { code, signal } = await running.ended;
  throw new MayflyError(
    "NODE_UNREACHABLE",
    `${what} ended (${signal ?? `exit code ${code}`}) before it was ready`,
  );
}

/** Signals a process that may have ended. */
export function signal(running: RunningProcess, name: NodeJS.Signals): void {
  if (running.exit === undefined) running.child.kill(name);
}

/** How it ended within this time, else undefined. */
export function endedWithin(running: RunningProcess, clock: Clock, ms: number): Promise<Exit | undefined> {
  return Promise.race([running.ended, sleep(clock, ms).then(() => undefined)]);
}
