import type { Clock } from "../../src/clock.ts";

/** Steps between two looks at the clock. */
const stepsPerLook = 16;

/** Long work in slices, between which everything else has its turn. */
export class TimeSlices {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  #startMs: number;
  #steps = 0;

  constructor(clock: Clock, sliceMs = 2) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
    this.#startMs = clock.now();
  }

  /** To be asked after each step: whether the slice is over and `pause` is due. */
  get over(): boolean {
    this.#steps += 1;
    return this.#steps % stepsPerLook === 0 && this.#clock.now() - this.#startMs >= this.#sliceMs;
  }

  async pause(): Promise<void> {
    await new Promise<void>((resolve) => this.#clock.after(0, resolve, true));
    this.#startMs = this.#clock.now();
  }
}
