/** What every scenario returns, prints with `--json` and writes to `bench/results/`. */
import type { MachineFacts } from "./machine.ts";

/**
 * Medians over the rounds, by name. Units stand in the names: `mbPerSecond` (10^6 bytes), `gbPerSecond`,
 * `opsPerSecond`, `p50Ms`, `clientCpuSecondsPerGb`. `spread` is the distance between the quartiles of the compared
 * figure, as a share of its median.
 */
export type Figures = Readonly<Record<string, number>>;

/** A peer that could not be had, and why. */
export interface Absent {
  readonly absent: string;
}

export interface BenchCase {
  readonly case: string;
  /** The name of the figure that the ratios are made of. */
  readonly compared: string;
  readonly mayfly: Figures;
  readonly peers: Readonly<Record<string, Figures | Absent>>;
  /** By peer; above 1: Mayfly is better. Medians of the ratios of each round. Absent peers have none. */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface BenchReport {
  readonly scenario: string;
  readonly machine: MachineFacts;
  readonly rounds: number;
  readonly cases: readonly BenchCase[];
}

export interface BenchOptions {
  readonly rounds: number;
  /** Only cases whose name contains this; all by default. */
  readonly only?: string | undefined;
  readonly signal: AbortSignal;
  /** A line of progress. */
  log(line: string): void;
}

/** Whether the options ask for this case: check it before what the case needs is made. */
export function isWanted(name: string, { only }: Pick<BenchOptions, "only">): boolean {
  return only === undefined || only.split(",").some((text) => name.includes(text.trim()));
}

export function isAbsent(figures: Figures | Absent): figures is Absent {
  return "absent" in figures && typeof figures.absent === "string";
}
