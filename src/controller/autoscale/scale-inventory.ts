/**
 * What the planner of the fleet's size is told, remembers and answers: plain JSON values, so that every decision can be
 * written down whole and made again. Times are milliseconds of one clock that the caller chooses.
 */
import type { Code } from "../../placement/types.ts";
import type { JobHints } from "../../wire/control-api.ts";

export type { JobHints } from "../../wire/control-api.ts";

export interface ScaleNode {
  /** Unique in the inventory: a node id, or while it starts the provisioner's name for it. */
  readonly id: string;
  readonly state: "starting" | "active" | "draining";
  /** When its start was ordered. */
  readonly startedAtMs: number;
  /** Memory for values and their index; of a starting node what it will have. */
  readonly limitBytes: number;
  readonly usedBytes: number;
  readonly networkBytesPerSecond: number;
  /** 0 .. 1 */
  readonly eventLoopUtilization: number;
  /** Writers that this node made wait or sent away for want of room or speed since it last reported. */
  readonly waitingWriters: number;
}

export interface ScaleJob {
  readonly job: number;
  /** On all nodes, parity and copies counted, as heartbeats report it. */
  readonly usedBytes: number;
  readonly hints: JobHints;
  readonly code: Code;
  readonly registeredAtMs: number;
}

export interface ScaleInventory {
  readonly nowMs: number;
  readonly nodes: readonly ScaleNode[];
  /** Jobs alive. One that has ended is no longer here, and its reservation is gone with it. */
  readonly jobs: readonly ScaleJob[];
}

/** What is remembered of one job between two decisions. */
export interface JobMemory {
  readonly job: number;
  readonly usedBytes: number;
  /** Growth, smoothed; never negative. */
  readonly bytesPerSecond: number;
  /** What it held when it last grew by a hundredth of what it hinted, and when that was. */
  readonly markBytes: number;
  readonly grewAtMs: number;
}

/** Bytes at a time: growth in one interval, the most of a stretch, nodes needed in a stretch. */
export interface TimedAmount {
  readonly atMs: number;
  readonly amount: number;
}

/** What the planner remembers. It is given in and handed back; nobody else reads or changes it. */
export interface ScaleState {
  readonly atMs: number | null;
  /** Of the first decision: what was needed before it is not known. */
  readonly beganAtMs: number | null;
  readonly lastGrowAtMs: number | null;
  readonly lastShrinkAtMs: number | null;
  readonly jobs: readonly JobMemory[];
  /** Growth that no hint announced, by decision, as far back as a start of a node takes. */
  readonly surprises: readonly TimedAmount[];
  /** The largest such growth within the time a node takes to start, by stretch of the headroom window. */
  readonly surprisePeaks: readonly TimedAmount[];
  /** The most nodes that were needed, by stretch of the cool-down: the fleet shrinks to the most of them. */
  readonly needs: readonly TimedAmount[];
}

export const emptyScaleState: ScaleState = {
  ...{ atMs: null, beganAtMs: null, lastGrowAtMs: null, lastShrinkAtMs: null },
  ...{ jobs: [], surprises: [], surprisePeaks: [], needs: [] },
};

export interface ScaleDecision {
  readonly kind: "grow" | "shrink" | "hold";
  /** Active and starting nodes once it is carried out. */
  readonly target: number;
  /** So many new nodes are to be started. */
  readonly start: number;
  /** Draining nodes that are to be active again: they are there at once. */
  readonly keep: readonly string[];
  /** Active nodes that are to be drained and then stopped. */
  readonly drain: readonly string[];
}

/** One line of a decision log: all that the planner was given, but for the policy, and what it answered. */
export interface ScaleRecord {
  readonly atMs: number;
  readonly inventory: ScaleInventory;
  /** What it remembered before this decision. */
  readonly state: ScaleState;
  readonly decision: ScaleDecision;
  /** In plain words, with the numbers. */
  readonly reasons: readonly string[];
}

/** User bytes to bytes on nodes. */
export function storedFactor({ d, p }: Code): number {
  return (d + p) / d;
}

/** "1.5 GiB", "830 MiB": for reasons. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let power = 0;
  while (value >= 1024 && power < units.length - 1) {
    value /= 1024;
    power++;
  }
  return `${Number(value.toFixed(value >= 100 || power === 0 ? 0 : 1))} ${units[power]}`;
}

export function percentText(share: number): string {
  return `${Math.round(share * 100)} %`;
}
