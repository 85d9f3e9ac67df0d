import type { Clock } from "../../../src/clock.ts";

const everyMs = 20;
const keptMax = 5000;

/** When the event loop of this process stood still: nobody could have returned meanwhile. */
export class Standstills {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #kept: { readonly fromMs: number; readonly toMs: number }[] = [];
  #worstMs = 0;

  /** @param now milliseconds, of the clock that `between` is asked by */
  constructor(clock: Clock, now: () => number) {
    this.#clock = clock;
    this.#now = now;
    this.#watch();
  }

  get worstMs(): number {
    return this.#worstMs;
  }

  /** Milliseconds of standstill in this interval, as far as it is remembered. */
  between(fromMs: number, toMs: number): number {
    return this.#kept.reduce(
      (sum, still) => sum + Math.max(0, Math.min(toMs, still.toMs) - Math.max(fromMs, still.fromMs)),
      0,
    );
  }

  #watch(): void {
    const dueMs = this.#now() + everyMs;
    this.#clock.after(
      everyMs,
      () => {
        const nowMs = this.#now();
        if (nowMs - dueMs > everyMs) {
          this.#kept.push({ fromMs: dueMs, toMs: nowMs });
          if (this.#kept.length > keptMax) this.#kept.shift();
          this.#worstMs = Math.max(this.#worstMs, nowMs - dueMs);
        }
        this.#watch();
      },
      true,
    );
  }
}
