/** Drivers that do one piece of work in a process of their own, say what came out, and end. */
import { fileURLToPath } from "node:url";
import { spawnPinned } from "../harness/processes.ts";

export interface DriverRun {
  /** A file of this folder, without its ending. */
  readonly driver: string;
  /** Given to it as JSON, as its only argument. */
  readonly request: unknown;
  readonly cores: readonly number[] | undefined;
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

const resultLine = /^\{"result":/;

/** What the driver told by `tellResult`. @throws Error when it ends without, or is late; the signal's reason */
export async function runDriver(run: DriverRun): Promise<unknown> {
  const { driver, request, cores, withinMs, signal } = run;
  signal.throwIfAborted();
  const child = await spawnPinned({
    command: process.execPath,
    args: [fileURLToPath(new URL(`./${driver}.js`, import.meta.url)), JSON.stringify(request)],
    cores,
  });
  const stop = (): void => void child.stop();
  signal.addEventListener("abort", stop);
  try {
    const line = await child.line(resultLine, withinMs);
    return (JSON.parse(line) as { result: unknown }).result;
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    signal.removeEventListener("abort", stop);
    await child.stop();
  }
}

/** For drivers: what they were asked. */
export function driverRequest(): unknown {
  return JSON.parse(process.argv[2] ?? "null");
}

/** For drivers: the answer, and the end. */
export function tellResult(result: unknown): void {
  process.stdout.write(`${JSON.stringify({ result })}\n`, () => process.exit(0));
}
