/**
 * What clients did and saw: the input of the checkers in this folder. Everything here is pure, so that a simulation with
 * its own clock can use it as well as a run with real processes.
 */

/** One call of one client. Times are of one clock that all clients share. */
export interface Operation<Op, Result> {
  readonly client: string;
  readonly key: string;
  readonly op: Op;
  readonly invokedAtMs: number;
  /** Undefined: nobody knows the outcome. It may take effect at any time after it was invoked, or never. */
  readonly returnedAtMs: number | undefined;
  /** Undefined exactly when `returnedAtMs` is. */
  readonly result: Result | undefined;
}

/** What one key is supposed to do when operations on it come one after another. */
export interface Model<State, Op, Result> {
  readonly initial: State;
  /**
   * The state after the operation, or undefined when it cannot have this result in this state. Without a result any result
   * will do, and undefined means that the operation would change nothing.
   */
  step(state: State, op: Op, result: Result | undefined): State | undefined;
  /** Equal texts for equal states. */
  hash(state: State): string;
  /** Whether an operation with this result leaves every state as it is, or only learns something about it. */
  isRead(op: Op, result: Result): boolean;
  describe(op: Op, result: Result | undefined): string;
  describeState(state: State): string;
  /**
   * The same operations of a key with what the history as a whole tells of those of unknown outcome. Operations that nobody
   * can tell apart become equal: the search tries only one of them.
   */
  simplify?(history: readonly Operation<Op, Result>[]): readonly Operation<Op, Result>[];
  /** Names of values and versions that the operation has to do with, to show who else had to do with them. */
  mentions(op: Op, result: Result | undefined): readonly string[];
}

/** The histories of the single keys, each in the order in which its operations were invoked. */
export function byKey<Op, Result>(
  history: readonly Operation<Op, Result>[],
): Map<string, Operation<Op, Result>[]> {
  const keys = new Map<string, Operation<Op, Result>[]>();
  for (const operation of history) {
    const ofKey = keys.get(operation.key);
    if (ofKey === undefined) keys.set(operation.key, [operation]);
    else ofKey.push(operation);
  }
  for (const ofKey of keys.values()) ofKey.sort((a, b) => a.invokedAtMs - b.invokedAtMs);
  return keys;
}
