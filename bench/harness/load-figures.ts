/** Figures of recorded operations. Pure: logs in, numbers out. */
import type { OperationLog, TimeWindow } from "./operation-log.ts";

export interface Gap {
  /** 0 when no key was used. */
  readonly ms: number;
  readonly stream: string;
  readonly key: number;
  /** When it began. */
  readonly fromMs: number;
}

/** Streams by name; all when it is left out. */
export type StreamFilter = (stream: string) => boolean;

/**
 * The longest time between two successful operations of one key and stream within the window. A key that was used in the
 * window and then never again has a gap until its end; one that was first used in it has none before.
 */
export function longestGap(
  logs: readonly OperationLog[],
  { fromMs, toMs }: TimeWindow,
  isWanted?: StreamFilter,
): Gap {
  let longest: Gap = { ms: 0, stream: "", key: 0, fromMs };
  for (const log of logs) {
    const lastMs = new Map<number, number>();
    const close = (id: number, endMs: number): void => {
      const beganMs = Math.max(fromMs, lastMs.get(id) ?? endMs);
      const ms = endMs - beganMs;
      if (ms <= longest.ms) return;
      const stream = log.names[id % 256] ?? "";
      longest = { ms, stream, key: Math.floor(id / 256), fromMs: beganMs };
    };
    for (const at of operationsOf(log, isWanted)) {
      const endMs = log.endMs[at]!;
      if (endMs >= toMs) break;
      const id = log.keys[at]! * 256 + log.streams[at]!;
      if (log.succeeded[at] === 0) {
        // A key that never succeeds has been used nevertheless.
        if (!lastMs.has(id)) lastMs.set(id, log.dueMs[at]!);
        continue;
      }
      if (endMs >= fromMs) close(id, endMs);
      lastMs.set(id, endMs);
    }
    for (const id of lastMs.keys()) close(id, toMs);
  }
  return longest;
}

/** From when they were due to their ends, of the successful operations that were due in the window. */
export function latenciesMs(
  logs: readonly OperationLog[],
  { fromMs, toMs }: TimeWindow,
  isWanted?: StreamFilter,
): number[] {
  const found: number[] = [];
  for (const log of logs) {
    for (const at of operationsOf(log, isWanted)) {
      const dueMs = log.dueMs[at]!;
      if (log.succeeded[at] === 1 && dueMs >= fromMs && dueMs < toMs) found.push(log.endMs[at]! - dueMs);
    }
  }
  return found;
}

/** Operations that failed, or read other bytes than were written, whenever that was. */
export function failures(logs: readonly OperationLog[]): number {
  return logs.reduce((sum, log) => sum + log.succeeded.reduce((failed, ok) => failed + 1 - ok, 0), 0);
}

/** Successful operations that ended in each `binMs` of the window; an incomplete last bin is left out. */
export function operationsPerBin(
  logs: readonly OperationLog[],
  { fromMs, toMs }: TimeWindow,
  binMs: number,
  isWanted?: StreamFilter,
): number[] {
  const bins = Array.from({ length: Math.max(0, Math.floor((toMs - fromMs) / binMs)) }, () => 0);
  for (const log of logs) {
    for (const at of operationsOf(log, isWanted)) {
      const bin = Math.floor((log.endMs[at]! - fromMs) / binMs);
      if (log.succeeded[at] === 1 && bin >= 0 && bin < bins.length) bins[bin]! += 1;
    }
  }
  return bins;
}

/** The longest run of bins below `floor`, in bins. */
export function longestRunBelow(bins: readonly number[], floor: number): number {
  let longest = 0;
  let run = 0;
  for (const bin of bins) {
    run = bin < floor ? run + 1 : 0;
    longest = Math.max(longest, run);
  }
  return longest;
}

function* operationsOf(log: OperationLog, isWanted: StreamFilter = () => true): Generator<number> {
  const wanted = log.names.map(isWanted);
  for (let at = 0; at < log.streams.length; at++) if (wanted[log.streams[at]!] === true) yield at;
}
