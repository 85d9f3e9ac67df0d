/** A key that holds a number: increments that answer with the sum, and reads. What was never written is 0. */
import type { Model, Operation } from "./operation.ts";

export type CounterOp = { readonly kind: "add"; readonly amount: number } | { readonly kind: "read" };
/** The value after the operation. */
export type CounterResult = number;
export type CounterOperation = Operation<CounterOp, CounterResult>;

export const counterModel: Model<number, CounterOp, CounterResult> = {
  initial: 0,
  step(state, op, result) {
    const after = op.kind === "add" ? state + op.amount : state;
    return result === undefined || result === after ? after : undefined;
  },
  hash: String,
  isRead: (op) => op.kind === "read",
  describe: (op, result) =>
    `${op.kind === "add" ? `add ${op.amount}` : "read"} -> ${result ?? "outcome unknown"}`,
  describeState: String,
  mentions: (_op, result) => (result === undefined ? [] : [String(result)]),
};
