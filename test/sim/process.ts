/** A process of the simulation: it can crash and stand still, and its clocks are its own. */
import type { Clock } from "../../src/clock.ts";
import type { Scheduler } from "./scheduler.ts";

/** 2026-01-01, when every simulation begins. */
const wallZeroMs = 1_767_225_600_000;

export class SimProcess {
  readonly name: string;
  readonly clock: Clock;
  readonly #scheduler: Scheduler;
  #alive = true;
  /** What became due while it stood still. */
  #held: (() => void)[] | undefined;
  #pausedAtMs = 0;
  /** Milliseconds of the monotonic clock for each of real time. */
  readonly #rate: number;
  #monotonicOffsetMs: number;
  #wallOffsetMs: number;

  /** @param clockErrors `turnMs`: how long it takes to come back to work that lets others go first */
  constructor(
    scheduler: Scheduler,
    name: string,
    clockErrors: { rate?: number; offsetMs?: number; turnMs?: number } = {},
  ) {
    const { turnMs = 0 } = clockErrors;
    this.name = name;
    this.#scheduler = scheduler;
    this.#rate = clockErrors.rate ?? 1;
    this.#monotonicOffsetMs = clockErrors.offsetMs ?? 0;
    this.#wallOffsetMs = wallZeroMs;
    this.clock = {
      now: () => scheduler.nowMs * this.#rate + this.#monotonicOffsetMs,
      wallMs: () => Math.floor(scheduler.nowMs + this.#wallOffsetMs),
      after: (delayMs, callback) => {
        let cancelled = false;
        const callOff = scheduler.after(Math.max(turnMs, delayMs / this.#rate), () =>
          this.do(() => {
            if (!cancelled) callback();
          }),
        );
        return () => {
          cancelled = true;
          callOff();
        };
      },
    };
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#held !== undefined;
  }

  /** Runs it now, or when the process goes on, or never when it is dead. */
  do(run: () => void): void {
    if (!this.#alive) return;
    if (this.#held === undefined) run();
    else this.#held.push(run);
  }

  crash(): void {
    this.#alive = false;
    this.#held = undefined;
  }

  pause(): void {
    if (this.#held !== undefined) return;
    this.#held = [];
    this.#pausedAtMs = this.#scheduler.nowMs;
  }

  /** @param frozen its monotonic clock stood still too, as that of a machine that was frozen */
  resume(frozen: boolean): void {
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    if (frozen) this.#monotonicOffsetMs -= (this.#scheduler.nowMs - this.#pausedAtMs) * this.#rate;
    for (const run of held) this.#scheduler.after(0, () => this.do(run));
  }

  jumpWallClock(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
}
