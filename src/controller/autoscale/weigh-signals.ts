/** How many nodes each signal asks for, and what share of the fleet it takes now. Pure. */
import { most } from "./observe-jobs.ts";
import type { Reservation } from "./reserve-jobs.ts";
import {
  bytesText,
  percentText,
  type ScaleInventory,
  type ScaleJob,
  type ScaleNode,
  type ScaleState,
} from "./scale-inventory.ts";
import { horizonMs, type ScalePolicy } from "./scale-policy.ts";

/** The nodes of an inventory by what can be counted on. */
export interface Standing {
  readonly active: readonly ScaleNode[];
  /** Ordered, and not yet later than a start may be. */
  readonly starting: readonly ScaleNode[];
  /** Ordered so long ago that they are counted on no more. */
  readonly overdue: readonly ScaleNode[];
  readonly draining: readonly ScaleNode[];
  /** Active and starting. */
  readonly serving: number;
  readonly limitBytes: number;
}

export interface Signal {
  readonly name: "memory" | "network" | "processor" | "backlog" | "minimum";
  /** Active and starting nodes with which the signal would be at `bandTarget`. */
  readonly nodes: number;
  /** Of what active and starting nodes give; above `bandHigh` it asks for growth. */
  readonly share: number;
  readonly text: string;
}

/** A start that takes longer than so many times what it usually takes is counted on no more. */
const overdueTimes = 3;

export function standingOf(
  { nodes, nowMs }: ScaleInventory,
  { startMs, decideEveryMs }: ScalePolicy,
): Standing {
  const lateMs = overdueTimes * Math.max(startMs, decideEveryMs);
  const active: ScaleNode[] = [];
  const starting: ScaleNode[] = [];
  const overdue: ScaleNode[] = [];
  const draining: ScaleNode[] = [];
  let limitBytes = 0;
  for (const node of nodes) {
    const late = node.state === "starting" && nowMs - node.startedAtMs > lateMs;
    if (late) overdue.push(node);
    else if (node.state === "starting") starting.push(node);
    else if (node.state === "active") active.push(node);
    else draining.push(node);
    if (node.state !== "draining" && !late) limitBytes += node.limitBytes;
  }
  const serving = active.length + starting.length;
  return { active, starting, overdue, draining, serving, limitBytes };
}

/** The largest d+p of the jobs alive and the spare nodes, or `nodesMin` if that is more. */
export function nodesNeededByCodes(jobs: readonly Pick<ScaleJob, "code">[], policy: ScalePolicy): number {
  const widest = jobs.reduce((max, { code }) => Math.max(max, code.d + code.p), 0);
  return Math.max(policy.nodesMin, widest === 0 ? 0 : widest + policy.spareNodes);
}

/** @param state as observed of this inventory */
export function weighSignals(
  inventory: ScaleInventory,
  standing: Standing,
  reservations: readonly Reservation[],
  state: ScaleState,
  policy: ScalePolicy,
): Signal[] {
  return [
    weighMemory(inventory, standing, reservations, state, policy),
    weighNetwork(inventory, standing, reservations, policy),
    weighProcessor(inventory, standing, policy),
    weighBacklog(inventory, standing, policy),
    weighMinimum(inventory, standing, policy),
  ];
}

/**
 * Bytes that must find room when nodes ordered at the next decision are there: all reservations, what nodes hold of no job
 * alive, and the headroom. The headroom is the larger of a share of what is stored, and the most that ever grew unannounced
 * in as long a time within the window, less what trends foresee already.
 */
function weighMemory(
  inventory: ScaleInventory,
  standing: Standing,
  reservations: readonly Reservation[],
  state: ScaleState,
  policy: ScalePolicy,
): Signal {
  const stored = sum(inventory.nodes, (node) => node.usedBytes);
  const ofJobs = sum(inventory.jobs, (job) => job.usedBytes);
  const ofNobody = Math.max(0, stored - ofJobs);
  const reserved = sum(reservations, (each) => each.bytes);
  const trend = sum(reservations, (each) => each.trendBytes);
  const headroom = Math.max(policy.headroomShare * stored, most(state.surprisePeaks) - trend);
  const needed = reserved + ofNobody + headroom;
  const missing = needed / policy.bandTarget - standing.limitBytes;
  const share = shareOf(needed, standing.limitBytes);
  const ahead = Math.round(horizonMs(policy) / 1000);
  return {
    name: "memory",
    nodes: Math.max(0, standing.serving + ceil(missing / policy.nodeMemoryBytes)),
    share,
    text:
      `memory ${percentText(share)}: ${bytesText(ofJobs + ofNobody)} stored; ${inventory.jobs.length} jobs reserve ` +
      `${bytesText(reserved)}, ${bytesText(trend)} of it by their growth in ${ahead} s; headroom ${bytesText(headroom)}; ` +
      `${bytesText(standing.limitBytes)} on ${standing.serving} nodes`,
  };
}

/** What is moved now, or what the hints of jobs that still write add up to. */
function weighNetwork(
  inventory: ScaleInventory,
  standing: Standing,
  reservations: readonly Reservation[],
  policy: ScalePolicy,
): Signal {
  const moved = sum(inventory.nodes, (node) => node.networkBytesPerSecond);
  const hinted = sum(reservations, (each) => each.bytesPerSecond);
  const rate = Math.max(moved, hinted);
  const share = shareOf(rate, standing.serving * policy.nodeBytesPerSecond);
  return {
    name: "network",
    nodes: ceil(rate / (policy.nodeBytesPerSecond * policy.bandTarget)),
    share,
    text:
      `network ${percentText(share)}: ${bytesText(moved)}/s moved, ${bytesText(hinted)}/s hinted; ` +
      `${bytesText(policy.nodeBytesPerSecond)}/s a node`,
  };
}

function weighProcessor(inventory: ScaleInventory, standing: Standing, policy: ScalePolicy): Signal {
  const busy = sum(inventory.nodes, (node) => node.eventLoopUtilization);
  const share = shareOf(busy, standing.serving);
  return {
    name: "processor",
    nodes: ceil(busy / policy.bandTarget),
    share,
    text: `processor ${percentText(share)}: event loops busy like ${busy.toFixed(1)} nodes`,
  };
}

/** Writers that wait are asked for on top of what is active: what starts already counts against it. */
function weighBacklog({ nodes }: ScaleInventory, standing: Standing, policy: ScalePolicy): Signal {
  const waiting = sum(nodes, (node) => node.waitingWriters);
  const wanted = waiting === 0 ? 0 : standing.active.length + ceil(waiting / policy.writersPerNode);
  return {
    name: "backlog",
    nodes: wanted,
    share: wanted > standing.serving ? Number.POSITIVE_INFINITY : 0,
    text: `backlog: ${waiting} writers wait, worth ${wanted} nodes`,
  };
}

function weighMinimum(inventory: ScaleInventory, standing: Standing, policy: ScalePolicy): Signal {
  const nodes = nodesNeededByCodes(inventory.jobs, policy);
  return {
    name: "minimum",
    nodes,
    share: nodes > standing.serving ? Number.POSITIVE_INFINITY : 0,
    text: `minimum: codes of the jobs, ${policy.spareNodes} spare and nodesMin ${policy.nodesMin} need ${nodes} nodes`,
  };
}

/** Rounding of sums must not ask for a node more. */
function ceil(value: number): number {
  return Math.ceil(value - 1e-6);
}

function shareOf(part: number, whole: number): number {
  return part === 0 ? 0 : whole === 0 ? Number.POSITIVE_INFINITY : part / whole;
}

export function sum<Item>(items: readonly Item[], amountOf: (item: Item) => number): number {
  let total = 0;
  for (const item of items) total += amountOf(item);
  return total;
}
