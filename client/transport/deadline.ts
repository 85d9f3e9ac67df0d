import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";

/** The latest moment at which a call may still be under way, and the caller's wish to end it sooner. */
export interface Deadline {
  readonly clock: Clock;
  readonly atMs: number;
  readonly signal: AbortSignal | undefined;
  /** What the caller asked for, for messages: "get(\"model\")". */
  readonly what: string;
}

export const timeoutMsMax = 15 * 60_000;

/**
 * @param timeoutMs total time for the call, 1 .. 900,000 ms
 */
export function startDeadline(
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  what: string,
): Deadline {
  if (!(timeoutMs > 0) || timeoutMs > timeoutMsMax) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `timeoutMs of ${what} is ${timeoutMs}; it must be above 0 and at most ${timeoutMsMax} (15 minutes).`,
    );
  }
  const deadline = { clock, atMs: clock.now() + timeoutMs, signal, what };
  checkDeadline(deadline);
  return deadline;
}

export function leftMs(deadline: Deadline): number {
  return deadline.atMs - deadline.clock.now();
}

/** Throws ABORTED or DEADLINE_EXCEEDED when the call is over; `last` is the newest reason why it is not done. */
export function checkDeadline(deadline: Deadline, last?: unknown): void {
  if (deadline.signal?.aborted === true) {
    throw new MayflyError("ABORTED", `${deadline.what} was aborted by its signal.`, {
      cause: deadline.signal.reason,
    });
  }
  if (leftMs(deadline) <= 0) throw deadlineError(deadline, last);
}

export function deadlineError(deadline: Deadline, last?: unknown): MayflyError {
  const why = last instanceof Error ? ` Last answer: ${last.message}` : "";
  return new MayflyError("DEADLINE_EXCEEDED", `${deadline.what} was not done within its timeout.${why}`, {
    cause: last,
  });
}

/** Waits `delayMs`, or until the call is over: then throws like `checkDeadline`. */
export function pause(deadline: Deadline, delayMs: number, last?: unknown): Promise<void> {
  checkDeadline(deadline, last);
  const { clock, signal } = deadline;
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      cancel();
      signal?.removeEventListener("abort", finish);
      try {
        checkDeadline(deadline, last);
        resolve();
      } catch (error) {
        reject(error);
      }
    };
    const cancel = clock.after(Math.min(delayMs, Math.max(0, leftMs(deadline))), finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
