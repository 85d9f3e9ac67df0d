/** Gives a request up when no byte has come or gone for a while: it is repeated then, and the stall does not eat the call's time. */
import type { Cancel, Clock } from "../../clock.ts";
import type { OpenCall } from "../store-calls.ts";
import { StalledRequest } from "./s3-errors.ts";

export class StallWatch {
  readonly #clock: Clock;
  readonly #call: OpenCall;
  readonly #stallMs: number;
  readonly #controller = new AbortController();
  readonly #onAbort: () => void;
  #cancel: Cancel = () => undefined;
  #lastMs: number;
  #latencyMs: number | undefined;
  #paused = false;

  constructor(clock: Clock, call: OpenCall, stallMs: number) {
    this.#clock = clock;
    this.#call = call;
    this.#stallMs = stallMs;
    this.#lastMs = clock.now();
    this.#onAbort = () => this.#controller.abort(call.signal.reason);
    call.signal.addEventListener("abort", this.#onAbort, { once: true });
    if (call.signal.aborted) this.#onAbort();
    this.#arm(stallMs);
  }

  /** Fires when the request is to be given up: its own stall, or the end of its call. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** From the last byte sent to the first of the answer; undefined before there is one. */
  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  /** A byte came or went. */
  touch(): void {
    this.#lastMs = this.#clock.now();
  }

  /** The headers of the answer are there. */
  answered(): void {
    const nowMs = this.#clock.now();
    this.#latencyMs ??= nowMs - this.#lastMs;
    this.#lastMs = nowMs;
  }

  /** Nobody waits for bytes now. */
  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.touch();
  }

  /** The connection of a request that has not come to its end is closed. */
  end(isComplete: boolean): void {
    this.#cancel();
    this.#call.signal.removeEventListener("abort", this.#onAbort);
    if (!isComplete) this.#controller.abort(new StalledRequest("the request was given up"));
  }

  #arm(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => {
      const quietMs = this.#paused ? 0 : this.#clock.now() - this.#lastMs;
      // Timers may fire a little early.
      if (quietMs < this.#stallMs - 1) return this.#arm(this.#stallMs - quietMs);
      this.#controller.abort(new StalledRequest(`no byte came or went for ${Math.round(quietMs)} ms`));
    });
  }
}
