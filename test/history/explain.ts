/** A violation as text for people: what was there, what was done, who else had to do with it. */
import type { KeyReport } from "./linearizability.ts";
import type { Model, Operation } from "./operation.ts";

const statesShownMax = 5;
const operationsShownMax = 40;
const othersShownMax = 12;

/** @param history of the key, for what happened before */
export function explain<State, Op, Result>(
  { key, verdict, window }: KeyReport<State, Op, Result>,
  model: Model<State, Op, Result>,
  history: readonly Operation<Op, Result>[],
): string {
  if (verdict === "linearizable") return `key ${key}: linearizable`;
  if (window === undefined) {
    return `key ${key}: undecided; the search through its ${history.length} operations was given up`;
  }
  const { startStates, startMs: zeroMs, operations, last } = window;
  const line = (operation: Operation<Op, Result>): string => {
    const { client, op, result, invokedAtMs, returnedAtMs } = operation;
    const at = (ms: number | undefined): string => (ms === undefined ? "?" : (ms - zeroMs).toFixed(1));
    const mark = operation === last ? "   <- cannot be" : "";
    const times = `${at(invokedAtMs)} .. ${at(returnedAtMs)} ms`;
    return `  ${times.padEnd(24)} client ${client}: ${model.describe(op, result)}${mark}`;
  };
  const states = startStates.slice(0, statesShownMax).map(model.describeState);
  const more = startStates.length - states.length;
  const names = new Set(operations.flatMap(({ op, result }) => model.mentions(op, result)));
  // The checker knows some operations in another form than the history has them.
  const nameOf = ({ client, invokedAtMs }: Operation<Op, Result>): string => `${client} ${invokedAtMs}`;
  const shown = new Set(operations.map(nameOf));
  const others = history.filter(
    (operation) =>
      !shown.has(nameOf(operation)) &&
      model.mentions(operation.op, operation.result).some((name) => names.has(name)),
  );
  return [
    `key ${key}: not linearizable. At ${zeroMs.toFixed(1)} ms it held ${states.join(", or ")}` +
      `${more > 0 ? `, or one of ${more} more` : ""}; then:`,
    ...operations.slice(-operationsShownMax).map(line),
    ...(others.length === 0 ? [] : ["  the same values and versions elsewhere:"]),
    ...others.slice(-othersShownMax).map(line),
  ].join("\n");
}
