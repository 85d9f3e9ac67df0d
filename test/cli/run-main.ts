/** The built program as a process, with nothing of the caller's MAYFLY_* variables. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { mainPath } from "../support/main-path.ts";

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningMain {
  readonly child: ChildProcessWithoutNullStreams;
  /** The first line of standard output; rejects when the process ends without one. */
  readonly firstLine: Promise<string>;
  readonly ended: Promise<Ended>;
}

/** Starts it; it is killed when the test ends, should it still run. */
export function startMain(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningMain {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("MAYFLY_"));
  const child = spawn(process.execPath, [mainPath, ...args], {
    env: { ...Object.fromEntries(clean), ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let stdout = "";
  let stderr = "";
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    ended.then(() => reject(new Error(`it ended and said: ${stderr}`)), reject);
  });
  firstLine.catch(() => undefined);
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  // A process that ends without reading its input.
  child.stdin.on("error", () => undefined);
  return { child, firstLine, ended };
}

export function runMain(
  args: readonly string[],
  { input = "", env = {} }: { input?: string | Uint8Array; env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  const { child, ended } = startMain(args, env);
  child.stdin.end(input);
  return ended;
}
