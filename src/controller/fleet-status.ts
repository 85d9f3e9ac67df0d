/** `GET /v1/status` */
import { formatEpoch } from "../placement/epoch.ts";
import type { NodeStatus, StatusReply } from "../wire/control-api.ts";
import { countRows, jobInfo, survivals } from "./describe-fleet.ts";
import type { Fleet } from "./fleet.ts";

export function fleetStatus(fleet: Fleet): StatusReply {
  const { state, vitals, settings } = fleet;
  const nowMs = settings.clock.now();
  const nodes = state.map.nodes.map((node): NodeStatus => {
    const { id, host, port, zone, weight } = node;
    const { limitBytes = 0, usedBytes = 0, eventLoopUtilization = 0 } = vitals.node(id) ?? {};
    const heartbeatAgeMs = Math.max(0, Math.round(vitals.silentMs(id, nowMs)));
    const load = { limitBytes, usedBytes, heartbeatAgeMs, eventLoopUtilization };
    return { id, host, port, zone, state: node.state, weight, ...load };
  });
  return {
    epoch: formatEpoch(state.map.epoch),
    state: state.formed ? "serving" : "forming",
    backups: state.map.backups,
    nodes,
    jobs: state.jobs.map((job) => jobInfo(job, vitals, nowMs)),
    rows: countRows(state),
    survives: survivals(state, settings.nodesInitial),
  };
}
