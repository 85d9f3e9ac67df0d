import type { HeapGauge } from "../../../cache-node/store/heap-gauge.ts";
import { createLedger } from "../../../cache-node/store/ledger.ts";
import { createSegments } from "../../../cache-node/store/segments.ts";
import { createSlabs } from "../../../cache-node/store/slabs.ts";
import type { Clock } from "../../../src/clock.ts";

export const kibibyte = 1024;
export const mebibyte = 1024 * 1024;

export interface ManualClock extends Clock {
  /** Runs the timers that are due now; those they start wait for the next call. True if any ran. */
  runTimers(): boolean;
  /** Runs timers until there are none; an error if they never end. */
  settle(): void;
  advance(ms: number): void;
}

/** Timers fire when the test says so; time passes only by `advance`. */
export function manualClock(): ManualClock {
  let nowMs = 0;
  let timers = new Set<() => void>();
  return {
    now: () => nowMs,
    wallMs: () => nowMs,
    after(_delayMs, callback) {
      timers.add(callback);
      return () => timers.delete(callback);
    },
    advance(ms) {
      nowMs += ms;
    },
    runTimers() {
      const due = timers;
      timers = new Set();
      for (const callback of due) callback();
      return due.size > 0;
    },
    settle() {
      for (let turns = 0; this.runTimers(); turns++) if (turns > 100_000) throw new Error("timers never end");
    },
  };
}

/** A heap that takes what the test says. */
export interface FakeHeap extends HeapGauge {
  taken: number;
  collected: number;
  /** What is left after the next collection. */
  leftAfterCollect: number;
}

export function fakeHeap(limitBytes = 4096 * mebibyte): FakeHeap {
  return {
    limitBytes,
    taken: 0,
    collected: 0,
    leftAfterCollect: 0,
    takenBytes() {
      return this.taken;
    },
    collect() {
      this.collected += 1;
      this.taken = this.leftAfterCollect;
    },
  };
}

/** Slabs and segments without a node around them. */
export function createPool(limitBytes: number, reserveBytes = 0) {
  const ledger = createLedger(limitBytes, reserveBytes);
  const slabs = createSlabs(ledger, () => 0);
  return { ledger, slabs, segments: createSegments(ledger, slabs) };
}
