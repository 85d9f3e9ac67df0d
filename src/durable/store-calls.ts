/** The calls that a store has open: how many there may be, when each must have ended, and how it ends early. */
import type { Cancel, Clock } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { StoreCall } from "./object-store.ts";

export const timeoutMsDefault = 60_000;
const timeoutMsMax = 2 ** 31 - 1;
/** Each may hold the buffer of its caller: that many, and no more memory. */
export const callsMax = 1024;
const busyRetryMs = 100;

export interface OpenCall {
  /** "put a/b to s3://...", for messages. */
  readonly what: string;
  /** Fires once: at the deadline, when the caller aborts, when the store is closed. Its reason is the MayflyError to throw. */
  readonly signal: AbortSignal;
  remainingMs(): number;
  /** Between two pieces of a stream: the caller has all the time. */
  pause(): void;
  /** The deadline begins anew, for the next piece. */
  renew(): void;
  end(): void;
}

export class StoreCalls {
  readonly #clock: Clock;
  readonly #url: string;
  readonly #open = new Set<AbortController>();
  #closed = false;

  constructor(clock: Clock, url: string) {
    this.#clock = clock;
    this.#url = url;
  }

  /**
   * @param isPart of a call that is open already
   * @throws MayflyError BUSY above `callsMax`, CLOSED, ABORTED, INVALID_ARGUMENT
   */
  open(action: string, { timeoutMs = timeoutMsDefault, signal }: StoreCall = {}, isPart = false): OpenCall {
    const what = `${action} (${this.#url})`;
    if (this.#closed) throw closedError(what);
    if (!(timeoutMs > 0)) {
      throw new MayflyError("INVALID_ARGUMENT", `timeoutMs of ${what} must be above 0; it is ${timeoutMs}.`);
    }
    if (signal?.aborted) throw abortedError(what, signal);
    if (!isPart && this.#open.size >= callsMax) {
      throw new MayflyError("BUSY", `${what} has to wait: ${callsMax} calls of the store are open already.`, {
        retryAfterMs: busyRetryMs,
      });
    }
    const clock = this.#clock;
    const allowedMs = Math.min(timeoutMs, timeoutMsMax);
    const controller = new AbortController();
    let untilMs = 0;
    let cancel: Cancel = () => undefined;
    const onAbort = (): void => controller.abort(abortedError(what, signal!));
    const call: OpenCall = {
      ...{ what, signal: controller.signal },
      remainingMs: () => untilMs - clock.now(),
      pause: () => {
        cancel();
        untilMs = Number.POSITIVE_INFINITY;
      },
      renew: () => {
        cancel();
        untilMs = clock.now() + allowedMs;
        cancel = clock.after(allowedMs, () => controller.abort(lateError(what, allowedMs)));
      },
      end: () => {
        cancel();
        signal?.removeEventListener("abort", onAbort);
        this.#open.delete(controller);
      },
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#open.add(controller);
    call.renew();
    return call;
  }

  /** Does it within a call, and ends the call. */
  async within<T>(
    action: string,
    options: StoreCall | undefined,
    work: (call: OpenCall) => Promise<T>,
    isPart = false,
  ): Promise<T> {
    const call = this.open(action, options, isPart);
    try {
      return await work(call);
    } finally {
      call.end();
    }
  }

  /** Those that are open reject, and so do all after them. */
  close(): void {
    this.#closed = true;
    for (const controller of this.#open) controller.abort(closedError(this.#url));
  }
}

/** What the call rejects with once its signal has fired. */
export function reasonOf(signal: AbortSignal): MayflyError {
  return MayflyError.from(signal.reason);
}

function closedError(what: string): MayflyError {
  return new MayflyError("CLOSED", `${what}: the store was closed.`);
}

function abortedError(what: string, signal: AbortSignal): MayflyError {
  return new MayflyError("ABORTED", `${what} was aborted by its caller.`, { cause: signal.reason });
}

function lateError(what: string, allowedMs: number): MayflyError {
  return new MayflyError("DEADLINE_EXCEEDED", `${what} did not end within ${Math.round(allowedMs)} ms.`);
}
