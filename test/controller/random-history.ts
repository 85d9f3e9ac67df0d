import { seededRng } from "../../src/clock.ts";
import { type ExecutionPolicy, settle } from "../../src/controller/execute-plan.ts";
import {
  addJob,
  addNode,
  beginTerm,
  buryNodes,
  emptyFleet,
  endJobs,
  type FleetState,
  leaseJob,
  nextJobNumber,
  weighNode,
} from "../../src/controller/fleet-state.ts";

export const testPolicy: ExecutionPolicy = { nodesInitial: 2, deadAfterMs: 2000, zonePolicy: "pack" };

/** States that a fleet may go through, one step each, from an empty one on. */
export function randomHistory(seed: number, steps: number): FleetState[] {
  const rng = seededRng(seed);
  const upTo = (limit: number): number => Math.floor(rng.random() * limit);
  const history = [beginTerm(emptyFleet(2), 1)];
  while (history.length <= steps) {
    const state = history.at(-1)!;
    history.push(settle(state, randomStep(state, upTo), testPolicy));
  }
  return history;
}

function randomStep(state: FleetState, upTo: (limit: number) => number): FleetState {
  const node = state.map.nodes[upTo(state.map.nodes.length)];
  const job = state.jobs[upTo(state.jobs.length)];
  const kind = upTo(7);
  if (kind === 0 && node !== undefined) return buryNodes(state, new Set([node.id]));
  if (kind === 1 && node?.state === "active") return weighNode(state, node.id, [0, 10, 100][upTo(3)]!);
  if (kind === 2 && job !== undefined) return endJobs(state, new Set([job.number]), upTo(1e9));
  if (kind === 3 && job !== undefined) return leaseJob(state, job.number, 1000 + upTo(1e6));
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
  return addNode(state, { host: "127.0.0.1", port: 1 + upTo(30) }, upTo(2) === 0 ? "" : "west");
}
