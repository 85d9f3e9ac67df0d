/** Decides, and only decides, what the passing of time and the last heartbeats ask for. `execute-plan.ts` acts on it. */
import type { NodeId } from "../ids.ts";
import { activeNodes, type FleetState, fullWeight } from "./fleet-state.ts";

export type FleetAction =
  /** No heartbeat for too long: its id is never valid again. */
  | { readonly kind: "bury"; readonly node: NodeId }
  /** The node's share of new shards changes. */
  | { readonly kind: "weigh"; readonly node: NodeId; readonly weight: number }
  /** Lease and grace are over. */
  | { readonly kind: "end"; readonly job: number }
  /** All rows are planned anew: nothing is stored. */
  | { readonly kind: "lay-rows" }
  /** Dead backups leave their rows; rows whose primary is dead stay as they are. */
  | { readonly kind: "drop-dead" };

/** What was heard of everybody, as `Vitals` answers it for one moment. */
export interface Inventory {
  readonly silentMs: (node: number) => number;
  /** 0 .. 1 */
  readonly fillOf: (node: number) => number;
  readonly idleMs: (job: number) => number;
}

export interface FleetPolicy {
  /** Rows are first laid when so many nodes have registered. */
  readonly nodesInitial: number;
  readonly deadAfterMs: number;
}

/** What has lapsed: silent nodes, idle jobs, and weights that no longer fit. */
export function planLapses(state: FleetState, inventory: Inventory, policy: FleetPolicy): FleetAction[] {
  const actions: FleetAction[] = [];
  for (const node of state.map.nodes) {
    if (node.state === "dead") continue;
    if (inventory.silentMs(node.id) > policy.deadAfterMs) {
      actions.push({ kind: "bury", node: node.id });
    } else if (node.state === "active") {
      const weight = weightFor(inventory.fillOf(node.id), node.weight);
      if (weight !== node.weight) actions.push({ kind: "weigh", node: node.id, weight });
    }
  }
  for (const job of state.jobs) {
    if (inventory.idleMs(job.number) > job.leaseMs + job.graceMs)
      actions.push({ kind: "end", job: job.number });
  }
  return actions;
}

/**
 * What a state asks for its rows. While no job is alive nothing is stored, and rows follow the nodes; from the first
 * job on they stay, but for dead backups. A fleet that is forming has no rows yet.
 */
export function planRowChange(state: FleetState, policy: FleetPolicy): FleetAction[] {
  const active = activeNodes(state);
  if (!state.formed && active.length < policy.nodesInitial) return [];
  if (state.jobs.length === 0) {
    return rowsFit(state, new Set(active.map((node) => node.id))) ? [] : [{ kind: "lay-rows" }];
  }
  const dead = new Set(state.map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
  const stale = state.map.rows.some(({ nodes }) => !dead.has(nodes[0]!) && nodes.some((id) => dead.has(id)));
  return stale ? [{ kind: "drop-dead" }] : [];
}

/** Whether rows have their full length over exactly the active nodes, as a plan leaves them. */
function rowsFit(state: FleetState, active: ReadonlySet<NodeId>): boolean {
  const { rows, backups } = state.map;
  const length = Math.min(backups + 1, active.size);
  const named = new Set<NodeId>();
  for (const row of rows) {
    if (row.nodes.length !== length) return false;
    for (const id of row.nodes) named.add(id);
  }
  // A fleet with more nodes than places in rows leaves some without any.
  const placed = Math.min(active.size, rows.length * length);
  return state.formed && named.size === placed && [...named].every((id) => active.has(id));
}

const nearlyFullWeight = 10;
/** From these fill ratios on, a node takes fewer shards, or none ... */
const nearlyFullRatio = 0.9;
const fullRatio = 0.97;
/** ... and more again only below these: an epoch for each byte around a threshold would help nobody. */
const roomAgainRatio = 0.85;
const notFullAgainRatio = 0.94;

function weightFor(fill: number, weight: number): number {
  if (fill > fullRatio || (weight === 0 && fill > notFullAgainRatio)) return 0;
  if (fill > nearlyFullRatio || (weight <= nearlyFullWeight && fill > roomAgainRatio))
    return nearlyFullWeight;
  return fullWeight;
}
