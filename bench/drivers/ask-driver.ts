/** A process of a benchmark that does what it is asked, one request after another. Its side is answer-requests.ts. */
import { fileURLToPath } from "node:url";
import { type PinnedProcess, spawnPinned } from "../harness/processes.ts";
import type { DriverReply } from "./answer-requests.ts";

export interface AskedDriver {
  readonly pid: number;
  /** @throws Error when the request fails, when the process ends or is late; the signal's reason */
  ask(request: unknown): Promise<unknown>;
  stop(): Promise<void>;
}

export interface AskedDriverOptions {
  /** A file of this folder, without its ending. */
  readonly driver: string;
  /** Given to it as JSON, as its only argument. */
  readonly target: unknown;
  readonly cores?: readonly number[] | undefined;
  /** For each answer. */
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** Resolves when it is ready. @throws as `ask`; it has ended then */
export async function startAskedDriver(options: AskedDriverOptions): Promise<AskedDriver> {
  const { driver, target, cores, withinMs, signal } = options;
  signal.throwIfAborted();
  const child = await spawnPinned({
    command: process.execPath,
    args: [fileURLToPath(new URL(`./${driver}.js`, import.meta.url)), JSON.stringify(target)],
    cores,
    ipc: true,
  });
  const next = async (): Promise<unknown> => {
    const reply = await nextReply(child, driver, withinMs, signal);
    if ("failed" in reply) throw new Error(`${driver} failed: ${reply.failed}`);
    return reply.answer;
  };
  try {
    await next();
  } catch (thrown) {
    await child.stop();
    throw thrown;
  }
  return {
    pid: child.pid,
    async ask(request) {
      const answered = next();
      child.child.send(request as object);
      return await answered;
    },
    stop: () => child.stop(),
  };
}

function nextReply(
  { child, exited, complaints }: PinnedProcess,
  driver: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<DriverReply> {
  const reply = new Promise<DriverReply>((resolve, reject) => {
    const abort = (): void => end(() => reject(signal.reason));
    const hear = (message: unknown): void => end(() => resolve(message as DriverReply));
    const late = (): void => end(() => reject(new Error(`${driver} did not answer in ${withinMs} ms`)));
    const timer = setTimeout(late, withinMs);
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", abort);
      child.off("message", hear);
      settle();
    };
    child.once("message", hear);
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    void exited.then((how) => end(() => reject(new Error(`${driver} ended (${how}): ${complaints()}`))));
  });
  // It may be rejected before anybody waits for it.
  reply.catch(() => undefined);
  return reply;
}
