/** What there is in one simulation. */
import type { NodeId } from "../../src/ids.ts";
import type { Code, FleetMap } from "../../src/placement/types.ts";
import type { SimController } from "./controller.ts";
import type { SimNetwork } from "./network.ts";
import type { SimNode } from "./node.ts";
import type { Scheduler } from "./scheduler.ts";

export interface World {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly controller: SimController;
  /** All that ever were, dead ones too. */
  readonly nodes: SimNode[];
  readonly rowCount: number;
  readonly nodesInitial: number;
  /** Whether values may be objects; else all are bytes in cells, which costs a quarter of the time. */
  readonly withObjects: boolean;
  readonly code: Code;
  readonly log: (line: string) => void;
  /** Something that must not happen, seen as it happened. */
  readonly violate: (what: string) => void;
  /** The process at the address that the map gives for a node; another one may be there by now. */
  nodeOf(map: FleetMap | undefined, id: NodeId): SimNode | undefined;
  /** The process that listens at a port now. */
  listenerAt(port: number): SimNode | undefined;
}
