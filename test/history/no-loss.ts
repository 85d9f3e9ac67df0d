/**
 * Whether what was acknowledged is there, for keys of any size: a read must show a put that could still be there, or
 * nothing if that could be. Weaker than linearizability (each read is judged by itself) and much plainer, so that what it
 * finds needs no explanation: a put is over when it was acknowledged, and another write began after that and was
 * acknowledged before the read began.
 */
import { byKey, type Operation } from "./operation.ts";
import type { RegisterOp, RegisterResult } from "./register-model.ts";

/** A read that could not be answered for good: the bytes are gone, or are not those that were written. */
export type BrokenRead = { readonly kind: "lost" } | { readonly kind: "wrong-bytes"; readonly what: string };

export type StoredOperation = Operation<RegisterOp, RegisterResult | BrokenRead>;

export interface NoLossReport {
  /** Acknowledged puts that a read missed, each once however many reads did. */
  readonly lost: readonly string[];
  /** Reads of other bytes than any put's. */
  readonly wrongBytes: readonly string[];
  /** Reads of values that were overwritten or deleted before. */
  readonly stale: readonly string[];
}

interface Write {
  /** Undefined: a delete, or the beginning. */
  readonly value: string | undefined;
  readonly invokedAtMs: number;
  /** Infinite when nobody knows whether it took place. */
  readonly returnedAtMs: number;
  readonly client: string;
}

const beginning: Write = {
  ...{ value: undefined, invokedAtMs: -Infinity, returnedAtMs: -Infinity, client: "" },
};

export function checkNoLoss(history: readonly StoredOperation[]): NoLossReport {
  const lost = new Map<string, string>();
  const wrongBytes: string[] = [];
  const stale: string[] = [];
  for (const [key, operations] of byKey(history)) {
    const writes = [beginning, ...operations.flatMap(writeOf)];
    const values = new Set(writes.map(({ value }) => value));
    for (const { result, invokedAtMs, returnedAtMs, client } of operations) {
      if (result === undefined || returnedAtMs === undefined) continue;
      const who = `key ${key}: client ${client}, ${invokedAtMs.toFixed(1)} .. ${returnedAtMs.toFixed(1)} ms,`;
      if (result.kind === "wrong-bytes") {
        wrongBytes.push(`${who} read wrong bytes: ${result.what}`);
        continue;
      }
      const isMissing = result.kind === "lost" || result.kind === "absent";
      if (!isMissing && result.kind !== "value") continue;
      if (result.kind === "value" && !values.has(result.value)) {
        wrongBytes.push(`${who} read ${result.value}, which was never written`);
        continue;
      }
      const candidates = possible(writes, invokedAtMs, returnedAtMs);
      if (result.kind === "value") {
        if (candidates.some(({ value }) => value === result.value)) continue;
        stale.push(`${who} read ${result.value}; it must have been one of ${namesOf(candidates)}`);
        continue;
      }
      const missed = candidates.filter(({ value, returnedAtMs: ms }) => value !== undefined && ms < Infinity);
      const mayBeAbsent = result.kind === "absent" && candidates.some(({ value }) => value === undefined);
      if (missed.length === 0 || mayBeAbsent) continue;
      const put = missed.at(-1)!;
      lost.set(`${key} ${put.value}`, `${who} found ${result.kind} and not ${namesOf(candidates)}`);
    }
  }
  return { lost: [...lost.values()], wrongBytes, stale };
}

/** What an operation may have changed; conditions that did not hold changed nothing. */
function writeOf({
  op,
  result,
  invokedAtMs,
  returnedAtMs = Infinity,
  client,
}: StoredOperation): readonly Write[] {
  if (op.kind !== "put" && op.kind !== "delete") return [];
  if (result?.kind === "exists" || result?.kind === "mismatch") return [];
  const value = op.kind === "put" ? op.value : undefined;
  return [{ value, invokedAtMs, returnedAtMs, client }];
}

/** The writes whose value a read in this interval may show. @param writes in the order of their invocation */
function possible(writes: readonly Write[], invokedAtMs: number, returnedAtMs: number): Write[] {
  const begun = writes.filter((write) => write.invokedAtMs <= returnedAtMs);
  const settledBefore = begun.filter((write) => write.returnedAtMs < invokedAtMs);
  const newestStartMs = settledBefore.reduce((ms, write) => Math.max(ms, write.invokedAtMs), -Infinity);
  return begun.filter((write) => write.returnedAtMs >= newestStartMs);
}

function namesOf(writes: readonly Write[]): string {
  const name = ({ value, client, returnedAtMs }: Write): string => {
    const how = returnedAtMs === Infinity ? ", outcome unknown" : "";
    return value === undefined
      ? client === ""
        ? "nothing"
        : "deleted"
      : `${value} (client ${client}${how})`;
  };
  return writes.slice(-5).map(name).join(" or ");
}
