/** How far the nodes are with moving away what is on dead and draining nodes, by their last heartbeats. */
import type { NodeId } from "../ids.ts";
import { compareEpochs } from "../placement/epoch.ts";
import type { Epoch } from "../placement/types.ts";
import type { Fleet } from "./fleet.ts";
import { type FleetState, livingNodes } from "./fleet-state.ts";
import type { NodeVitals } from "./vitals.ts";

/** What is left; of one node, or of all. */
export interface RelocationLeft {
  readonly objects: number;
  readonly bytes: number;
}

export interface RelocationSum extends RelocationLeft {
  readonly atRisk: number;
  readonly movedObjects: number;
  readonly movedBytes: number;
  readonly lostObjects: number;
  readonly bytesPerSecond: number;
}

/** Over all living nodes. */
export function sumRelocations(fleet: Fleet): RelocationSum {
  const sum = { objects: 0, bytes: 0, atRisk: 0, movedObjects: 0, movedBytes: 0, lostObjects: 0 };
  let bytesPerSecond = 0;
  for (const { report, movedBytesPerSecond } of livingVitals(fleet)) {
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += report.relocation[key];
    bytesPerSecond += movedBytesPerSecond;
  }
  return { ...sum, bytesPerSecond: Math.round(bytesPerSecond) };
}

/** By node: what has to be moved away from it. Its bytes are estimated: nodes report them for all such nodes together. */
export function leftByNode(fleet: Fleet): Map<number, RelocationLeft> {
  const left = new Map<number, RelocationLeft>();
  for (const { report } of livingVitals(fleet)) {
    const { byNode, bytes } = report.relocation;
    const places = byNode.reduce((sum, [, objects]) => sum + objects, 0);
    for (const [node, objects] of byNode) {
      const before = left.get(node) ?? { objects: 0, bytes: 0 };
      const share = places === 0 ? 0 : Math.round((bytes * objects) / places);
      left.set(node, { objects: before.objects + objects, bytes: before.bytes + share });
    }
  }
  return left;
}

/** Milliseconds until so much is moved at the speed of now; undefined while nothing moves. */
export function etaMs(bytes: number, bytesPerSecond: number): number | undefined {
  if (bytes === 0) return 0;
  return bytesPerSecond > 0 ? Math.ceil((bytes / bytesPerSecond) * 1000) : undefined;
}

/** Rows that name a node. */
export function countRowsOf(state: FleetState, node: number): number {
  const names = (ids: readonly NodeId[]): boolean => ids.some((id) => id === node);
  return state.map.rows.filter((row) => names(row.nodes) || names(row.joining)).length;
}

/**
 * Whether nothing needs a draining node any more: no row names it, and every node knows that, serves what it leads, and
 * has nothing left on it.
 */
export function isDrained(fleet: Fleet, state: FleetState, node: number): boolean {
  if (countRowsOf(state, node) > 0) return false;
  const since = fleet.milestones.drainCountsFrom(node);
  return livingVitals(fleet).every(
    (vitals) =>
      hasReported(vitals, since) &&
      vitals.report.rowsPending === 0 &&
      !vitals.report.relocation.byNode.some(([id, objects]) => id === node && objects > 0),
  );
}

/** Whether every node knows of all deaths, serves what it leads, and has nothing left to make anew. */
export function isMended(fleet: Fleet): boolean {
  const since = fleet.milestones.repairCountsFrom;
  return livingVitals(fleet).every(
    (vitals) =>
      hasReported(vitals, since) && vitals.report.rowsPending === 0 && vitals.report.relocation.objects === 0,
  );
}

/** Whether every node knows of the rows of now, and serves those that it leads: all full members have all of them. */
export function allRowsServe(fleet: Fleet): boolean {
  const since = fleet.milestones.repairCountsFrom;
  return livingVitals(fleet).every((vitals) => hasReported(vitals, since) && vitals.report.rowsPending === 0);
}

function hasReported({ reportEpoch }: NodeVitals, since: Epoch): boolean {
  return reportEpoch !== undefined && compareEpochs(reportEpoch, since) >= 0;
}

function livingVitals(fleet: Fleet): NodeVitals[] {
  return livingNodes(fleet.state).flatMap(({ id }) => fleet.vitals.node(id) ?? []);
}

/** Rows that are not where they should be yet. */
export function rowsMoving({ map, target, jobs }: FleetState): number {
  if (jobs.length === 0) return 0;
  return map.rows.filter((row, group) => {
    const wanted = target?.rows[group] ?? [];
    if (row.joining.length > 0 || row.nodes.length !== wanted.length) return true;
    return row.nodes[0] !== wanted[0] || !row.nodes.every((id) => wanted.includes(id));
  }).length;
}

/** Whether rows are where they should be, and nothing is being made anew or moved away. */
export function isSettled(fleet: Fleet): boolean {
  if (rowsMoving(fleet.state) > 0) return false;
  return livingVitals(fleet).every(
    ({ report }) => report.rowsPending === 0 && report.relocation.objects === 0,
  );
}
