import { expect, onTestFinished, test } from "vitest";
import { atEndOfTurn } from "../src/end-of-turn.ts";
import { until } from "./support/until.ts";

/** Behind every immediate that was asked for before. */
const nextTurn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** What nobody catches goes into the result instead of ending the test run. */
function catchUncaught(): unknown[] {
  const caught: unknown[] = [];
  const listeners = process.listeners("uncaughtException");
  const note = (error: unknown): void => void caught.push(error);
  process.removeAllListeners("uncaughtException");
  process.on("uncaughtException", note);
  onTestFinished(() => {
    process.off("uncaughtException", note);
    for (const listener of listeners) process.on("uncaughtException", listener);
  });
  return caught;
}

test("all that a turn puts off runs in one immediate, in the order of coming", async () => {
  const order: string[] = [];
  atEndOfTurn(() => order.push("first"));
  setImmediate(() => order.push("next immediate"));
  atEndOfTurn(() => order.push("second"));
  await Promise.resolve().then(() => atEndOfTurn(() => order.push("third")));
  expect(order).toEqual([]);
  await nextTurn();
  expect(order).toEqual(["first", "second", "third", "next immediate"]);
});

test("what is put off while running comes in the same turn, behind the others", async () => {
  const order: string[] = [];
  atEndOfTurn(() => {
    order.push("first");
    atEndOfTurn(() => {
      order.push("inner");
      atEndOfTurn(() => order.push("innermost"));
    });
  });
  atEndOfTurn(() => order.push("second"));
  setImmediate(() => order.push("next immediate"));
  await nextTurn();
  expect(order).toEqual(["first", "second", "inner", "innermost", "next immediate"]);
});

test("each call is one run, and later turns begin anew", async () => {
  const order: string[] = [];
  const run = (): void => void order.push("run");
  atEndOfTurn(run);
  atEndOfTurn(run);
  await nextTurn();
  expect(order).toEqual(["run", "run"]);
  await nextTurn();
  expect(order).toHaveLength(2);
  atEndOfTurn(run);
  await nextTurn();
  expect(order).toHaveLength(3);
});

test("one that throws keeps none of the others from its turn, and is not run again", async () => {
  const caught = catchUncaught();
  const order: string[] = [];
  const failing = (name: string) => (): void => {
    order.push(name);
    throw new RangeError(name);
  };
  atEndOfTurn(() => order.push("before"));
  atEndOfTurn(failing("broken"));
  atEndOfTurn(() => atEndOfTurn(() => order.push("inner")));
  atEndOfTurn(failing("broken too"));
  atEndOfTurn(() => order.push("behind"));
  await until("all had their turn", () => order.includes("inner"));
  expect(order).toEqual(["before", "broken", "broken too", "behind", "inner"]);
  expect(caught).toEqual([new RangeError("broken"), new RangeError("broken too")]);
});

test("when the only one throws the next turn is as any other", async () => {
  const caught = catchUncaught();
  atEndOfTurn(() => {
    throw new RangeError("alone");
  });
  await until("it was thrown", () => caught.length === 1);
  let runs = 0;
  atEndOfTurn(() => runs++);
  await nextTurn();
  expect(runs).toBe(1);
});
