/** Closed-loop load: so many callers, each starting its next operation when its last one has ended. */
import { performance } from "node:perf_hooks";
import { quantile } from "./statistics.ts";

export interface LoadOptions {
  readonly outstanding: number;
  /** No operation is begun after this, except to reach `operationsMin`. */
  readonly durationMs: number;
  /** Operations of all callers together; 1 by default. */
  readonly operationsMin?: number;
  /** Stops earlier, when it becomes true; for load that runs beside what is measured. */
  readonly stopped?: () => boolean;
  /** @param caller 0 .. outstanding - 1 @param turn how many this caller has done before */
  operation(caller: number, turn: number): Promise<unknown>;
}

export interface LoadResult {
  readonly operations: number;
  /** From the first beginning to the last end. */
  readonly seconds: number;
  /** NaN when nothing was done. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Latencies of more operations than this replace the oldest ones. */
const latenciesKept = 1 << 19;
/** One for all samples of a process, so that measuring itself leaves no garbage. */
let latenciesMs: Float64Array | undefined;

/**
 * All operations count that were begun, also those that end after `durationMs`; callers do not wait for one another.
 * @throws what an operation throws; the others are awaited first
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { outstanding, durationMs, operationsMin = 1, stopped = () => false, operation } = options;
  const latencies = latenciesMs ?? new Float64Array(latenciesKept);
  // Load that runs beside other load needs its own.
  latenciesMs = undefined;
  let begun = 0;
  let ended = 0;
  let failed = false;
  const startMs = performance.now();
  const caller = async (index: number): Promise<void> => {
    try {
      let nowMs = performance.now();
      for (let turn = 0; !failed && !stopped(); turn++) {
        if (nowMs - startMs >= durationMs && begun >= operationsMin) return;
        begun++;
        const beganMs = nowMs;
        await operation(index, turn);
        nowMs = performance.now();
        latencies[ended++ % latenciesKept] = nowMs - beganMs;
      }
    } catch (thrown) {
      failed = true;
      throw thrown;
    }
  };
  const callers = await Promise.allSettled(Array.from({ length: outstanding }, (_, index) => caller(index)));
  const seconds = (performance.now() - startMs) / 1000;
  latenciesMs = latencies;
  for (const end of callers) if (end.status === "rejected") throw end.reason;
  const kept = latencies.subarray(0, Math.min(ended, latenciesKept)).sort();
  return { operations: ended, seconds, p50Ms: atShare(kept, 0.5), p99Ms: atShare(kept, 0.99) };
}

/** As `quantile`, of what is sorted already. */
function atShare(sorted: Float64Array, share: number): number {
  const at = (sorted.length - 1) * share;
  const around = [sorted[Math.floor(at)] ?? Number.NaN, sorted[Math.ceil(at)] ?? Number.NaN];
  return quantile(around, at - Math.floor(at));
}
