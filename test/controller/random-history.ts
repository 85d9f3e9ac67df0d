import { seededRng } from "../../src/clock.ts";
import { type ExecutionPolicy, settle } from "../../src/controller/execute-plan.ts";
import {
  addJob,
  addNode,
  beginTerm,
  buryNodes,
  cancelDrain,
  drainNode,
  emptyFleet,
  endJobs,
  type FleetState,
  leaseJob,
  mendJobs,
  nextJobNumber,
  removeNode,
  weighNode,
} from "../../src/controller/fleet-state.ts";
import { noReports } from "../../src/controller/row-facts.ts";
import type { NodeId } from "../../src/ids.ts";
import type { RowReports } from "../../src/placement/plan-transition.ts";

export const testPolicy: ExecutionPolicy = {
  ...{ nodesInitial: 2, deadAfterMs: 2000, lostAfterMs: 20_000, joiningRowsMax: 8, zonePolicy: "pack" },
};
const rowCount = 48;

/** Nodes that join are ready by chance, and some that lead turn out to be unfit. */
function randomReports(upTo: (limit: number) => number): RowReports {
  return { ...noReports, isReady: () => upTo(2) === 0, isUnfit: () => upTo(60) === 0 };
}

/** States that a fleet may go through, one step each, from an empty one on. */
export function randomHistory(seed: number, steps: number): FleetState[] {
  const rng = seededRng(seed);
  const upTo = (limit: number): number => Math.floor(rng.random() * limit);
  const history = [beginTerm(emptyFleet(2, rowCount), 1)];
  while (history.length <= steps) {
    const state = history.at(-1)!;
    history.push(settle(state, randomStep(state, upTo), testPolicy, randomReports(upTo)));
  }
  return history;
}

function randomStep(state: FleetState, upTo: (limit: number) => number): FleetState {
  const node = state.map.nodes[upTo(state.map.nodes.length)];
  const job = state.jobs[upTo(state.jobs.length)];
  const kind = upTo(11);
  if (kind === 0 && node !== undefined) return buryNodes(state, new Set([node.id]), upTo(2) === 0);
  if (kind === 1 && node?.state === "active") return weighNode(state, node.id, [0, 10, 100][upTo(3)]!);
  if (kind === 2 && job !== undefined) return endJobs(state, new Set([job.number]), upTo(1e9));
  if (kind === 3 && job !== undefined) return leaseJob(state, job.number, 1000 + upTo(1e6));
  if (kind === 5 && node?.state === "active") return drainNode(state, node.id, upTo(2) * 1e12);
  if (kind === 6 && node?.state === "draining") return drainStep(state, node.id, upTo);
  if (kind === 7) return { ...state, desired: upTo(20) };
  if (kind === 8 && node !== undefined) {
    return { ...state, replacing: { left: [node.id], total: upTo(5), size: upTo(9) } };
  }
  if (kind === 9) return mendJobs(state);
  if (kind === 10) return state;
  if (kind === 4 && state.formed) {
    const number = nextJobNumber(state);
    return addJob(state, {
      number,
      name: `jöb\n"${number}"`,
      code: { d: 1 + upTo(4), p: upTo(3) },
      leaseMs: 600_000,
      graceMs: 60_000,
      quotaBytes: upTo(2) * 1e15,
      hints: upTo(2) === 0 ? {} : { bytes: upTo(1e9), prefer: "cost" },
      createdAtMs: upTo(1e9),
      nodesLost: 0,
    });
  }
  const instance = upTo(2) === 0 ? undefined : `process ${state.highestNode}`;
  return addNode(state, { host: "127.0.0.1", port: 1 + upTo(30) }, upTo(2) === 0 ? "" : "west", instance);
}

function drainStep(state: FleetState, id: NodeId, upTo: (limit: number) => number): FleetState {
  const isNamed = state.map.rows.some((row) => row.nodes.includes(id) || row.joining.includes(id));
  return isNamed || upTo(3) === 0 ? cancelDrain(state, id) : removeNode(state, id);
}

/** The same as a store gives it back. */
export function storedHistory(seed: number, steps: number): FleetState[] {
  return randomHistory(seed, steps).map((state) => ({ ...state, target: undefined }));
}
