/** What was made of the mutations of each session, in one group of one job, for as long as it may ask again. */
import type { MayflyError } from "../../src/errors.ts";
import type { Effect } from "../../src/wire/cell.ts";
import type { CellResult } from "../../src/wire/collection.ts";
import type { Version } from "../../src/wire/version.ts";
import { indexChargeFor } from "./index-charge.ts";
import type { JobMemory } from "./job-memory.ts";

/** What was made of one mutation of a session. */
export interface SessionResult {
  readonly version: Version;
  readonly position: number;
  readonly existed: boolean;
  /** What the update of a counter or a collection was answered. */
  readonly result?: CellResult;
  /**
   * Why it did not take place. Known to this primary alone: what was refused elsewhere and comes here late names an epoch
   * from before this node led the row.
   */
  readonly refused?: MayflyError;
}

/** All that is kept of one session, but for what only this node knows. */
export interface KeptSession {
  /** 8 bytes as latin-1. */
  readonly id: string;
  readonly floor: number;
  readonly results: readonly (Omit<SessionResult, "refused"> & { readonly sequence: number })[];
}

/** Who asked: of no session when the sequence is 0. */
export type Asked = Pick<Effect, "session" | "sessionSequence" | "sessionFloor">;

interface Session {
  /** Lower sequences are not asked for any more. */
  floor: number;
  usedAtMs: number;
  readonly results: Map<number, SessionResult>;
}

/** What an entry with a small key costs, whatever it is. */
export const smallEntryCharge: number = indexChargeFor(8);
/** A buffer on the heap, beside its bytes. */
const bufferCharge = 128;

function chargeFor({ result }: SessionResult): number {
  if (typeof result !== "object") return smallEntryCharge;
  return smallEntryCharge + bufferCharge + result.length;
}

function chargeForAll({ results }: Session): number {
  let charge = smallEntryCharge;
  for (const result of results.values()) charge += chargeFor(result);
  return charge;
}

export class SessionResults {
  readonly #sessions = new Map<string, Session>();

  /**
   * What the session was answered before, if this is a repetition; "stale" when the session has said that it no longer
   * waits for this answer: a late copy of a request that must not take effect again.
   */
  get(session: string, sequence: number): SessionResult | "stale" | undefined {
    const known = this.#sessions.get(session);
    if (known === undefined) return undefined;
    return sequence < known.floor ? "stale" : known.results.get(sequence);
  }

  /** Keeps the answer for a repetition, and drops those the session has acknowledged. False without memory. */
  remember(memory: JobMemory, asked: Asked, result: SessionResult, wallMs: number): boolean {
    if (asked.sessionSequence === 0) return true;
    let session = this.#sessions.get(asked.session);
    const before = session?.results.get(asked.sessionSequence);
    const charge = chargeFor(result) + (session === undefined ? smallEntryCharge : 0);
    if (!memory.charge(charge)) return false;
    if (session === undefined) {
      session = { floor: 0, usedAtMs: wallMs, results: new Map() };
      this.#sessions.set(asked.session, session);
    }
    session.usedAtMs = wallMs;
    if (before !== undefined) {
      session.results.delete(asked.sessionSequence);
      memory.discharge(chargeFor(before));
    }
    if (asked.sessionFloor > session.floor) {
      session.floor = asked.sessionFloor;
      for (const sequence of session.results.keys()) {
        if (sequence >= session.floor) continue;
        memory.discharge(chargeFor(session.results.get(sequence)!));
        session.results.delete(sequence);
      }
    }
    session.results.set(asked.sessionSequence, result);
    return true;
  }

  /** Lets go of what was kept for sessions that have been silent for `idleMs`. */
  sweep(memory: JobMemory, wallMs: number, idleMs: number): void {
    for (const [id, session] of this.#sessions) {
      if (wallMs - session.usedAtMs < idleMs) continue;
      this.#sessions.delete(id);
      memory.discharge(chargeForAll(session));
    }
  }

  *all(): Iterable<KeptSession> {
    for (const [id, { floor, results }] of this.#sessions) {
      const kept: KeptSession["results"][number][] = [];
      for (const [sequence, { refused, ...result }] of results) {
        if (refused === undefined) kept.push({ sequence, ...result });
      }
      yield { id, floor, results: kept };
    }
  }

  /** Adds a session that is not there. False without memory. */
  install(memory: JobMemory, { id, floor, results }: KeptSession, wallMs: number): boolean {
    const session: Session = { floor, usedAtMs: wallMs, results: new Map() };
    for (const { sequence, ...result } of results) session.results.set(sequence, result);
    if (!memory.charge(chargeForAll(session))) return false;
    this.#sessions.set(id, session);
    return true;
  }

  free(memory: JobMemory): void {
    for (const session of this.#sessions.values()) memory.discharge(chargeForAll(session));
    this.#sessions.clear();
  }
}
