/**
 * Time and randomness as injected values. Nothing below a `main.ts`, the CLI or `connect()` may call `Date.now`,
 * `performance.now`, `setTimeout` or `Math.random` itself: it takes a `Clock` and an `Rng`, so that a simulation
 * can replace both.
 */
import { randomFillSync } from "node:crypto";

/** Cancels what it stands for; calling it again, or after it fired, does nothing. */
export type Cancel = () => void;

export interface Clock {
  /** Monotonic milliseconds, for durations and deadlines. */
  now(): number;
  /** Milliseconds since 1970, for what people and other machines read. */
  wallMs(): number;
  /** Runs `callback` once after `delayMs`. `background` timers do not keep the process alive. */
  after(delayMs: number, callback: () => void, background?: boolean): Cancel;
}

export interface Rng {
  /** A number in [0, 1). */
  random(): number;
  /** `length` unpredictable bytes (ids, tokens). */
  bytes(length: number): Uint8Array;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback, background = false) {
    const timer = setTimeout(callback, delayMs);
    if (background) timer.unref();
    return () => clearTimeout(timer);
  },
};

export const systemRng: Rng = {
  random: () => Math.random(),
  bytes: (length) => randomFillSync(new Uint8Array(length)),
};

/** Resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}

/** A deterministic generator (xoshiro128**), for tests and simulations: the same seed gives the same sequence. */
export function seededRng(seed: number): Rng {
  let a = seed >>> 0;
  const splitmix = (): number => {
    a = (a + 0x9e3779b9) >>> 0;
    let z = a;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  const state = Uint32Array.from({ length: 4 }, splitmix);
  const rotl = (x: number, k: number): number => ((x << k) | (x >>> (32 - k))) >>> 0;
  const next = (): number => {
    const result = Math.imul(rotl(Math.imul(state[1]!, 5) >>> 0, 7), 9) >>> 0;
    const t = (state[1]! << 9) >>> 0;
    state[2]! ^= state[0]!;
    state[3]! ^= state[1]!;
    state[1]! ^= state[2]!;
    state[0]! ^= state[3]!;
    state[2]! ^= t;
    state[3] = rotl(state[3]!, 11);
    return result;
  };
  return {
    random: () => next() / 2 ** 32,
    bytes: (length) => Uint8Array.from({ length }, () => next() & 0xff),
  };
}
