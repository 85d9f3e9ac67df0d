/** What the history of a run says about the promises. */
import { explain } from "../history/explain.ts";
import { checkLinearizable } from "../history/linearizability.ts";
import { checkNoLoss } from "../history/no-loss.ts";
import { byKey } from "../history/operation.ts";
import { type RegisterOperation, registerModel, versionsUsedTwice } from "../history/register-model.ts";
import type { RecordedOperation } from "./load/recorded.ts";

export interface Verdict {
  /** A line for each, and more for some. */
  readonly lost: readonly string[];
  readonly wrongBytes: readonly string[];
  readonly notLinearizable: readonly string[];
  readonly late: readonly string[];
  /** Keys of all of these. */
  readonly keys: ReadonlySet<string>;
}

export function judge(operations: readonly RecordedOperation[]): Verdict {
  const told = operations.filter(isTold);
  const { lost, wrongBytes, stale } = checkNoLoss(told);
  const registers = told.filter(isRegisterOperation);
  const histories = byKey(registers);
  const bad = checkLinearizable(registers, registerModel).filter(({ verdict }) => verdict !== "linearizable");
  const explained = bad.map((report) => explain(report, registerModel, histories.get(report.key) ?? []));
  const explainedKeys = new Set(bad.map(({ key }) => key));
  // Whatever is stale is not linearizable either; said only of keys of which nothing has been said yet.
  const alsoStale = stale.filter((line) => !explainedKeys.has(keyOf(line)));
  const notLinearizable = [...explained, ...alsoStale, ...versionsUsedTwice(registers)];
  const late = operations.filter(({ lateMs }) => lateMs !== undefined).map(lateLine);
  const keys = new Set([...explainedKeys, ...[...lost, ...wrongBytes, ...alsoStale].map(keyOf)]);
  return { lost, wrongBytes, notLinearizable, late, keys };
}

/** A read without a result says nothing. */
function isTold({ op, result }: RecordedOperation): boolean {
  return result !== undefined || op.kind === "put" || op.kind === "delete";
}

function isRegisterOperation(
  operation: RecordedOperation,
): operation is RecordedOperation & RegisterOperation {
  const { result } = operation;
  return result?.kind !== "lost" && result?.kind !== "wrong-bytes";
}

function keyOf(line: string): string {
  return /^key ([^:]+):/.exec(line)?.[1] ?? "";
}

function lateLine(operation: RecordedOperation): string {
  const { key, client, op, timeoutMs, lateMs = 0, invokedAtMs, endedAtMs, error } = operation;
  const took = `${(endedAtMs - invokedAtMs).toFixed(0)} ms with a timeout of ${timeoutMs} ms`;
  return `key ${key}: client ${client}, ${op.kind}, ${took}, ${lateMs.toFixed(0)} ms later than excused (${error ?? "no error"})`;
}

function groupsOf(operations: readonly RecordedOperation[]): Map<string, RecordedOperation[]> {
  const groups = new Map<string, RecordedOperation[]>();
  for (const operation of operations) {
    const group = groups.get(operation.key);
    if (group === undefined) groups.set(operation.key, [operation]);
    else group.push(operation);
  }
  return groups;
}

/** Longest time from the first call after the last success on a key to the next success, of reads and writes alike. */
export function longestGaps(operations: readonly RecordedOperation[]): { key: string; ms: number }[] {
  const gaps: { key: string; ms: number }[] = [];
  const ofCells = operations.filter(({ workload }) => workload === "cell" || workload === "counter");
  for (const [key, unsorted] of groupsOf(ofCells)) {
    const ofKey = unsorted.toSorted((a, b) => a.invokedAtMs - b.invokedAtMs);
    const successes = ofKey.filter(({ result }) => result !== undefined).map(({ endedAtMs }) => endedAtMs);
    successes.sort((a, b) => a - b);
    let longestMs = 0;
    let next = 0;
    let lastMs = -Infinity;
    // Calls come in the order in which they began.
    for (const { invokedAtMs } of ofKey) {
      while (next < successes.length && successes[next]! <= invokedAtMs) lastMs = successes[next++]!;
      const answeredMs = successes[next];
      if (answeredMs !== undefined)
        longestMs = Math.max(longestMs, answeredMs - Math.max(lastMs, invokedAtMs));
    }
    gaps.push({ key, ms: longestMs });
  }
  return gaps.sort((a, b) => b.ms - a.ms);
}
