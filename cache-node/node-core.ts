/** What the commands of a node work on. Put together in node.ts. */
import type { KeyObject } from "node:crypto";
import type { FleetView } from "../client/transport/fleet-view.ts";
import type { Clock } from "../src/clock.ts";
import type { CellWaits } from "./cells/cell-waits.ts";
import type { PrimaryCells } from "./cells/primary-cells.ts";
import type { PrimaryCollections } from "./cells/primary-collections.ts";
import type { Rows } from "./cells/rows.ts";
import type { DurableObjects } from "./durable/durable-objects.ts";
import type { FleetStore } from "./durable/fleet-store.ts";
import type { StoreUse } from "./durable/store-use.ts";
import type { StoredReader } from "./durable/stored-reader.ts";
import type { JobDirectory } from "./job-directory.ts";
import type { Replicas } from "./replicas.ts";
import type { GroupLogs } from "./replication/group-logs.ts";
import type { WritePressure } from "./spill/write-pressure.ts";
import type { CellStore } from "./store/cell-store.ts";
import type { NodeMemory } from "./store/node-memory.ts";
import type { ShardStore } from "./store/shard-store.ts";

export interface NodeCore {
  readonly clock: Clock;
  readonly startedAtMs: number;
  /** What Redis clients are told; they switch features by it. */
  readonly redisVersion: string;
  readonly memory: NodeMemory;
  readonly shards: ShardStore;
  readonly cells: CellStore;
  readonly waits: CellWaits;
  readonly jobs: JobDirectory;
  readonly rows: Rows;
  readonly logs: GroupLogs;
  readonly primary: PrimaryCells;
  readonly collections: PrimaryCollections;
  readonly replicas: Replicas;
  readonly view: FleetView;
  readonly store: FleetStore;
  readonly storeUse: StoreUse;
  readonly stored: StoredReader;
  readonly durable: DurableObjects;
  /** Holds writers back while memory overflows into the object store; undefined where there is none. */
  pressure(): WritePressure | undefined;
  /** 0 before the node is registered. */
  nodeIdOrZero(): number;
  port(): number;
  connectionCount(): number;
  encodedMap(): Uint8Array | undefined;
  /** Of the fleet's tokens; undefined before the node is registered. */
  publicKey(): KeyObject | undefined;
  /** Undefined before the node is registered. */
  fleetId(): string | undefined;
}
