/** What nodes and the controller say about a fleet that goes to sleep, sleeps or wakes; see control-api.ts. */

/** How far a node is with writing what its rows hold to the object store, or with fetching it from there. */
export interface HibernationReport {
  /** "term.n" of the hibernation in the node's map; absent while objects are only being moved to the object store. */
  readonly token?: string;
  /** All that the rows of this node hold was written under the token. */
  readonly stored: boolean;
  /** What that was. */
  readonly storedBytes: number;
  /** Objects of the rows that this node leads that are in memory only; nothing may sleep before there are none. */
  readonly objectsLeft: number;
  readonly bytesLeft: number;
  /** What holds it up. */
  readonly fault?: string;
}

/** POST /v1/hibernate, POST /v1/wake, GET /v1/hibernation */
export interface HibernationProgress {
  /**
   * `spilling`: objects that are in memory only are moved to the object store. `storing`: cells stand still and are written there.
   * `asleep`: there are no nodes. `waking`: nodes start and fetch the cells; they are read, and not yet changed.
   */
  readonly stage: "awake" | "spilling" | "storing" | "asleep" | "waking";
  /** In memory only, as far as nodes have said. */
  readonly objectsLeft: number;
  readonly bytesLeft: number;
  readonly nodes: number;
  readonly nodesStored: number;
  /** That it had before it slept; 0 of a fleet that is awake. */
  readonly nodesWanted: number;
  /** What its cells take in the object store. */
  readonly storedBytes: number;
  /** Wall clock: since when it sleeps. */
  readonly sinceMs?: number;
  /** What it waits for; why it stayed awake, if it was to sleep. */
  readonly reasons: readonly string[];
}
