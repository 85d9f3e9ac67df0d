/** Nodes are emptied, so that they can go without a loss. */
import { MayflyError } from "../errors.ts";
import type { NodeProgress } from "../wire/control-api.ts";
import type { Fleet } from "./fleet.ts";
import { activeNodes, cancelDrain, drainNode } from "./fleet-state.ts";
import { roomOf } from "./node-supply.ts";
import { requireNode } from "./nodes.ts";
import { drainObstacle } from "./plan-drain.ts";
import { countRowsOf, etaMs, leftByNode, sumRelocations } from "./relocation-progress.ts";

/**
 * Begins to empty a node, or gives a drain that is under way another deadline. The deadline is what progress is compared
 * with: a node that is late goes on draining, since nothing may be lost.
 *
 * @throws MayflyError NODE_UNKNOWN; NOT_ENOUGH_NODES when what remains could not hold what jobs need
 */
export async function beginDrain(
  fleet: Fleet,
  id: number,
  deadlineMs: number | undefined,
): Promise<NodeProgress> {
  const { clock, log } = fleet.settings;
  const deadlineAtMs = deadlineMs === undefined ? 0 : Math.trunc(clock.wallMs()) + deadlineMs;
  if (wasDrained(fleet, id)) return nodeProgress(fleet, id);
  const node = requireNode(fleet, id);
  await fleet.change((state) => {
    if (!activeNodes(state).some((active) => active.id === id)) {
      return state.drains.some((drain) => drain.node === id) && deadlineMs !== undefined
        ? drainNode(state, node.id, deadlineAtMs)
        : state;
    }
    const obstacle = drainObstacle(state, new Set([id]), roomOf(fleet));
    if (obstacle !== undefined) {
      throw new MayflyError("NOT_ENOUGH_NODES", `node ${id} cannot be drained: ${obstacle}`);
    }
    return drainNode(state, node.id, deadlineAtMs);
  });
  log(`node ${id} is to be drained`);
  return nodeProgress(fleet, id);
}

/** The node takes shards and rows again. @throws MayflyError NODE_UNKNOWN */
export async function endDrain(fleet: Fleet, id: number): Promise<NodeProgress> {
  const node = requireNode(fleet, id);
  await fleet.change((state) => {
    if (!state.drains.some((drain) => drain.node === id)) return state;
    const active = cancelDrain(state, node.id);
    // Otherwise the size that was asked for would have it drained again, and a restart would begin with it.
    const { desired, replacing } = active;
    const left = replacing.left.filter((other) => other !== id);
    return {
      ...active,
      desired: desired === 0 ? 0 : Math.max(desired, activeNodes(active).length),
      replacing: left.length === replacing.left.length ? replacing : { ...replacing, left },
    };
  });
  fleet.settings.log(`node ${id} is no longer drained`);
  return nodeProgress(fleet, id);
}

/** @throws MayflyError NODE_UNKNOWN when it is dead, or never was */
export function nodeProgress(fleet: Fleet, id: number): NodeProgress {
  const none = { node: id, rowsLeft: 0, objectsLeft: 0, bytesLeft: 0, late: false };
  if (wasDrained(fleet, id)) return { ...none, state: "drained", etaMs: 0 };
  const node = requireNode(fleet, id);
  const drain = fleet.state.drains.find((candidate) => candidate.node === id);
  const rowsLeft = countRowsOf(fleet.state, id);
  if (drain === undefined) return { ...none, state: node.state, rowsLeft };
  const { objects = 0, bytes = 0 } = leftByNode(fleet).get(id) ?? {};
  const eta = etaMs(bytes, sumRelocations(fleet).bytesPerSecond);
  const { deadlineAtMs } = drain;
  const leftMs = Math.round(deadlineAtMs - fleet.settings.clock.wallMs());
  return {
    ...{ node: id, state: node.state, rowsLeft, objectsLeft: objects, bytesLeft: bytes },
    ...(eta !== undefined && { etaMs: eta }),
    ...(deadlineAtMs > 0 && { deadlineLeftMs: Math.max(0, leftMs) }),
    late: deadlineAtMs > 0 && leftMs <= 0,
  };
}

function wasDrained(fleet: Fleet, id: number): boolean {
  return fleet.state.drained.some((node) => node === id);
}
