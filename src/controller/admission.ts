/** Whether a job can have what it hints: on the nodes that there are, or on those that the autoscaler may start. */
import { MayflyError } from "../errors.ts";
import type { Code } from "../placement/types.ts";
import type { JobHints } from "../wire/control-api.ts";
import { admitJob } from "./autoscale/admit-job.ts";
import { bytesText } from "./autoscale/scale-inventory.ts";
import { type ScalePolicy, scalePolicyDefault } from "./autoscale/scale-policy.ts";
import { notHeardOf, steadyTime, takeInventory } from "./autoscale/take-inventory.ts";
import type { Autoscaler } from "./execute-autoscale.ts";
import type { Fleet } from "./fleet.ts";
import { activeNodes, type FleetState } from "./fleet-state.ts";
import type { NodeSupply } from "./node-supply.ts";

export interface Admission {
  /** Nodes that a job's code may count on: those that are active, or that can be. */
  nodesMost(state: FleetState): number;
  /**
   * @returns when there will be room for what it hints, in milliseconds from now; 0 when there is
   * @throws MayflyError NOT_ENOUGH_NODES with what is free and what is needed
   */
  admit(state: FleetState, hints: JobHints, code: Code): number;
  /** A job began that has to wait for nodes: they are started now. */
  grow(): void;
}

export function createAdmission(
  fleet: Fleet,
  supply: NodeSupply,
  autoscaler: Autoscaler | undefined,
): Admission {
  /** While the size is pinned the autoscaler starts nothing. */
  const deciding = (state: FleetState): Autoscaler | undefined =>
    state.desired === 0 ? autoscaler : undefined;

  function admitFixed(state: FleetState, hints: JobHints, code: Code): number {
    if (hints.bytes === undefined || notHeardOf(fleet, state).length > 0) return 0;
    const nodes = activeNodes(state).length;
    const all = takeInventory(fleet, state, supply, steadyTime(fleet.settings.clock));
    const inventory = { ...all, nodes: all.nodes.filter((node) => node.state === "active") };
    const admission = admitJob(inventory, fixedPolicy(nodes), { bytes: hints.bytes }, code);
    if (admission.admitted) return 0;
    throw new MayflyError(
      "NOT_ENOUGH_NODES",
      `the job hints ${bytesText(hints.bytes)}, and ${nodes} nodes have ${bytesText(admission.freeBytes)} free for it beside what ` +
        "they hold and other jobs hint (its parity comes on top of both); hint less, wait for jobs to end, or start nodes: " +
        "mayfly scale NODES, or mayfly node",
    );
  }

  return {
    nodesMost(state) {
      const active = activeNodes(state).length;
      return Math.max(active, deciding(state)?.policy.nodesMax ?? 0);
    },
    admit(state, hints, code) {
      const scaler = deciding(state);
      if (scaler === undefined) return admitFixed(state, hints, code);
      const admission = scaler.admit(state, hints, code);
      if (admission.admitted) return Math.ceil(admission.readyInMs);
      throw new MayflyError("NOT_ENOUGH_NODES", `the job cannot begin: ${admission.reason}`);
    },
    grow() {
      autoscaler?.decideSoon();
    },
  };
}

/** Of a fleet that nobody grows: all that counts is memory, since nobody knows what its nodes can move. */
function fixedPolicy(nodes: number): ScalePolicy {
  return {
    ...scalePolicyDefault,
    ...{ nodesMin: Math.max(1, nodes), nodesMax: Math.max(1, nodes), spareNodes: 0 },
    ...{ startMs: 0, decideEveryMs: 0, nodeBytesPerSecond: Number.MAX_SAFE_INTEGER },
  };
}
