/** A key that holds a list: pushed at the end, popped at the front. */
import type { Model, Operation } from "./operation.ts";

export type ListOp =
  | { readonly kind: "push"; readonly value: string }
  | { readonly kind: "pop" }
  | { readonly kind: "length" };
/** Of a push and of `length` the length after it; of a pop what was at the front, `null` when there was nothing. */
export type ListResult = number | string | null;
export type ListOperation = Operation<ListOp, ListResult>;

export const listModel: Model<readonly string[], ListOp, ListResult> = {
  initial: [],
  step(state, op, result) {
    switch (op.kind) {
      case "push":
        if (result !== undefined && result !== state.length + 1) return undefined;
        return [...state, op.value];
      case "pop":
        if (state.length === 0) return result === null ? state : undefined;
        return result === undefined || result === state[0] ? state.slice(1) : undefined;
      case "length":
        return result === state.length ? state : undefined;
    }
  },
  hash: (state) => JSON.stringify(state),
  isRead: (op, result) => op.kind === "length" || (op.kind === "pop" && result === null),
  describe(op, result) {
    const what = op.kind === "push" ? `push ${op.value}` : op.kind;
    return `${what} -> ${result === undefined ? "outcome unknown" : result === null ? "empty" : result}`;
  },
  describeState: (state) => `[${state.join(", ")}]`,
  mentions(op, result) {
    return [...(op.kind === "push" ? [op.value] : []), ...(typeof result === "string" ? [result] : [])];
  },
};
