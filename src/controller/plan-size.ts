/**
 * Decides, and only decides, which nodes to start and to drain so that the fleet gets the size that somebody asked for,
 * and so that nodes are replaced one after the other. `execute-scale.ts` acts on it.
 */
import type { NodeId } from "../ids.ts";
import { activeNodes, type FleetState } from "./fleet-state.ts";
import { drainObstacle, type Room } from "./plan-drain.ts";

export interface SizeInventory extends Room {
  /** Whether this controller can start nodes. */
  readonly canStart: boolean;
  /** Nodes that are being started. */
  readonly starting: number;
  /** Why no node can be started just now; undefined when one can. */
  readonly startFault: string | undefined;
  /** Whether rows are where they should be, and nothing is being made anew. */
  readonly isSettled: boolean;
  /** What somebody types to start a node. */
  readonly startCommand: string;
}

export interface SizePlan {
  /** Nodes to start now. */
  readonly starts: number;
  /** Nodes to drain now. */
  readonly drains: readonly NodeId[];
  /** Why it does not go on, for people. */
  readonly reasons: readonly string[];
  /** It cannot go on by itself. */
  readonly blocked: boolean;
}

/** Nodes that are started at a time. */
export const startsMax = 8;

/** The size between two replacements, or else the one that was asked for; 0 when nobody has said. */
export function sizeWanted({ desired, replacing }: FleetState): number {
  return desired > 0 || replacing.left.length === 0 ? desired : replacing.size;
}

export function planSize(state: FleetState, inventory: SizeInventory): SizePlan {
  const size = sizeWanted(state);
  const active = activeNodes(state);
  const draining = new Set(state.drains.map((drain) => drain.node));
  const next = state.replacing.left[0];
  const isReplacing = next !== undefined && !state.replacing.left.some((id) => draining.has(id));
  // Where nodes can be started the next one is there before the old one goes.
  const wanted = size + (isReplacing && inventory.canStart ? 1 : 0);
  const missing = size === 0 ? 0 : Math.max(0, wanted - active.length - inventory.starting);
  const starts = startsOf(missing, inventory);
  const plan = { ...starts, drains: [] };
  if (size === 0) return plan;
  if (isReplacing && active.length >= wanted)
    return withDrains(plan, state, [next], inventory, 1, inventory.isSettled);
  if (next !== undefined || inventory.starting > 0) return plan;
  const order = [...active].sort((a, b) => fill(inventory, a.id) - fill(inventory, b.id) || b.id - a.id);
  const candidates = order.map((node) => node.id);
  return withDrains(plan, state, candidates, inventory, active.length - wanted, true);
}

function startsOf(missing: number, inventory: SizeInventory): Omit<SizePlan, "drains"> {
  if (missing === 0) return { starts: 0, reasons: [], blocked: false };
  if (!inventory.canStart) {
    const what = missing === 1 ? "1 more node is" : `${missing} more nodes are`;
    const reason = `${what} needed, and this controller does not start nodes: ${inventory.startCommand}`;
    return { starts: 0, reasons: [reason], blocked: true };
  }
  if (inventory.startFault !== undefined)
    return { starts: 0, reasons: [inventory.startFault], blocked: false };
  const starts = Math.max(0, Math.min(missing, startsMax - inventory.starting));
  return { starts, reasons: [], blocked: false };
}

/** The first `count` of these nodes, up to the first that cannot go. */
function withDrains(
  plan: SizePlan,
  state: FleetState,
  candidates: readonly NodeId[],
  room: Room,
  count: number,
  isTime: boolean,
): SizePlan {
  const drains: NodeId[] = [];
  if (!isTime) return plan;
  for (const id of candidates.slice(0, Math.max(0, count))) {
    const obstacle = drainObstacle(state, new Set([...drains, id]), room);
    if (obstacle !== undefined) {
      const reasons = [...plan.reasons, `node ${id} cannot go: ${obstacle}`];
      return { ...plan, drains, reasons, blocked: drains.length === 0 };
    }
    drains.push(id);
  }
  return { ...plan, drains };
}

/** In steps of a twentieth: of nodes that are about as full the youngest goes. */
function fill({ usedBytes, limitBytes }: Room, node: number): number {
  const limit = limitBytes(node);
  return limit === 0 ? 0 : Math.round((usedBytes(node) / limit) * 20);
}
