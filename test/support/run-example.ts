/** A built example as a process of its own, as its users start it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { builtModuleUrl } from "./built-module.ts";

export interface ExampleProcess {
  readonly child: ChildProcess;
  /** Its standard error so far. */
  readonly said: () => string;
  readonly ended: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** Killed with the test if it has not ended by then; its own processes end with it. */
export function startExample(name: string, args: readonly string[]): ExampleProcess {
  const main = fileURLToPath(builtModuleUrl(`examples/${name}/main.js`));
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env["PATH"] },
  });
  const [out, err]: [string[], string[]] = [[], []];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => out.push(text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => err.push(text));
  const ended = once(child, "close").then(([code]) => ({
    ...{ code: code as number | null, stdout: out.join(""), stderr: err.join("") },
  }));
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return { child, said: () => err.join(""), ended };
}

/** The object that it prints with `--json`. @throws Error with what it complained about */
export async function exampleReport(name: string, args: readonly string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await startExample(name, [...args, "--json"]).ended;
  if (code !== 0) throw new Error(`${name} ended with code ${code}: ${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}
