/** What child processes of tests say, and how they end. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";

/**
 * What follows `{"ready":` in the line that a process of ours prints when it serves. Rejects when it ends before, with
 * what it complained about.
 */
export async function readyLine(child: ChildProcess): Promise<unknown> {
  if (child.stdout === null) throw new RangeError("the child has no pipe for its standard output");
  let complaints = "";
  child.stderr?.on("data", (chunk) => {
    complaints = (complaints + String(chunk)).slice(-2000);
  });
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{"ready":')) continue;
    // A full pipe would stop the child.
    child.stdout.resume();
    return (JSON.parse(line) as { ready: unknown }).ready;
  }
  throw new Error(`process ${child.pid} ended before it was ready: ${complaints}`);
}

/** Exit code and all output of a child; rejects (and kills it) after `withinMs`. */
export async function finished(
  child: ChildProcess,
  withinMs: number,
): Promise<{ code: number | null; signal: string | null; output: string }> {
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += String(chunk);
  });
  child.stderr?.on("data", (chunk) => {
    output += String(chunk);
  });
  const closed = once(child, "close") as Promise<[number | null, string | null]>;
  const timer = setTimeout(() => {
    output += `\nnot ended after ${withinMs} ms`;
    child.kill("SIGKILL");
  }, withinMs);
  const [code, signal] = await closed;
  clearTimeout(timer);
  return { code, signal, output };
}

/** Whether the process runs. One that has ended and waits for somebody to take note (a zombie) does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return process.platform !== "linux";
  // Behind the name in parentheses, which may hold anything.
  return readFileSync(path, "latin1").split(") ").at(-1)?.[0] !== "Z";
}
