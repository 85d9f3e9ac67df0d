import type { Clock, Rng } from "../src/clock.ts";
import type { ObjectStore } from "../src/durable/object-store.ts";
import type { JobNumber } from "../src/ids.ts";
import type { Code } from "../src/placement/types.ts";
import type { Session } from "./session.ts";
import type { StripeMemory } from "./stripe-memory.ts";
import type { FleetView } from "./transport/fleet-view.ts";
import type { NodePool } from "./transport/node-pool.ts";

/** The function's own access to the object store of the fleet. */
export interface OwnStore {
  /** Undefined where there is none: the nodes are asked. */
  readonly url: string | undefined;
  /** Since it was first needed. */
  opened?: Promise<ObjectStore>;
}

/** What every operation of one connected client shares. */
export interface ClientContext {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly job: JobNumber;
  readonly code: Code;
  readonly pool: NodePool;
  readonly view: FleetView;
  readonly session: Session;
  /** The wasm memory for coding and checksums, made when first needed. */
  readonly memory: () => StripeMemory;
  readonly store: OwnStore;
}
