/**
 * Whether the history of a key could have come of operations that took effect one at a time, each between its invocation
 * and its return (Herlihy and Wing). The search goes through the events in the order of time and keeps all
 * configurations that explain what was seen so far: the state, and which open operations have taken effect already. An
 * operation is made to take effect at the latest when it returns (Lowe, "Testing for linearizability", 2017). What keeps
 * it small:
 *
 * - Configurations are kept once (Wing and Gong's search with memory).
 * - A read that sees what is there takes effect at once: whoever still has it open has no advantage.
 * - Of two configurations that differ in operations of unknown outcome only, the one that used fewer of them can
 *   do all that the other can.
 * - Of equal operations of unknown outcome the first is used first.
 */
import { byKey, type Model, type Operation } from "./operation.ts";

export type Verdict = "linearizable" | "violation" | "undecided";

export interface KeyReport<State, Op, Result> {
  readonly key: string;
  readonly verdict: Verdict;
  /** Of a violation: the piece of the history that cannot be explained, from states that can be. */
  readonly window: Window<State, Op, Result> | undefined;
}

export interface Window<State, Op, Result> {
  /** What the key may have held when the window begins. */
  readonly startStates: readonly State[];
  readonly startMs: number;
  readonly operations: readonly Operation<Op, Result>[];
  /** What returned when no explanation was left. */
  readonly last: Operation<Op, Result>;
}

/** Steps of the model for one key; beyond it the key is undecided, which whoever asked should count as a failure. */
export const stepsMaxDefault = 5_000_000;

export function checkLinearizable<State, Op, Result>(
  history: readonly Operation<Op, Result>[],
  model: Model<State, Op, Result>,
  stepsMax: number = stepsMaxDefault,
): KeyReport<State, Op, Result>[] {
  return [...byKey(history)].map(([key, written]) => {
    const ofKey = model.simplify?.(written) ?? written;
    const search = new Search(model, ofKey, stepsMax);
    const found = search.run(eventsOf(ofKey), search.beginning());
    if (found.verdict !== "violation") return { key, verdict: found.verdict, window: undefined };
    return { key, verdict: found.verdict, window: smallest(search, found) };
  });
}

/** `known`: the open operations that have taken effect; `unknown`: likewise, of those of unknown outcome. */
interface Configuration<State> {
  readonly state: State;
  readonly hash: string;
  readonly known: bigint;
  readonly unknown: bigint;
}

interface Event<Op, Result> {
  readonly operation: Operation<Op, Result>;
  readonly returns: boolean;
}

/** A moment from which the search can be run again. */
interface Checkpoint<State, Op, Result> {
  readonly at: number;
  readonly configurations: readonly Configuration<State>[];
  readonly open: OpenOperations<Op, Result>;
  readonly unknown: readonly UnknownOperation<Op>[];
}

interface Found<State, Op, Result> {
  readonly verdict: Verdict;
  /** The events from `start` on up to where it failed. */
  readonly events: readonly Event<Op, Result>[];
  readonly start: Checkpoint<State, Op, Result>;
}

/** So many events before it fails a violation is shown from, if operations were open all the time. */
const windowEvents = 24;

/** At the same moment invocations come first: then the two overlap, which excuses more. */
function eventsOf<Op, Result>(operations: readonly Operation<Op, Result>[]): Event<Op, Result>[] {
  const invocations = operations.map((operation) => ({ operation, returns: false }));
  const returns = operations
    .filter(({ returnedAtMs }) => returnedAtMs !== undefined)
    .map((operation) => ({ operation, returns: true }));
  return [...invocations, ...returns].sort(
    (a, b) => timeOf(a) - timeOf(b) || Number(a.returns) - Number(b.returns),
  );
}

function timeOf<Op, Result>({ operation, returns }: Event<Op, Result>): number {
  return returns ? operation.returnedAtMs! : operation.invokedAtMs;
}

interface UnknownOperation<Op> {
  readonly op: Op;
  readonly bit: bigint;
  /** Equal operations before this one: they are used first. */
  readonly equalBefore: bigint;
}

class Search<State, Op, Result> {
  readonly #model: Model<State, Op, Result>;
  readonly #unknown = new Map<Operation<Op, Result>, UnknownOperation<Op>>();
  readonly #stepsMax: number;
  #steps = 0;

  constructor(
    model: Model<State, Op, Result>,
    operations: readonly Operation<Op, Result>[],
    stepsMax: number,
  ) {
    this.#model = model;
    this.#stepsMax = stepsMax;
    const equal = new Map<string, bigint>();
    let bit = 1n;
    for (const operation of operations) {
      if (operation.returnedAtMs !== undefined) continue;
      const name = model.describe(operation.op, undefined);
      const equalBefore = equal.get(name) ?? 0n;
      this.#unknown.set(operation, { op: operation.op, bit, equalBefore });
      equal.set(name, equalBefore | bit);
      bit <<= 1n;
    }
  }

  beginning(): Checkpoint<State, Op, Result> {
    const state = this.#model.initial;
    const configurations = [{ state, hash: this.#model.hash(state), known: 0n, unknown: 0n }];
    return { at: 0, configurations, open: new OpenOperations(), unknown: [] };
  }

  run(events: readonly Event<Op, Result>[], start: Checkpoint<State, Op, Result>): Found<State, Op, Result> {
    this.#steps = 0;
    const unknown = [...start.unknown];
    const open = start.open.copy();
    let { configurations } = start;
    let checkpoint = start;
    let before = start;
    for (const [at, { operation, returns }] of events.entries()) {
      if (open.size === 0 || at - checkpoint.at >= windowEvents) {
        before =
          open.size === 0 ? { at, configurations, open: open.copy(), unknown: [...unknown] } : checkpoint;
        checkpoint = { at, configurations, open: open.copy(), unknown: [...unknown] };
      }
      if (!returns) {
        const mark = this.#unknown.get(operation);
        if (mark !== undefined) unknown.push(mark);
        else {
          open.add(operation);
          configurations = configurations.map((one) => this.#withReads(one, open));
        }
        continue;
      }
      const next = this.#returning(configurations, open.bitOf(operation), open, unknown);
      open.remove(operation);
      if (next !== undefined && next.length > 0) configurations = next;
      else {
        const verdict = next === undefined ? "undecided" : "violation";
        return { verdict, events: events.slice(before.at, at + 1), start: before };
      }
    }
    return { verdict: "linearizable", events: [], start };
  }

  /** The configurations in which the operation of this bit has taken effect; undefined when that takes too long. */
  #returning(
    from: readonly Configuration<State>[],
    bit: bigint,
    open: OpenOperations<Op, Result>,
    unknown: readonly UnknownOperation<Op>[],
  ): Configuration<State>[] | undefined {
    const seen = new Smallest<State>();
    const done = new Smallest<State>();
    let layer = from;
    while (layer.length > 0) {
      const next: Configuration<State>[] = [];
      for (const one of layer) {
        if ((one.known & bit) !== 0n) {
          done.add({ ...one, known: one.known & ~bit });
          continue;
        }
        if (!seen.isSmallest(one)) continue;
        for (const after of this.#successors(one, open, unknown)) if (seen.add(after)) next.push(after);
      }
      if (this.#steps > this.#stepsMax) return undefined;
      layer = next;
    }
    return done.all();
  }

  *#successors(
    { state, hash, known, unknown }: Configuration<State>,
    open: OpenOperations<Op, Result>,
    unknownOpen: readonly UnknownOperation<Op>[],
  ): Generator<Configuration<State>> {
    for (const [operation, bit] of open.entries()) {
      if ((known & bit) !== 0n) continue;
      const after = this.#step(state, operation.op, operation.result);
      if (after === undefined) continue;
      const moved = { state: after, hash: this.#model.hash(after), known: known | bit, unknown };
      yield this.#withReads(moved, open);
    }
    for (const { op, bit, equalBefore } of unknownOpen) {
      if ((unknown & bit) !== 0n || (equalBefore & ~unknown) !== 0n) continue;
      const after = this.#step(state, op, undefined);
      if (after === undefined) continue;
      const moved = { state: after, hash: this.#model.hash(after), known, unknown: unknown | bit };
      if (moved.hash !== hash) yield this.#withReads(moved, open);
    }
  }

  /** The configuration with all open reads done that see just what is there. */
  #withReads(one: Configuration<State>, open: OpenOperations<Op, Result>): Configuration<State> {
    let { known } = one;
    for (const [{ op, result }, bit] of open.entries()) {
      if ((known & bit) !== 0n || result === undefined || !this.#model.isRead(op, result)) continue;
      const after = this.#step(one.state, op, result);
      if (after !== undefined && this.#model.hash(after) === one.hash) known |= bit;
    }
    return known === one.known ? one : { ...one, known };
  }

  #step(state: State, op: Op, result: Result | undefined): State | undefined {
    this.#steps++;
    return this.#model.step(state, op, result);
  }

  isRead({ op, result }: Operation<Op, Result>): boolean {
    return result !== undefined && this.#model.isRead(op, result);
  }
}

/** Known operations that were invoked and have not returned, each with a bit that is used again later. */
class OpenOperations<Op, Result> {
  readonly #bits = new Map<Operation<Op, Result>, bigint>();
  readonly #free: bigint[] = [];
  #next = 1n;

  get size(): number {
    return this.#bits.size;
  }

  copy(): OpenOperations<Op, Result> {
    const copy = new OpenOperations<Op, Result>();
    for (const [operation, bit] of this.#bits) copy.#bits.set(operation, bit);
    copy.#free.push(...this.#free);
    copy.#next = this.#next;
    return copy;
  }

  add(operation: Operation<Op, Result>): void {
    const bit = this.#free.pop() ?? this.#next;
    if (bit === this.#next) this.#next <<= 1n;
    this.#bits.set(operation, bit);
  }

  remove(operation: Operation<Op, Result>): void {
    this.#free.push(this.bitOf(operation));
    this.#bits.delete(operation);
  }

  has(operation: Operation<Op, Result>): boolean {
    return this.#bits.has(operation);
  }

  bitOf(operation: Operation<Op, Result>): bigint {
    return this.#bits.get(operation)!;
  }

  entries(): Iterable<[Operation<Op, Result>, bigint]> {
    return this.#bits;
  }
}

/** Configurations of which none could be replaced by another one that used fewer operations of unknown outcome. */
class Smallest<State> {
  readonly #kept = new Map<string, Configuration<State>[]>();

  /** False when what is there does as well. */
  add(one: Configuration<State>): boolean {
    const name = nameOf(one);
    const others = this.#kept.get(name) ?? [];
    if (others.some(({ unknown }) => (unknown & ~one.unknown) === 0n)) return false;
    const rest = others.filter(({ unknown }) => (one.unknown & ~unknown) !== 0n);
    this.#kept.set(name, [...rest, one]);
    return true;
  }

  /** Whether nothing better came in since it was added, if it was. */
  isSmallest(one: Configuration<State>): boolean {
    const others = this.#kept.get(nameOf(one)) ?? [];
    return !others.some(({ unknown }) => unknown !== one.unknown && (unknown & ~one.unknown) === 0n);
  }

  all(): Configuration<State>[] {
    return [...this.#kept.values()].flat();
  }
}

function nameOf<State>({ hash, known }: Configuration<State>): string {
  return `${known} ${hash}`;
}

/**
 * Leaves out the reads that are not needed for the violation. Leaving out reads makes no history worse, so what is left is
 * a violation of its own; leaving out writes could make one up.
 */
function smallest<State, Op, Result>(
  search: Search<State, Op, Result>,
  { events, start }: Found<State, Op, Result>,
): Window<State, Op, Result> {
  const fromStart = { ...start, at: 0 };
  const last = events.at(-1)!.operation;
  let kept = events;
  for (const operation of new Set(events.map((event) => event.operation))) {
    if (operation === last || !search.isRead(operation) || start.open.has(operation)) continue;
    const fewer = kept.filter((event) => event.operation !== operation);
    if (search.run(fewer, fromStart).verdict === "violation") kept = fewer;
  }
  const states = new Map(start.configurations.map(({ hash, state }) => [hash, state]));
  const stillOpen = [...start.open.entries()].map(([operation]) => operation);
  const operations = [...new Set([...stillOpen, ...kept.map(({ operation }) => operation)])];
  const startMs = timeOf(events[0]!);
  return { startStates: [...states.values()], startMs, operations, last };
}
