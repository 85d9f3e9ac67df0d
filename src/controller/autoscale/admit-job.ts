/** Decides whether a job's hints can be met, before it begins. Pure. */
import type { Code } from "../../placement/types.ts";
import { hintedBytes, hintedBytesPerSecond, reserveJobs } from "./reserve-jobs.ts";
import {
  bytesText,
  emptyScaleState,
  type JobHints,
  type ScaleInventory,
  type ScaleState,
  storedFactor,
} from "./scale-inventory.ts";
import type { ScalePolicy } from "./scale-policy.ts";
import { nodesNeededByCodes, type Standing, standingOf, sum } from "./weigh-signals.ts";

export type Admission =
  | {
      readonly admitted: true;
      /** When there will be room for what it hinted, if growth begins now; 0 when there is. Its first bytes need not wait. */
      readonly readyInMs: number;
      readonly reason: string;
    }
  | {
      readonly admitted: false;
      /** What the job could have, in its own bytes, parity not counted; of throughput when that is what fails. */
      readonly freeBytes: number;
      /** What it hinted, in the same unit. */
      readonly neededBytes: number;
      readonly reason: string;
    };

/** Nodes above it are given fewer new bytes: see `plan-fleet.ts`. */
const admittedFill = 0.9;

/**
 * Whether the largest fleet that the policy allows could take what the hints name beside what others have reserved, with no node
 * so full that it takes less than its share of new bytes. A job without hints is admitted when its code fits: it takes what there is.
 * @param state what the planner remembers; without it reservations count as if nothing of them were released yet
 */
export function admitJob(
  inventory: ScaleInventory,
  policy: ScalePolicy,
  hints: JobHints,
  code: Code,
  state: ScaleState = emptyScaleState,
): Admission {
  const factor = storedFactor(code);
  const standing = standingOf(inventory, policy);
  const reservations = reserveJobs(inventory, state, policy);
  const stored = sum(inventory.nodes, (node) => node.usedBytes);
  const ofNobody = Math.max(0, stored - sum(inventory.jobs, (job) => job.usedBytes));
  const taken = sum(reservations, (each) => each.bytes) + ofNobody;
  const needed = hintedBytes({ hints, code }, policy);
  const free = Math.max(0, largestBytes(standing, policy) * admittedFill - taken);
  const shards = code.d + code.p;
  if (shards > policy.nodesMax) {
    return {
      ...{ admitted: false, freeBytes: Math.floor(free / factor), neededBytes: Math.ceil(needed / factor) },
      reason: `its code needs ${shards} nodes and nodesMax is ${policy.nodesMax}; ask for a narrower code`,
    };
  }
  // Only bytes that were named can be refused: what functions may store is a guess.
  if (hints.bytes !== undefined && needed > free) {
    return {
      ...{ admitted: false, freeBytes: Math.floor(free / factor), neededBytes: Math.ceil(needed / factor) },
      reason:
        `it hints ${bytesText(needed / factor)}, which are ${bytesText(needed)} with parity; ${policy.nodesMax} nodes leave ` +
        `${bytesText(free)} of that, ${bytesText(taken)} are reserved; hint at most ${bytesText(free / factor)}, wait for ` +
        "jobs to end, or raise nodesMax",
    };
  }
  const neededRate = hintedBytesPerSecond({ hints, code }, policy);
  const takenRate = sum(reservations, (each) => each.bytesPerSecond);
  const freeRate = Math.max(0, policy.nodesMax * policy.nodeBytesPerSecond * policy.bandHigh - takenRate);
  // And so is what they may move.
  if (hints.bytesPerSecond !== undefined && neededRate > freeRate) {
    return {
      ...{ admitted: false, freeBytes: Math.floor(freeRate / factor) },
      neededBytes: hints.bytesPerSecond,
      reason:
        `it hints ${bytesText(hints.bytesPerSecond)}/s, and ${policy.nodesMax} nodes leave ${bytesText(freeRate / factor)}/s; ` +
        "hint less, wait for jobs to end, or raise nodesMax",
    };
  }
  return admitted(inventory, standing, taken + needed, takenRate + neededRate, code, policy);
}

/** All nodes that there are, and new ones up to `nodesMax`. */
function largestBytes(standing: Standing, policy: ScalePolicy): number {
  return standing.limitBytes + Math.max(0, policy.nodesMax - standing.serving) * policy.nodeMemoryBytes;
}

function admitted(
  inventory: ScaleInventory,
  standing: Standing,
  bytes: number,
  bytesPerSecond: number,
  code: Code,
  policy: ScalePolicy,
): Admission {
  const nodesNeeded = Math.max(
    nodesNeededByCodes([...inventory.jobs, { code }], policy) - policy.spareNodes,
    Math.ceil(bytesPerSecond / (policy.nodeBytesPerSecond * policy.bandHigh)),
  );
  let limitBytes = sum(standing.active, (node) => node.limitBytes);
  let nodes = standing.active.length;
  const fits = (): boolean => bytes <= limitBytes * policy.bandHigh && nodes >= nodesNeeded;
  if (fits()) return { admitted: true, readyInMs: 0, reason: `there is room on the ${nodes} active nodes` };
  const coming = standing.starting
    .map((node) => ({ ...node, readyInMs: node.startedAtMs + policy.startMs - inventory.nowMs }))
    .sort((a, b) => a.readyInMs - b.readyInMs);
  for (const node of coming) {
    limitBytes += node.limitBytes;
    nodes += 1;
    if (!fits()) continue;
    const readyInMs = Math.max(0, node.readyInMs);
    return { admitted: true, readyInMs, reason: `there is room once ${nodes} nodes are there` };
  }
  const more = Math.max(
    nodesNeeded - nodes,
    Math.ceil((bytes / policy.bandHigh - limitBytes) / policy.nodeMemoryBytes),
  );
  return {
    ...{ admitted: true, readyInMs: policy.startMs + policy.decideEveryMs },
    reason: `there is room once ${more} more nodes are there`,
  };
}
