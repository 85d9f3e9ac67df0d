/**
 * Watches the garbage collections of a process into which it was loaded by `--import`: at each SIGUSR2 it writes one
 * line `{"gc":{...}}` with what has happened since the last one to standard error.
 */
import { PerformanceObserver } from "node:perf_hooks";

export interface GcReport {
  /** 1 for the first line. */
  readonly turn: number;
  readonly longestMs: number;
  readonly totalMs: number;
  readonly collections: number;
}

let turn = 0;
let longestMs = 0;
let totalMs = 0;
let collections = 0;

const take = (entries: readonly { readonly duration: number }[]): void => {
  for (const { duration } of entries) {
    longestMs = Math.max(longestMs, duration);
    totalMs += duration;
    collections += 1;
  }
};
const observer = new PerformanceObserver((list) => take(list.getEntries()));
observer.observe({ entryTypes: ["gc"] });

process.on("SIGUSR2", () => {
  take(observer.takeRecords());
  turn += 1;
  const gc: GcReport = { turn, longestMs, totalMs, collections };
  process.stderr.write(`${JSON.stringify({ gc })}\n`);
  longestMs = 0;
  totalMs = 0;
  collections = 0;
});
