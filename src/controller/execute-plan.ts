/** Acts on what plan-fleet.ts decided: turns a state into the next. Still a value, so that it can be stored before it counts. */
import type { RowReports } from "../placement/plan-transition.ts";
import type { ZonePolicy } from "../placement/row-table.ts";
import {
  buryNodes,
  endJobs,
  type FleetState,
  layRows,
  mendJobs,
  nextEpoch,
  removeNode,
  sweepDead,
  weighNode,
  withRows,
  withTarget,
} from "./fleet-state.ts";
import { nodesDiffer, stayAwake } from "./hibernation/sleeping-state.ts";
import { type FleetAction, type FleetPolicy, planRowChange } from "./plan-fleet.ts";

export interface ExecutionPolicy extends FleetPolicy {
  readonly zonePolicy: ZonePolicy;
}

/** @param wallMs when jobs that end now ended */
export function executePlan(
  state: FleetState,
  actions: readonly FleetAction[],
  policy: ExecutionPolicy,
  wallMs: number,
): FleetState {
  return actions.reduce((at, action) => executeAction(at, action, policy, wallMs), state);
}

/** Brings the rows in line with `changed` and gives it the epoch that follows `state`'s if the map is another one. */
export function settle(
  state: FleetState,
  changed: FleetState,
  policy: ExecutionPolicy,
  reports: RowReports,
): FleetState {
  const awake = keepsAwake(state, changed) ? stayAwake(changed) : changed;
  const aimed = awake.formed && awake.jobs.length > 0 ? withTarget(awake, policy.zonePolicy) : awake;
  const withRows = executePlan(aimed, planRowChange(aimed, policy, reports), policy, 0);
  return nextEpoch(state, sweepDead(withRows));
}

/** Rows that are being stored cannot move: other nodes than those that store them need a fleet that is awake. */
function keepsAwake(state: FleetState, changed: FleetState): boolean {
  const isStoring = [state, changed].every(({ map }) => map.hibernation?.state === "storing");
  return isStoring && nodesDiffer(state.map, changed.map);
}

function executeAction(
  state: FleetState,
  action: FleetAction,
  policy: ExecutionPolicy,
  wallMs: number,
): FleetState {
  switch (action.kind) {
    case "bury":
      return buryNodes(state, new Set([action.node]), action.certain);
    case "weigh":
      return weighNode(state, action.node, action.weight);
    case "release":
      return removeNode(state, action.node);
    case "mend":
      return mendJobs(state);
    case "end":
      return endJobs(state, new Set([action.job]), wallMs);
    case "lay-rows":
      return layRows(state, policy.zonePolicy);
    case "move-rows":
      return withRows(state, action.rows);
  }
}
