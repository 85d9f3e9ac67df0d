/** Decides, and only decides, what the passing of time and the last heartbeats ask for. `execute-plan.ts` acts on it. */
import type { NodeId } from "../ids.ts";
import { planTransition, type RowReports } from "../placement/plan-transition.ts";
import type { Row } from "../placement/types.ts";
import { activeNodes, type FleetState, fullWeight, newWeight } from "./fleet-state.ts";

export type FleetAction =
  /** Its id is never valid again. `certain`: its process is known to have ended, or counts as ended from now on. */
  | { readonly kind: "bury"; readonly node: NodeId; readonly certain: boolean; readonly why: string }
  /** The node's share of new shards changes. */
  | { readonly kind: "weigh"; readonly node: NodeId; readonly weight: number }
  /** Nothing needs the node any more: it leaves without a loss. */
  | { readonly kind: "release"; readonly node: NodeId }
  /** What dead nodes had has been made anew. */
  | { readonly kind: "mend" }
  /** Lease and grace are over. */
  | { readonly kind: "end"; readonly job: number }
  /** All rows are planned anew: nothing is stored. */
  | { readonly kind: "lay-rows" }
  /** Rows take their next step; `count` of them change. */
  | { readonly kind: "move-rows"; readonly rows: readonly Row[]; readonly count: number };

/** What was heard of everybody, as `Vitals` answers it for one moment. */
export interface Inventory {
  readonly silentMs: (node: number) => number;
  /** Since the node was declared dead. */
  readonly deadMs: (node: number) => number;
  /** Since the node registered; very long when that was before this controller began. */
  readonly ageMs: (node: number) => number;
  /** 0 .. 1 */
  readonly fillOf: (node: number) => number;
  readonly idleMs: (job: number) => number;
  /** Whether nothing needs a draining node any more. */
  readonly isDrained: (node: number) => boolean;
  /** Whether all nodes know of all deaths and have nothing left to make anew. */
  readonly isMended: () => boolean;
}

export interface FleetPolicy {
  /** Rows are first laid when so many nodes have registered. */
  readonly nodesInitial: number;
  readonly deadAfterMs: number;
  /** A node that was dead for so long counts as ended, though nobody saw it end. */
  readonly lostAfterMs: number;
  readonly joiningRowsMax: number;
}

/** What has lapsed or is over: silent nodes, idle jobs, drains and repairs, and weights that no longer fit. */
export function planLapses(state: FleetState, inventory: Inventory, policy: FleetPolicy): FleetAction[] {
  const actions: FleetAction[] = [];
  for (const node of state.map.nodes) {
    const silentMs = inventory.silentMs(node.id);
    if (node.state === "dead") {
      const isOver = inventory.deadMs(node.id) > policy.lostAfterMs && !state.gone.includes(node.id);
      const why = `dead for ${policy.lostAfterMs} ms: it counts as ended`;
      if (isOver) actions.push({ kind: "bury", node: node.id, certain: true, why });
    } else if (silentMs > policy.deadAfterMs) {
      const why = `silent for ${Math.round(silentMs)} ms`;
      actions.push({ kind: "bury", node: node.id, certain: false, why });
    } else if (node.state === "active") {
      const weight = weightFor(state, node.id, node.weight, inventory);
      if (weight !== node.weight) actions.push({ kind: "weigh", node: node.id, weight });
    } else if (inventory.isDrained(node.id)) {
      actions.push({ kind: "release", node: node.id });
    }
  }
  if (state.jobs.some((job) => job.nodesLost > 0) && inventory.isMended()) actions.push({ kind: "mend" });
  for (const job of state.jobs) {
    if (inventory.idleMs(job.number) > job.leaseMs + job.graceMs)
      actions.push({ kind: "end", job: job.number });
  }
  return actions;
}

/**
 * What a state asks for its rows. While no job is alive nothing is stored, and rows follow the nodes at once; with a job
 * they move step by step, and nothing is lost. A fleet that is forming has no rows yet.
 *
 * @param state with the target of its active nodes (`withTarget`) when jobs are alive
 */
export function planRowChange(state: FleetState, policy: FleetPolicy, reports: RowReports): FleetAction[] {
  const active = activeNodes(state).map((node) => node.id);
  if (!state.formed && active.length < policy.nodesInitial) return [];
  const { hibernation } = state.map;
  if (hibernation?.state === "storing") return [];
  if (hibernation !== undefined) return namesAnotherNode(state, active) ? [{ kind: "lay-rows" }] : [];
  if (state.jobs.length === 0) return rowsFit(state, new Set(active)) ? [] : [{ kind: "lay-rows" }];
  const living = new Set(state.map.nodes.filter((node) => node.state !== "dead").map((node) => node.id));
  const gone = new Set(state.gone);
  const rows = planTransition({
    rows: state.map.rows,
    target: state.target?.rows ?? [],
    active,
    isAlive: (id) => living.has(id),
    isGone: (id) => gone.has(id) || isForgotten(state, id),
    reports,
    highestJob: state.highestJob,
    joiningRowsMax: policy.joiningRowsMax,
  });
  const count = rows.filter((row, group) => row !== state.map.rows[group]).length;
  return count === 0 ? [] : [{ kind: "move-rows", rows, count }];
}

/** What is stored can be brought to any nodes at any time; see hibernation/ for when it first is. */
function namesAnotherNode({ map }: FleetState, active: readonly NodeId[]): boolean {
  return active.length > 0 && map.rows.some(({ nodes }) => nodes.some((id) => !active.includes(id)));
}

/** Nodes leave the map only when no row names them, so a row cannot name one; if one did, it would be dead. */
function isForgotten(state: FleetState, id: NodeId): boolean {
  return !state.map.nodes.some((node) => node.id === id);
}

/** Whether rows have their full length over exactly the active nodes, as a plan leaves them. */
export function rowsFit(state: FleetState, active: ReadonlySet<NodeId>): boolean {
  const { rows, backups } = state.map;
  const length = Math.min(backups + 1, active.size);
  const named = new Set<NodeId>();
  for (const row of rows) {
    if (row.nodes.length !== length || row.joining.length > 0) return false;
    for (const id of row.nodes) named.add(id);
  }
  // A fleet with more nodes than places in rows leaves some without any.
  const placed = Math.min(active.size, rows.length * length);
  return state.formed && named.size === placed && [...named].every((id) => active.has(id));
}

const nearlyFullWeight = 10;
/** From these fill ratios on, a node takes fewer shards, or none ... */
const nearlyFullRatio = 0.9;
export const fullRatio = 0.97;
/** ... and more again only below these: an epoch for each byte around a threshold would help nobody. */
const roomAgainRatio = 0.85;
const notFullAgainRatio = 0.94;

/** Until it is so old a new node takes fewer shards than the others. */
const youngMs = 1500;
const newMs = 3000;
const youngWeight = 50;

function weightFor(state: FleetState, node: NodeId, weight: number, inventory: Inventory): number {
  const wanted = weightByFill(inventory.fillOf(node), weight);
  if (wanted < fullWeight || state.jobs.length === 0) return wanted;
  const ageMs = inventory.ageMs(node);
  const most = ageMs < youngMs ? newWeight : ageMs < newMs ? youngWeight : fullWeight;
  return Math.max(weight, most);
}

function weightByFill(fill: number, weight: number): number {
  if (fill > fullRatio || (weight === 0 && fill > notFullAgainRatio)) return 0;
  if (fill > nearlyFullRatio || (weight <= nearlyFullWeight && fill > roomAgainRatio))
    return nearlyFullWeight;
  return fullWeight;
}
