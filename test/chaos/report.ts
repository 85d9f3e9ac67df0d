/** What a run tells at its end: an object for machines, a table for people, evidence on disk. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ChaosOptions } from "./command-line.ts";
import type { FaultCounts } from "./faults.ts";
import type { RecordedOperation } from "./load/recorded.ts";
import type { LoadResult } from "./load-processes.ts";
import type { SortCounts } from "./sorts.ts";
import { longestGaps, type Verdict } from "./verdict.ts";

export interface ChaosReport extends FaultCounts {
  readonly operations: number;
  /** Nodes that were lost, or may have been, and not yet repaired. */
  readonly mostLostAtOnce: number;
  readonly acknowledgedLost: number;
  readonly wrongBytes: number;
  readonly linearizabilityViolations: number;
  readonly deadlineOverruns: number;
  /** Calls without a result, by error. */
  readonly errors: Readonly<Record<string, number>>;
  readonly sorts: number;
  readonly sortsFailed: number;
  /** Time without a success on a key that was asked for something. */
  readonly longestGapMs: number;
  readonly longestGapKey: string;
  readonly medianOfLongestGapsMs: number;
  /** The event loops of the load stood still for so long at most; calls are excused for that. */
  readonly worstStandstillMs: number;
  readonly network: string;
  readonly nodes: number;
  readonly code: string;
  readonly seed: number;
  readonly minutes: number;
  readonly seconds: number;
}

export interface ReportFacts {
  readonly options: ChaosOptions;
  readonly load: LoadResult;
  readonly verdict: Verdict;
  /** Keys that gave no answer at the end, though something acknowledged may be there. */
  readonly unreadable: readonly string[];
  readonly counts: FaultCounts;
  readonly mostLostAtOnce: number;
  readonly sorts: SortCounts;
  readonly network: string;
  readonly seconds: number;
}

export function reportOf(facts: ReportFacts): ChaosReport {
  const { options, load, verdict, unreadable, counts, sorts, network, seconds } = facts;
  const gaps = longestGaps(load.operations);
  return {
    operations: load.operations.length,
    acknowledgedLost: verdict.lost.length + unreadable.length,
    wrongBytes: verdict.wrongBytes.length + sorts.wrong.length,
    linearizabilityViolations: verdict.notLinearizable.length,
    deadlineOverruns: verdict.late.length + load.hanging.length,
    ...counts,
    mostLostAtOnce: facts.mostLostAtOnce,
    sorts: sorts.sorts,
    sortsFailed: sorts.sortsFailed,
    errors: errorsOf(load.operations),
    longestGapMs: Math.round(gaps[0]?.ms ?? 0),
    longestGapKey: gaps[0]?.key ?? "",
    medianOfLongestGapsMs: Math.round(gaps[Math.floor(gaps.length / 2)]?.ms ?? 0),
    worstStandstillMs: Math.round(load.worstStandstillMs),
    ...{ network, nodes: options.nodes, code: `${options.code.d}+${options.code.p}` },
    ...{ seed: options.seed, minutes: options.minutes, seconds: Math.round(seconds) },
  };
}

export function errorsOf(operations: readonly RecordedOperation[]): Record<string, number> {
  const errors: Record<string, number> = {};
  for (const { result, error } of operations) {
    if (result === undefined && error !== undefined) errors[error] = (errors[error] ?? 0) + 1;
  }
  return errors;
}

export function isClean(report: ChaosReport): boolean {
  const { acknowledgedLost, wrongBytes, linearizabilityViolations, deadlineOverruns } = report;
  return acknowledgedLost + wrongBytes + linearizabilityViolations + deadlineOverruns === 0;
}

/** Lines for a terminal. */
export function tableOf(report: ChaosReport): string[] {
  const { errors, ...rest } = report;
  const rows = Object.entries(rest).map(([name, value]) => [wordsOf(name), value.toLocaleString("en-US")]);
  const failed = Object.entries(errors).map(([code, count]) => `${count} ${code}`);
  const all = [...rows, ["errors", failed.length === 0 ? "none" : failed.join(", ")]];
  const width = Math.max(...all.map(([name = ""]) => name.length));
  return all.map(([name = "", value = ""]) => `${name.padEnd(width)}  ${value}`);
}

function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** Writes what was violated, and the history of the keys that it is about. */
export function writeEvidence(
  dir: string,
  { load, verdict, unreadable, sorts }: ReportFacts,
  faultLog: readonly string[],
): void {
  mkdirSync(dir, { recursive: true });
  const parts: [string, readonly string[]][] = [
    ["acknowledged and lost", [...verdict.lost, ...unreadable]],
    ["wrong bytes", [...verdict.wrongBytes, ...sorts.wrong]],
    ["not linearizable", verdict.notLinearizable],
    ["late", [...verdict.late, ...load.hanging]],
  ];
  const text = parts.map(([title, lines]) => `== ${title}: ${lines.length}\n\n${lines.join("\n\n")}\n`);
  writeFileSync(join(dir, "violations.txt"), text.join("\n"));
  writeFileSync(join(dir, "faults.log"), `${faultLog.join("\n")}\n`);
  const unreadableKeys = new Set(unreadable.map((line) => /^key ([^:]+):/.exec(line)?.[1]));
  const concerned = load.operations.filter(
    ({ key, lateMs }) => verdict.keys.has(key) || unreadableKeys.has(key) || lateMs !== undefined,
  );
  const sorted = concerned.toSorted((a, b) => a.invokedAtMs - b.invokedAtMs);
  writeFileSync(
    join(dir, "history.jsonl"),
    sorted.map((operation) => `${JSON.stringify(operation)}\n`).join(""),
  );
}
