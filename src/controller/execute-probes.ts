/** Finds out which nodes have ended: those that others report, those that are silent, and those that died unseen. */
import { MayflyError } from "../errors.ts";
import type { NodeEntry } from "../placement/types.ts";
import type { Fleet } from "./fleet.ts";
import { buryNodes } from "./fleet-state.ts";

export interface Prober {
  /** Probes whoever should be probed now and is not being probed; does not wait for the answers. */
  look(): void;
  /** Probes a node now; what an answer leads to has happened when this resolves. */
  probe(node: NodeEntry): Promise<void>;
}

/** Probes at once; enough for all of a large fleet within a few seconds. */
const probesMax = 64;

export function createProber(fleet: Fleet): Prober {
  const { clock, heartbeatMs, log } = fleet.settings;
  const probing = new Set<number>();
  const probedAtMs = new Map<number, number>();

  async function probe(node: NodeEntry): Promise<void> {
    if (probing.has(node.id)) return;
    probing.add(node.id);
    const startMs = clock.now();
    probedAtMs.set(node.id, startMs);
    try {
      const { host, port } = node;
      if ((await fleet.settings.probe({ host, port })) !== "refused") return;
      // Whoever was heard of since is there, whatever is in the way of the probe.
      if (clock.now() - fleet.vitals.silentMs(node.id, clock.now()) > startMs) return;
      if (fleet.state.gone.includes(node.id) || !isListed(fleet, node.id)) return;
      log(`node ${node.id} has ended: nothing listens at ${host}:${port}`);
      await fleet.change((state) => buryNodes(state, new Set([node.id]), true));
    } catch (thrown) {
      log(`node ${node.id} could not be probed: ${MayflyError.from(thrown).message}`);
    } finally {
      probing.delete(node.id);
    }
  }

  /** A heartbeat is missing, or the node is dead and nobody knows how; then again with each heartbeat that is missing. */
  function isDue({ id, state }: NodeEntry, nowMs: number): boolean {
    if (fleet.suspects.has(id)) return true;
    if (nowMs - (probedAtMs.get(id) ?? Number.NEGATIVE_INFINITY) < heartbeatMs) return false;
    if (state === "dead") return !fleet.state.gone.includes(id);
    return fleet.vitals.silentMs(id, nowMs) > 1.5 * heartbeatMs;
  }

  return {
    probe,
    look() {
      const nowMs = clock.now();
      const { nodes } = fleet.state.map;
      const due = nodes.filter((node) => isDue(node, nowMs)).slice(0, probesMax - probing.size);
      fleet.suspects.clear();
      for (const node of due) void probe(node);
      for (const id of probedAtMs.keys()) if (!isListed(fleet, id)) probedAtMs.delete(id);
    },
  };
}

function isListed(fleet: Fleet, id: number): boolean {
  return fleet.state.map.nodes.some((node) => node.id === id);
}
