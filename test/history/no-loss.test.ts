import { expect, test } from "vitest";
import { checkNoLoss, type StoredOperation } from "./no-loss.ts";
import type { RegisterOp } from "./register-model.ts";

type Row = readonly [number, number | undefined, RegisterOp, StoredOperation["result"]];

function check(...rows: readonly Row[]): { lost: number; wrongBytes: number; stale: number } {
  const { lost, wrongBytes, stale } = checkNoLoss(
    rows.map(([invokedAtMs, returnedAtMs, op, result], at) => ({
      ...{ client: String(at), key: "k", op, invokedAtMs, returnedAtMs, result },
    })),
  );
  return { lost: lost.length, wrongBytes: wrongBytes.length, stale: stale.length };
}

const none = { lost: 0, wrongBytes: 0, stale: 0 };
const get: RegisterOp = { kind: "get" };
const put = (value: string): RegisterOp => ({ kind: "put", value });
const written = { kind: "written", version: "1.1" } as const;
const absent = { kind: "absent" } as const;
const read = (value: string) => ({ kind: "value", value }) as const;

test("what was acknowledged and is read is no loss", () => {
  expect(check([0, 1, put("a"), written], [2, 3, get, read("a")], [4, 5, put("b"), written])).toEqual(none);
});

test("an acknowledged put that is not there is lost once, however often it is missed", () => {
  expect(
    check([0, 1, put("a"), written], [2, 3, get, absent], [4, 5, get, { kind: "lost" }], [6, 7, get, absent]),
  ).toEqual({ ...none, lost: 1 });
});

test("what was deleted may be gone, also while nobody knows whether it was deleted", () => {
  expect(
    check([0, 1, put("a"), written], [2, 3, { kind: "delete" }, { kind: "deleted" }], [4, 5, get, absent]),
  ).toEqual(none);
  expect(
    check([0, 1, put("a"), written], [2, undefined, { kind: "delete" }, undefined], [9, 10, get, absent]),
  ).toEqual(none);
});

test("bytes that are gone are lost even while a delete is under way", () => {
  expect(
    check(
      [0, 1, put("a"), written],
      [2, undefined, { kind: "delete" }, undefined],
      [4, 5, get, { kind: "lost" }],
    ),
  ).toEqual({ ...none, lost: 1 });
});

test("a put of unknown outcome may be there or not, also late", () => {
  expect(check([0, undefined, put("a"), undefined], [4, 5, get, absent], [6, 7, get, read("a")])).toEqual(
    none,
  );
  expect(check([0, undefined, put("a"), undefined], [4, 5, get, { kind: "lost" }])).toEqual(none);
  expect(
    check([0, 1, put("a"), written], [2, undefined, put("b"), undefined], [4, 5, get, read("b")]),
  ).toEqual(none);
});

test("a value that was overwritten before the read began is stale; beside the overwrite it is not", () => {
  const first: Row = [0, 1, put("a"), written];
  expect(check(first, [2, 3, put("b"), written], [4, 5, get, read("a")])).toEqual({ ...none, stale: 1 });
  expect(check(first, [2, 6, put("b"), written], [4, 5, get, read("a")])).toEqual(none);
});

test("other bytes than any put's are wrong, and so is a value that nobody wrote", () => {
  expect(
    check(
      [0, 1, put("a"), written],
      [2, 3, get, { kind: "wrong-bytes", what: "" }],
      [4, 5, get, read("ghost")],
    ),
  ).toEqual({ ...none, wrongBytes: 2 });
});

test("a condition that did not hold wrote nothing", () => {
  expect(
    check(
      [0, 1, put("a"), written],
      [2, 3, { kind: "put", value: "b", ifAbsent: true }, { kind: "exists" }],
      [4, 5, get, read("b")],
    ),
  ).toEqual({ ...none, wrongBytes: 1 });
});
