/** Decides whether nodes can go: what remains must be able to hold what jobs need. */
import { formatCode } from "../placement/code.ts";
import { activeNodes, type FleetState, livingNodes } from "./fleet-state.ts";
import { fullRatio } from "./plan-fleet.ts";

/** What nodes hold and can hold, by their last heartbeats. */
export interface Room {
  readonly usedBytes: (node: number) => number;
  /** 0 when it is not known. */
  readonly limitBytes: (node: number) => number;
}

export interface Need {
  readonly nodes: number;
  /** Who needs them, for people. */
  readonly why: string;
}

/** The fewest active nodes that the jobs alive can do with. */
export function nodesNeeded(state: FleetState): Need {
  let need: Need = { nodes: 1, why: "a fleet has at least one" };
  for (const { number, name, code } of state.jobs) {
    const shards = code.d + code.p;
    if (shards <= need.nodes) continue;
    const why = `job ${number} ${JSON.stringify(name)} (${formatCode(code)}) puts ${shards} shards on distinct nodes`;
    need = { nodes: shards, why };
  }
  return need;
}

/** Why these nodes cannot be drained, or undefined when they can. */
export function drainObstacle(state: FleetState, going: ReadonlySet<number>, room: Room): string | undefined {
  const need = nodesNeeded(state);
  const staying = activeNodes(state).filter((node) => !going.has(node.id));
  if (staying.length < need.nodes) {
    const missing = need.nodes - staying.length;
    return (
      `${staying.length} active node${staying.length === 1 ? "" : "s"} would remain and ${need.nodes} are needed ` +
      `(${need.why}); start ${missing} more first`
    );
  }
  const limits = staying.map((node) => room.limitBytes(node.id));
  // A node that has not reported yet may have any amount of room.
  if (limits.includes(0)) return undefined;
  const limitBytes = limits.reduce((sum, bytes) => sum + bytes, 0);
  const usedBytes = livingNodes(state).reduce((sum, node) => sum + room.usedBytes(node.id), 0);
  if (usedBytes <= limitBytes * fullRatio) return undefined;
  return (
    `the fleet holds ${usedBytes} bytes and the ${staying.length} nodes that would remain have room for ` +
    `${Math.floor(limitBytes * fullRatio)}; start more first, or end jobs`
  );
}
