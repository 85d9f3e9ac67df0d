import { expect, test } from "vitest";
import type { RecordedOperation } from "./load/recorded.ts";
import { judge, longestGaps } from "./verdict.ts";

type Given = Pick<RecordedOperation, "op" | "result" | "invokedAtMs" | "endedAtMs"> &
  Partial<RecordedOperation>;

function recorded({ op, result, invokedAtMs, endedAtMs, ...rest }: Given): RecordedOperation {
  return {
    ...{ workload: "cell", client: "1", key: "cell/1", timeoutMs: 100, op, result, invokedAtMs, endedAtMs },
    returnedAtMs: result === undefined ? undefined : endedAtMs,
    ...rest,
  };
}

const get = { kind: "get" } as const;
const written = { kind: "written", version: "1.1" } as const;
const put = recorded({ op: { kind: "put", value: "5" }, result: written, invokedAtMs: 0, endedAtMs: 1 });

function counts(operations: readonly RecordedOperation[]) {
  const { lost, wrongBytes, notLinearizable, late, keys } = judge(operations);
  const sizes = { lost: lost.length, wrongBytes: wrongBytes.length, late: late.length };
  return { ...sizes, notLinearizable: notLinearizable.length, keys: [...keys] };
}

const clean = { lost: 0, wrongBytes: 0, notLinearizable: 0, late: 0, keys: [] };

test("a history without fault is clean; reads that failed say nothing", () => {
  const failed = recorded({ op: get, result: undefined, invokedAtMs: 2, endedAtMs: 3, error: "UNAVAILABLE" });
  const right = recorded({ op: get, result: { kind: "value", value: "5" }, invokedAtMs: 4, endedAtMs: 5 });
  expect(counts([put, failed, right])).toEqual(clean);
});

test("a missing value is lost, and not linearizable", () => {
  const missed = recorded({ op: get, result: { kind: "absent" }, invokedAtMs: 2, endedAtMs: 3 });
  expect(counts([put, missed])).toEqual({ ...clean, lost: 1, notLinearizable: 1, keys: ["cell/1"] });
});

test("bytes that are gone are lost, other bytes are wrong", () => {
  const lost = recorded({ op: get, result: { kind: "lost" }, invokedAtMs: 2, endedAtMs: 3 });
  expect(counts([put, lost])).toEqual({ ...clean, lost: 1, keys: ["cell/1"] });
  const wrong = recorded({
    op: get,
    result: { kind: "wrong-bytes", what: "" },
    invokedAtMs: 2,
    endedAtMs: 3,
  });
  expect(counts([put, wrong])).toEqual({ ...clean, wrongBytes: 1, keys: ["cell/1"] });
});

test("a stale read is counted once", () => {
  const later = recorded({
    ...put,
    op: { kind: "put", value: "6" },
    result: { kind: "written", version: "1.2" },
  });
  const overwrite = { ...later, invokedAtMs: 2, returnedAtMs: 3, endedAtMs: 3 };
  const stale = recorded({ op: get, result: { kind: "value", value: "5" }, invokedAtMs: 4, endedAtMs: 5 });
  expect(counts([put, overwrite, stale])).toEqual({ ...clean, notLinearizable: 1, keys: ["cell/1"] });
});

test("a late call is counted, whatever came of it", () => {
  const late = recorded({ op: get, result: undefined, invokedAtMs: 2, endedAtMs: 2000, lateMs: 900 });
  expect(counts([put, late])).toEqual({ ...clean, late: 1 });
});

test("a gap lasts from the first call that had to wait to the next success", () => {
  const read = (invokedAtMs: number, endedAtMs: number, succeeds: boolean): RecordedOperation =>
    recorded({ op: get, result: succeeds ? { kind: "absent" } : undefined, invokedAtMs, endedAtMs });
  const history = [read(0, 1, true), read(100, 130, false), read(140, 180, false), read(190, 200, true)];
  expect(longestGaps([...history, read(900, 905, true)])).toEqual([{ key: "cell/1", ms: 100 }]);
});
