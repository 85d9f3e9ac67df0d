/** A contender that does the same piece of work again and again, on the calling thread. */
import type { Contender } from "./compare.ts";
import { rounded } from "./statistics.ts";

/** `run` handles `bytes` of data and returns when it is done. */
export interface Work {
  readonly bytes: number;
  run(): void;
}

/** Long enough for the timer and for a slow moment to be one among others; short enough to take turns often. */
const sampleMsDefault = 40;

/** Its samples have one figure, `gbPerSecond`: work done over and over for at least `sampleMs`, at least once. */
export function throughputOf({ bytes, run }: Work, sampleMs = sampleMsDefault): Contender {
  return {
    sample() {
      const startMs = performance.now();
      let runs = 0;
      let elapsedMs = 0;
      do {
        run();
        runs++;
        elapsedMs = performance.now() - startMs;
      } while (elapsedMs < sampleMs);
      return { gbPerSecond: rounded((runs * bytes) / elapsedMs / 1e6) };
    },
  };
}
