/**
 * What the whole fleet agrees on. The controller alone makes epochs; nodes and clients decode, compare and obey.
 */
import type { NodeId } from "../ids.ts";

/** Version of the map: a higher term always wins, then the higher n. */
export interface Epoch {
  readonly term: number;
  readonly n: number;
}

/** `draining` nodes take no new shards and no new rows; `dead` ones stay listed while a row still names them. */
export type NodeState = "active" | "draining" | "dead";

export interface NodeEntry {
  readonly id: NodeId;
  readonly host: string;
  readonly port: number;
  readonly state: NodeState;
  /** Share of new shards, 0 .. 255; 0 takes none. */
  readonly weight: number;
  /** Failure domain; empty when the fleet has none. */
  readonly zone: string;
}

/** The ordered distinct nodes of one group: `nodes[0]` is the primary. Every change is a new generation. */
export interface Row {
  readonly generation: number;
  /** Full members: each has all that was ever acknowledged, and nothing is acknowledged without each of them. */
  readonly nodes: readonly NodeId[];
  /** Being filled by the primary; they may not be promoted. */
  readonly joining: readonly NodeId[];
  /** The generation in which the row last began empty: what a node has of an earlier one is void. */
  readonly born: number;
  /** Jobs up to this number may have lost what they had here: nothing at a key of theirs means lost, not never written. */
  readonly lostJobs: number;
}

/** A row of a fleet that has none yet. */
export const emptyRow: Row = { generation: 0, nodes: [], joining: [], born: 0, lostJobs: 0 };

/**
 * While a map says so, cells are read and not changed. `storing`: each primary writes what its rows hold to the object store. `loading`:
 * rows are born with what was written under `token`, the epoch in which that began.
 */
export interface Hibernation {
  readonly state: "storing" | "loading";
  readonly token: Epoch;
}

export interface FleetMap {
  readonly epoch: Epoch;
  /** In ascending order of id. */
  readonly nodes: readonly NodeEntry[];
  /** 1,024 rows, by group; all empty (generation 0, no nodes) while the fleet is forming. */
  readonly rows: readonly Row[];
  /** Fleet-wide setting: how many backups a row should have. */
  readonly backups: number;
  /** Undefined of a fleet that is awake. */
  readonly hibernation?: Hibernation | undefined;
}

/** A Reed-Solomon code: `d` data shards and `p` parity shards a stripe. */
export interface Code {
  readonly d: number;
  readonly p: number;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a function is started with; see ticket.ts for its text form. */
export interface Ticket {
  /** Some nodes that hand on the map; a few, not all. */
  readonly seeds: readonly Address[];
  readonly controllerUrl: string;
  readonly job: number;
  /** The job's redundancy, so that a function can write before it asked anybody. */
  readonly code: Code;
  readonly token: string;
}
