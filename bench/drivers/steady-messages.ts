/** What scenarios and the client processes of their steady loads say to one another, over the channel between them. */
import type { OperationLog } from "../harness/operation-log.ts";

/** Keys that one client process writes, all with values of the same length. */
export interface KeySet {
  readonly name: string;
  readonly keys: readonly string[];
  readonly valueBytes: number;
}

/** Operations at a steady pace: each of the keys has one every `periodMs`, the keys one after the other. */
export interface LoadStream {
  /** Unique in all processes. */
  readonly name: string;
  /** At most one stream of a set puts. */
  readonly operation: "put" | "get";
  readonly set: string;
  /** Positions in the set. */
  readonly keys: readonly number[];
  readonly periodMs: number;
}

/** `fill` writes all keys once, `check` reads and compares them, `start` begins the streams, `stop` ends them. */
export type SteadyRequest =
  | { readonly ask: "fill"; readonly set: KeySet; readonly outstanding: number }
  | { readonly ask: "check"; readonly set: string; readonly outstanding: number }
  | { readonly ask: "start"; readonly streams: readonly LoadStream[] }
  | { readonly ask: "stop" };

export interface FillReply {
  readonly seconds: number;
  /** By key, the nodes that its object's shards are on; empty for values that are no objects. */
  readonly nodes: readonly (readonly number[])[];
  /** Stored bytes of shards, by node. */
  readonly shardBytes: ReadonlyMap<number, number>;
}

export interface CheckReply {
  readonly seconds: number;
  /** Keys that could not be read, or not as they were written. */
  readonly wrong: number;
  readonly complaints: readonly string[];
}

export interface LoadReply {
  readonly log: OperationLog;
  /** Turns of keys that were left out, since the turn before was not over. */
  readonly skipped: number;
  /** The first failures, for people. */
  readonly complaints: readonly string[];
}

export type SteadyReply =
  | { readonly answer: "ready" | "started" }
  | { readonly answer: "filled"; readonly filled: FillReply }
  | { readonly answer: "checked"; readonly checked: CheckReply }
  | { readonly answer: "stopped"; readonly load: LoadReply }
  /** Text for people. */
  | { readonly answer: "failed"; readonly why: string };
