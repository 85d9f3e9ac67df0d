/** The numbers that the planner of the fleet's size goes by. */
import { MayflyError } from "../../errors.ts";

export interface ScalePolicy {
  /** Fewest and most nodes, active and starting ones together. */
  readonly nodesMin: number;
  readonly nodesMax: number;
  /** Memory of a node that would be started. */
  readonly nodeMemoryBytes: number;
  /** What one node can move, in and out together. */
  readonly nodeBytesPerSecond: number;
  /** How long a node takes from its order until it takes bytes: forecasts look so far ahead, and one decision further. */
  readonly startMs: number;
  readonly decideEveryMs: number;
  /** Shares of what the fleet has. Above the high one it grows, below the low one it may shrink ... */
  readonly bandLow: number;
  readonly bandHigh: number;
  /** ... and both lead to here. */
  readonly bandTarget: number;
  /** After growing, no growth for so long. */
  readonly coolDownUpMs: number;
  /** After growing or shrinking, no shrinking for so long; and never below what was needed within it. */
  readonly coolDownDownMs: number;
  /** At most this share of the active nodes is drained by one decision, and at least one node. */
  readonly shrinkShareMax: number;
  /** Nodes above the largest d+p of the jobs alive: somewhere to repair to. */
  readonly spareNodes: number;
  /** A reservation that its job does not use is kept whole for so long after the job began or last grew ... */
  readonly reservationHoldMs: number;
  /** ... and what is unused of it halves in each such time after that. */
  readonly reservationHalfLifeMs: number;
  /** What a job reserves for each function when it hints functions and no bytes; user bytes. */
  readonly functionBytes: number;
  /** What a function moves, when a job hints functions and no throughput; user bytes. */
  readonly functionBytesPerSecond: number;
  /** Room for growth that nobody announced: at least this share of what is stored ... */
  readonly headroomShare: number;
  /** ... and as much as grew unannounced within the start of a node, at any time in this window. */
  readonly headroomWindowMs: number;
  /** So many waiting writers are worth one node more. */
  readonly writersPerNode: number;
}

export const scalePolicyDefault: ScalePolicy = {
  nodesMin: 3,
  nodesMax: 100,
  nodeMemoryBytes: 4 * 1024 ** 3,
  nodeBytesPerSecond: 500e6,
  startMs: 30_000,
  decideEveryMs: 5000,
  bandLow: 0.6,
  bandHigh: 0.8,
  bandTarget: 0.75,
  coolDownUpMs: 5000,
  coolDownDownMs: 120_000,
  shrinkShareMax: 0.2,
  spareNodes: 1,
  reservationHoldMs: 120_000,
  reservationHalfLifeMs: 60_000,
  functionBytes: 256 * 1024 ** 2,
  functionBytesPerSecond: 50e6,
  headroomShare: 0.05,
  headroomWindowMs: 1_800_000,
  writersPerNode: 64,
};

interface Range {
  readonly min: number;
  readonly max: number;
  readonly whole?: boolean;
}

const count: Range = { min: 0, max: 1_000_000, whole: true };
const duration: Range = { min: 0, max: 7 * 86_400_000 };
const share: Range = { min: 0, max: 1 };
const amount: Range = { min: 1, max: Number.MAX_SAFE_INTEGER };

const ranges: Readonly<Record<keyof ScalePolicy, Range>> = {
  // The map of a fleet holds so many nodes, and a fleet of none could take no job.
  nodesMin: { min: 1, max: 4096, whole: true },
  nodesMax: { min: 1, max: 4096, whole: true },
  nodeMemoryBytes: amount,
  nodeBytesPerSecond: amount,
  startMs: duration,
  decideEveryMs: duration,
  bandLow: share,
  bandHigh: share,
  bandTarget: { min: 0.01, max: 1 },
  coolDownUpMs: duration,
  coolDownDownMs: duration,
  shrinkShareMax: share,
  spareNodes: count,
  reservationHoldMs: duration,
  reservationHalfLifeMs: { ...duration, min: 1 },
  functionBytes: { ...amount, min: 0 },
  functionBytesPerSecond: { ...amount, min: 0 },
  headroomShare: { min: 0, max: 10 },
  headroomWindowMs: { ...duration, min: 1 },
  writersPerNode: { ...count, min: 1 },
};

export const scalePolicyKeys = Object.keys(ranges) as (keyof ScalePolicy)[];

/**
 * The default policy with some numbers changed.
 * @throws MayflyError INVALID_ARGUMENT naming the number that cannot be, and what it may be
 */
export function scalePolicy(changes: Partial<ScalePolicy> = {}, base = scalePolicyDefault): ScalePolicy {
  const policy = { ...base, ...changes };
  for (const key of scalePolicyKeys) {
    const { min, max, whole = false } = ranges[key];
    const value = policy[key];
    if (value >= min && value <= max && (!whole || Number.isInteger(value))) continue;
    const kind = whole ? "a whole number" : "a number";
    throw invalid(`${key} is ${String(value)}; it takes ${kind} from ${min} to ${max}`);
  }
  const { nodesMin, nodesMax, bandLow, bandTarget, bandHigh } = policy;
  if (nodesMin > nodesMax) throw invalid(`nodesMin ${nodesMin} is above nodesMax ${nodesMax}`);
  if (bandLow > bandTarget || bandTarget > bandHigh) {
    throw invalid(
      `bandLow ${bandLow}, bandTarget ${bandTarget} and bandHigh ${bandHigh} must follow one another; change all three`,
    );
  }
  return policy;
}

function invalid(what: string): MayflyError {
  return new MayflyError("INVALID_ARGUMENT", `no such policy: ${what}`);
}

/** How far ahead forecasts look: what is ordered at the next decision is there by then. */
export function horizonMs({ startMs, decideEveryMs }: ScalePolicy): number {
  return startMs + decideEveryMs;
}
