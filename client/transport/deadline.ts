import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { StopSignal } from "./stop.ts";

/** The latest moment at which a call may still be under way, and the caller's wish to end it sooner. */
export interface Deadline {
  readonly clock: Clock;
  readonly atMs: number;
  readonly signal: StopSignal | undefined;
  /** What the caller asked for, for messages: "get(\"model\")"; a function where the text would cost each call. */
  readonly what: string | (() => string);
}

export const timeoutMsMax = 15 * 60_000;

/**
 * @param timeoutMs total time for the call, 1 .. 900,000 ms
 */
export function startDeadline(
  clock: Clock,
  timeoutMs: number,
  signal: StopSignal | undefined,
  what: Deadline["what"],
): Deadline {
  if (!(timeoutMs > 0) || timeoutMs > timeoutMsMax) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `timeoutMs of ${nameOf(what)} is ${timeoutMs}; it must be above 0 and at most ${timeoutMsMax} (15 minutes).`,
    );
  }
  const deadline = { clock, atMs: clock.now() + timeoutMs, signal, what };
  checkDeadline(deadline);
  return deadline;
}

function nameOf(what: Deadline["what"]): string {
  return typeof what === "string" ? what : what();
}

export function leftMs(deadline: Deadline): number {
  return deadline.atMs - deadline.clock.now();
}

/** Throws ABORTED or DEADLINE_EXCEEDED when the call is over; `last` is the newest reason why it is not done. */
export function checkDeadline(deadline: Deadline, last?: unknown): void {
  const error = overError(deadline, last);
  if (error !== undefined) throw error;
}

/** ABORTED or DEADLINE_EXCEEDED when the call is over, else undefined. */
export function overError(deadline: Deadline, last?: unknown): MayflyError | undefined {
  if (deadline.signal?.aborted === true) {
    const cause: unknown = deadline.signal.reason;
    return new MayflyError("ABORTED", `${nameOf(deadline.what)} was aborted by its signal.`, { cause });
  }
  return leftMs(deadline) <= 0 ? deadlineError(deadline, last) : undefined;
}

/** DEADLINE_EXCEEDED; but what was refused as busy until the end says so, with its own code. */
export function deadlineError(deadline: Deadline, last?: unknown): MayflyError {
  const late = `${nameOf(deadline.what)} was not done within its timeout.`;
  if (last instanceof MayflyError && last.kind === "busy") {
    const { code, message, retryAfterMs } = last;
    const hint = retryAfterMs === undefined ? {} : { retryAfterMs };
    return new MayflyError(code, `${late} ${message}`, { cause: last, ...hint });
  }
  const why = last instanceof Error ? ` Last answer: ${last.message}` : "";
  return new MayflyError("DEADLINE_EXCEEDED", `${late}${why}`, { cause: last });
}

/** Waits `delayMs`, or until the call is over: then throws like `checkDeadline`. */
export async function pause(deadline: Deadline, delayMs: number, last?: unknown): Promise<void> {
  checkDeadline(deadline, last);
  const { clock, signal } = deadline;
  const waitMs = Math.min(delayMs, leftMs(deadline));
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(waitMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
  if (waitMs < delayMs) throw overError(deadline, last) ?? deadlineError(deadline, last);
  checkDeadline(deadline, last);
}

/** What comes of `work`, or what `checkDeadline` throws when the call is over first; `work` itself goes on. */
export function within<T>(deadline: Deadline, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const { clock, signal } = deadline;
    const giveUp = (): void => {
      release();
      reject(overError(deadline) ?? deadlineError(deadline));
    };
    const cancel = clock.after(Math.max(0, leftMs(deadline)), giveUp);
    const release = (): void => {
      cancel();
      signal?.removeEventListener("abort", giveUp);
    };
    signal?.addEventListener("abort", giveUp, { once: true });
    if (signal?.aborted === true) giveUp();
    work.finally(release).then(resolve, reject);
  });
}
