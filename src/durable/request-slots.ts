/** Requests wait here until the limiter lets them go, first come, first served. */
import type { Cancel, Clock } from "../clock.ts";
import type { Limiter, RequestSample } from "./limiter.ts";
import { type OpenCall, reasonOf } from "./store-calls.ts";

/** To be given back once; again does nothing. */
export type GiveBack = (sample: Omit<RequestSample, "startedAtMs">) => void;

export class RequestSlots {
  readonly #clock: Clock;
  readonly #limiter: Limiter;
  /** As many at most as calls may be open, and each call of an upload has a few parts. */
  readonly #waiting = new Set<() => void>();
  #cancelTimer: Cancel | undefined;

  constructor(clock: Clock, limiter: Limiter) {
    this.#clock = clock;
    this.#limiter = limiter;
  }

  /** @throws the reason of the call's signal when it fires before there is a slot */
  async take({ signal }: Pick<OpenCall, "signal">): Promise<GiveBack> {
    if (signal.aborted) throw reasonOf(signal);
    if (this.#waiting.size > 0 || this.#limiter.waitMs(this.#clock.now()) > 0) await this.#wait(signal);
    else this.#limiter.start(this.#clock.now());
    const startedAtMs = this.#clock.now();
    let given = false;
    return (sample) => {
      if (given) return;
      given = true;
      this.#limiter.finish(this.#clock.now(), { startedAtMs, ...sample });
      this.#letGo();
    };
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = (): void => {
        this.#waiting.delete(go);
        reject(reasonOf(signal));
      };
      signal.addEventListener("abort", onAbort, { once: true });
      this.#waiting.add(go);
      this.#letGo();
    });
  }

  #letGo(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    for (const go of this.#waiting) {
      const nowMs = this.#clock.now();
      const waitMs = this.#limiter.waitMs(nowMs);
      if (waitMs > 0) {
        if (waitMs < Number.POSITIVE_INFINITY) {
          this.#cancelTimer = this.#clock.after(Math.ceil(waitMs), () => this.#letGo());
        }
        return;
      }
      this.#waiting.delete(go);
      this.#limiter.start(nowMs);
      go();
    }
  }
}
