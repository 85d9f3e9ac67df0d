/** What a cache node is started with, and what its process sees of it. */
import type { Clock, Rng } from "../src/clock.ts";
import type { ObjectStore } from "../src/durable/object-store.ts";
import type { MayflyError } from "../src/errors.ts";
import type { NodeCore } from "./node-core.ts";

export interface CacheNodeOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly controllerUrl: string;
  readonly memoryBytes: number;
  /** To listen on and to be reached at. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: the kernel picks one. */
  readonly port?: number;
  readonly zone?: string;
  readonly pid: number;
  /** The controller has declared this node dead; the process should end. */
  readonly onDeclaredDead: (error: MayflyError) => void;
  /** The node was drained: the process should end, with success. */
  readonly onDrained: () => void;
  /** The controller could not be reached at first; it is tried for a minute. */
  readonly onControllerAway?: ((error: MayflyError) => void) | undefined;
  /** Copy what is received instead of receiving in place. */
  readonly plainReceive?: boolean;
  /** Instead of what the URL names: for tests. */
  readonly openStore?: (url: string) => Promise<ObjectStore>;
  /** What the commands of the node work on: for tests. */
  readonly onCore?: (core: NodeCore) => void;
}

export interface CacheNode {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
  /** Leaves the fleet and closes everything. */
  stop(): Promise<void>;
}
