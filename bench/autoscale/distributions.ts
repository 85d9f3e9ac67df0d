/** Draws from published families of distributions. */
import type { Rng } from "../../src/clock.ts";

/** Mean `mean`; > 0. */
export function exponential(rng: Rng, mean: number): number {
  return -mean * Math.log(1 - rng.random());
}

/** Standard normal, by Box and Muller. */
export function normal(rng: Rng): number {
  const radius = Math.sqrt(-2 * Math.log(1 - rng.random()));
  return radius * Math.cos(2 * Math.PI * rng.random());
}

/** Its logarithm has mean ln(`median`) and deviation `sigma`; never beyond `limit` times `sigma` from that mean. */
export function lognormal(rng: Rng, median: number, sigma: number, limit = Number.POSITIVE_INFINITY): number {
  for (;;) {
    const deviation = normal(rng);
    if (Math.abs(deviation) <= limit) return median * Math.exp(sigma * deviation);
  }
}

export function uniform(rng: Rng, low: number, high: number): number {
  return low + (high - low) * rng.random();
}
