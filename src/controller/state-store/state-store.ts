/**
 * Where the controller keeps what it must not forget, and how controllers agree on who makes epochs: each claims a term
 * that no other can claim, before it reads what the terms before left behind. A controller that saves checks afterwards
 * that no higher term was claimed; only then does the change count. So a change either is in what the next term reads, or
 * was never acknowledged.
 */
import type { FleetState } from "../fleet-state.ts";
import type { StateChange } from "./state-change.ts";

export interface StateStore {
  /**
   * Claims a term above all claimed before, at least `termMin`, for this store alone, and returns the newest state that
   * was saved under an earlier one; undefined in an empty store. May be called again, to go above a term that nodes report.
   *
   * @throws MayflyError DAMAGED when what is stored cannot be read, UNAVAILABLE when it cannot be written.
   */
  claim(termMin: number): Promise<{ readonly term: number; readonly state: FleetState | undefined }>;
  /**
   * Makes a change durable; `next` is the whole state that it leads to. Changes are saved one at a time. After an error
   * the change may or may not be there, and the next save makes up for it.
   *
   * @throws MayflyError UNAVAILABLE when it cannot be written.
   */
  save(change: StateChange, next: FleetState): Promise<void>;
  /** The highest term that anybody has claimed in this store. */
  highestTerm(): Promise<number>;
  /** The fleet's private key, as it was first made by `create`; kept where only this user reads it. */
  privateKey(create: () => string): Promise<string>;
  close(): Promise<void>;
}
