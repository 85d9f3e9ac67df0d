/** What each job has a right to: per-job reservations, from its hints and from how it grows. Pure. */
import {
  bytesText,
  type JobMemory,
  type ScaleInventory,
  type ScaleJob,
  type ScaleState,
  storedFactor,
} from "./scale-inventory.ts";
import { horizonMs, type ScalePolicy } from "./scale-policy.ts";

export interface Reservation {
  readonly job: number;
  /** On nodes, parity counted: what it holds, what it hinted, or what its growth leads to, whichever is most. */
  readonly bytes: number;
  /** The part of it that hints ask for, as far as it is not released yet; may be less than what is used. */
  readonly hintedBytes: number;
  /** What it grows by until a node ordered at the next decision is there, where that goes beyond the hint. */
  readonly trendBytes: number;
  /** On nodes, parity counted; 0 once it has written what it hinted, or did not hint any. */
  readonly bytesPerSecond: number;
}

/** The bytes that hints ask for, parity counted. 0 without a hint of bytes or functions. */
export function hintedBytes({ hints, code }: Pick<ScaleJob, "hints" | "code">, policy: ScalePolicy): number {
  const bytes = hints.bytes ?? (hints.functions ?? 0) * policy.functionBytes;
  return bytes * storedFactor(code);
}

/** The throughput that hints ask for, parity counted. 0 without a hint of throughput or functions. */
export function hintedBytesPerSecond(
  { hints, code }: Pick<ScaleJob, "hints" | "code">,
  policy: ScalePolicy,
): number {
  const rate = hints.bytesPerSecond ?? (hints.functions ?? 0) * policy.functionBytesPerSecond;
  return rate * storedFactor(code);
}

/**
 * The rules:
 * - A job reserves max(used, hinted bytes * (d+p)/d), from its registration until it ends.
 * - One that prefers cost reserves, when its throughput is known, only what it can write until more nodes are there.
 * - What it leaves unused is released: kept whole for `reservationHoldMs` after it began or last grew by a hundredth of its
 *   hint, then halved in each `reservationHalfLifeMs`, and dropped below a hundredth of the hint.
 * - A job without a hint, or that grew beyond it, reserves what it holds and what its growth gives until nodes are there.
 */
export function reserveJob(
  job: ScaleJob,
  memory: JobMemory | undefined,
  nowMs: number,
  policy: ScalePolicy,
): Reservation {
  const horizonSeconds = horizonMs(policy) / 1000;
  const wholeBytes = hintedBytes(job, policy);
  const growth = memory?.bytesPerSecond ?? 0;
  const idleMs = nowMs - (memory?.grewAtMs ?? job.registeredAtMs);
  const unused = released(Math.max(0, wholeBytes - job.usedBytes), wholeBytes, idleMs, policy);
  const hintedRate = hintedBytesPerSecond(job, policy);
  const rate = Math.max(growth, hintedRate);
  const ahead = job.hints.prefer === "cost" && rate > 0 ? Math.min(unused, rate * horizonSeconds) : unused;
  const hinted = wholeBytes === 0 ? 0 : Math.min(wholeBytes, job.usedBytes + ahead);
  const grown = job.usedBytes + growth * horizonSeconds;
  // The trend of a job that is within its hint leads to its hint, and not beyond it.
  const trendBytes = unused > 0 ? 0 : Math.max(0, grown - Math.max(hinted, job.usedBytes));
  const writes = wholeBytes === 0 ? idleMs <= policy.reservationHoldMs : unused > 0;
  return {
    job: job.job,
    bytes: Math.max(job.usedBytes, hinted) + trendBytes,
    hintedBytes: hinted,
    trendBytes,
    bytesPerSecond: writes ? hintedRate : 0,
  };
}

function released(unused: number, whole: number, idleMs: number, policy: ScalePolicy): number {
  const overdueMs = idleMs - policy.reservationHoldMs;
  const left = overdueMs <= 0 ? unused : unused * 0.5 ** (overdueMs / policy.reservationHalfLifeMs);
  return left < whole / 100 ? 0 : left;
}

/** Of all jobs, in the order of the inventory. */
export function reserveJobs(
  { nowMs, jobs }: ScaleInventory,
  state: ScaleState,
  policy: ScalePolicy,
): Reservation[] {
  const memories = new Map(state.jobs.map((memory) => [memory.job, memory]));
  return jobs.map((job) => reserveJob(job, memories.get(job.job), nowMs, policy));
}

/** "job 7: 3 GiB", for reasons. */
export function reservationText({ job, bytes }: Reservation): string {
  return `job ${job}: ${bytesText(bytes)}`;
}
