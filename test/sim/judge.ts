/** What the clients saw, held against what they may see. */
import { explain } from "../history/explain.ts";
import { checkLinearizable } from "../history/linearizability.ts";
import { checkNoLoss, type StoredOperation } from "../history/no-loss.ts";
import { type RegisterOperation, registerModel, versionsUsedTwice } from "../history/register-model.ts";
import type { RefRead, SimClient } from "./client.ts";

/** All calls, in the order of their invocation; without those that only look and came to nothing. */
export function historyOf(clients: readonly SimClient[]): StoredOperation[] {
  return clients
    .flatMap(({ calls }) => calls)
    .filter(({ op, result }) => result !== undefined || op.kind === "put" || op.kind === "delete")
    .sort((a, b) => a.invokedAtMs - b.invokedAtMs);
}

function isRegisterOperation(operation: StoredOperation): operation is RegisterOperation {
  return operation.result?.kind !== "lost" && operation.result?.kind !== "wrong-bytes";
}

/** What must not have happened, as text. */
export function judge(clients: readonly SimClient[]): string[] {
  const stored = historyOf(clients);
  const history = stored.filter(isRegisterOperation);
  const wrong = checkLinearizable(history, registerModel).filter(({ verdict }) => verdict !== "linearizable");
  const { lost, wrongBytes, stale } = checkNoLoss(stored);
  return [
    ...wrong.map((report) =>
      explain(
        report,
        registerModel,
        history.filter(({ key }) => key === report.key),
      ),
    ),
    ...versionsUsedTwice(history),
    ...[...lost, ...wrongBytes, ...stale],
    ...clients.flatMap(({ refReads }) => refReads).flatMap((read) => wronglyFreed(read, stored)),
  ];
}

/** A ref whose object is said to be freed: somebody must have overwritten or deleted it, or may have. */
function wronglyFreed(read: RefRead, history: readonly StoredOperation[]): string[] {
  if (!read.freed) return [];
  const ofKey = history.filter(({ key }) => key === read.key);
  const put = ofKey.find(({ op }) => op.kind === "put" && op.value === read.value);
  const isExcuse = ({ op, result, invokedAtMs, returnedAtMs = Infinity }: StoredOperation): boolean =>
    (op.kind === "delete" || (op.kind === "put" && op.value !== read.value)) &&
    result?.kind !== "exists" &&
    result?.kind !== "mismatch" &&
    invokedAtMs <= read.returnedAtMs &&
    returnedAtMs >= (put?.invokedAtMs ?? 0);
  if (ofKey.some(isExcuse)) return [];
  return [`${read.client} was told that ${read.value} of key ${read.key} is freed, and nobody has done that`];
}
