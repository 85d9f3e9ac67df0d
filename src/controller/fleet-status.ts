/** `GET /v1/status` */
import { formatEpoch } from "../placement/epoch.ts";
import type { NodeStatus, StatusReply } from "../wire/control-api.ts";
import type { HibernationProgress } from "../wire/hibernation-api.ts";
import { countRows, jobInfo, survivals } from "./describe-fleet.ts";
import type { Autoscaler } from "./execute-autoscale.ts";
import type { Scaler } from "./execute-scale.ts";
import type { Fleet } from "./fleet.ts";
import { livingNodes } from "./fleet-state.ts";
import { countRowsOf, etaMs, leftByNode, rowsMoving, sumRelocations } from "./relocation-progress.ts";
import { sumSpills } from "./spill-status.ts";

export function fleetStatus(
  fleet: Fleet,
  scaler: Scaler,
  autoscaler: Autoscaler | undefined,
  hibernation: HibernationProgress,
): StatusReply {
  const { state, vitals, settings } = fleet;
  const nowMs = settings.clock.now();
  const left = leftByNode(fleet);
  const nodes = state.map.nodes.map((node): NodeStatus => {
    const { id, host, port, zone, weight } = node;
    const { limitBytes = 0, usedBytes = 0, eventLoopUtilization = 0 } = vitals.node(id)?.report ?? {};
    const heartbeatAgeMs = Math.max(0, Math.round(vitals.silentMs(id, nowMs)));
    // More than all of its time is what a clock that jumped reports.
    const load = {
      limitBytes,
      usedBytes,
      claimedBytes: vitals.claimedBytesOf(id),
      heartbeatAgeMs,
      eventLoopUtilization: Math.min(1, eventLoopUtilization),
    };
    const has = { rows: countRowsOf(state, id), objectsLeft: left.get(id)?.objects ?? 0 };
    return { id, host, port, zone, state: node.state, weight, ...load, ...has };
  });
  const relocation = sumRelocations(fleet);
  const eta = etaMs(relocation.bytes, relocation.bytesPerSecond);
  return {
    epoch: formatEpoch(state.map.epoch),
    state: state.formed ? "serving" : "forming",
    backups: state.map.backups,
    nodes,
    jobs: state.jobs.map((job) => jobInfo(job, vitals, nowMs)),
    rows: {
      ...countRows(state),
      joining: state.map.rows.filter((row) => row.joining.length > 0).length,
      moving: rowsMoving(state),
      pending: livingNodes(state).reduce(
        (sum, { id }) => sum + (vitals.node(id)?.report.rowsPending ?? 0),
        0,
      ),
    },
    relocation: { ...relocation, ...(eta !== undefined && { etaMs: eta }) },
    ...(settings.durableUrl !== undefined && { spill: sumSpills(fleet, settings.durableUrl) }),
    size: scaler.scaleProgress(),
    ...(autoscaler !== undefined && { autoscale: autoscaler.status() }),
    replacing: state.replacing.left.length,
    ...((hibernation.stage !== "awake" || hibernation.reasons.length > 0) && { hibernation }),
    survives: survivals(state, settings.nodesInitial, relocation),
  };
}
