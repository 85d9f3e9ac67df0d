/**
 * The state of the fleet, changed one step at a time: a step counts, and is seen by anybody, only when it is stored
 * and no other controller has claimed a higher term.
 */
import { MayflyError } from "../errors.ts";
import { beginTerm, emptyFleet, type FleetState } from "./fleet-state.ts";
import { changeBetween } from "./state-store/state-change.ts";
import type { StateStore } from "./state-store/state-store.ts";

export interface Ledger {
  /** The newest state that counts. */
  readonly state: FleetState;
  /** Set once another controller has claimed a higher term: this one makes no more epochs. */
  readonly fencedBy: number | undefined;
  /**
   * Applies a step to the state of its turn and stores the result. A step that returns its argument changes nothing
   * and costs nothing; one that throws leaves everything as it was, and the promise rejects with what it threw.
   *
   * @returns the state that the step led to
   * @throws MayflyError UNAVAILABLE when fenced or when the store cannot be written.
   */
  commit(step: (state: FleetState) => FleetState): Promise<FleetState>;
  /** Looks whether a higher term was claimed. */
  checkTerm(): Promise<void>;
  /** A node knows a term above ours: either another controller claimed it, or the store forgot, and we go above it. */
  overtake(term: number): Promise<void>;
}

/** Claims a term and takes over what the one before left. */
export async function openLedger(store: StateStore, backups: number, rowCount?: number): Promise<Ledger> {
  const claimed = await store.claim(1);
  let term = claimed.term;
  const found = claimed.state ?? emptyFleet(backups, rowCount);
  let state = beginTerm({ ...found, map: { ...found.map, backups } }, term);
  let fencedBy: number | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  await store.save(changeBetween(found, state), state);

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work);
    turn = done.catch(() => {});
    return done;
  };

  async function checkTerm(): Promise<void> {
    const highest = await store.highestTerm();
    if (highest > term) fencedBy = highest;
  }

  async function saveStep(next: FleetState): Promise<FleetState> {
    await store.save(changeBetween(state, next), next);
    await checkTerm();
    if (fencedBy !== undefined) throw fencedError(fencedBy);
    state = next;
    return state;
  }

  return {
    get state() {
      return state;
    },
    get fencedBy() {
      return fencedBy;
    },
    commit: (step) =>
      inTurn(async () => {
        if (fencedBy !== undefined) throw fencedError(fencedBy);
        const next = step(state);
        return next === state ? state : await saveStep(next);
      }),
    checkTerm: () => inTurn(checkTerm),
    overtake: (reported) =>
      inTurn(async () => {
        await checkTerm();
        if (fencedBy !== undefined || reported <= term) return;
        term = (await store.claim(reported + 1)).term;
        await saveStep(beginTerm(state, term));
      }),
  };
}

export function fencedError(term: number): MayflyError {
  return new MayflyError(
    "UNAVAILABLE",
    `another controller has taken over this fleet with term ${term}; stop this one and use that one's address`,
  );
}
