/**
 * What the controller must not forget: the map, the jobs, and the numbers that are never used again. An immutable
 * value; each function takes one and returns the next. No I/O, no clock. What may be forgotten is in vitals.ts.
 */
import { type JobNumber, jobNumber, type NodeId, nodeId } from "../ids.ts";
import { groupCount } from "../placement/groups.ts";
import { planTarget, type TargetRows } from "../placement/plan-target.ts";
import type { ZonePolicy } from "../placement/row-table.ts";
import {
  type Address,
  type Code,
  emptyRow,
  type FleetMap,
  type NodeEntry,
  type NodeState,
} from "../placement/types.ts";
import type { JobHints } from "../wire/control-api.ts";

export interface Job {
  readonly number: JobNumber;
  readonly name: string;
  readonly code: Code;
  readonly leaseMs: number;
  readonly graceMs: number;
  /** 0 is none. */
  readonly quotaBytes: number;
  readonly hints: JobHints;
  /** Wall clock. */
  readonly createdAtMs: number;
  /** Nodes that died or left, and whose shards of this job may not have been made anew yet. */
  readonly nodesLost: number;
}

export interface EndedJob extends Job {
  /** Wall clock. */
  readonly endedAtMs: number;
}

/** A node that is being emptied, so that it can go without a loss. */
export interface Drain {
  readonly node: NodeId;
  /** Wall clock: when it should be done; 0 without such a time. */
  readonly deadlineAtMs: number;
}

/** Nodes that are being replaced one after the other. */
export interface Replacement {
  /** Still to be replaced, the next one first. */
  readonly left: readonly NodeId[];
  /** How many there were to replace. */
  readonly total: number;
  /** How many active nodes the fleet has between two of them. */
  readonly size: number;
}

/** The process that became a node, as it named itself when it registered. */
export interface NodeInstance {
  readonly node: NodeId;
  readonly instance: string;
}

/** What it takes to wake a fleet that sleeps. */
export interface Sleep {
  /** How many nodes it had, and how large they were; 0 where nobody knew. */
  readonly nodes: number;
  readonly nodeBytes: number;
  /** What their cells take in the object store. */
  readonly storedBytes: number;
  /** Wall clock. */
  readonly sinceMs: number;
}

export const noSleep: Sleep = { nodes: 0, nodeBytes: 0, storedBytes: 0, sinceMs: 0 };

export const noReplacement: Replacement = { left: [], total: 0, size: 0 };

/** Where rows should end up with the active nodes of `key`. */
export interface Target {
  readonly key: string;
  readonly rows: TargetRows;
}

export interface FleetState {
  /** Whether there were ever enough nodes to lay rows. */
  readonly formed: boolean;
  readonly map: FleetMap;
  /** Ids and numbers up to these were given away. */
  readonly highestNode: number;
  readonly highestJob: number;
  /** Alive or in grace, in ascending order of number. */
  readonly jobs: readonly Job[];
  /** The last that ended, oldest first. */
  readonly ended: readonly EndedJob[];
  /** Nodes in the map that are dead for certain: nobody waits any more for what only they had. */
  readonly gone: readonly NodeId[];
  /** The nodes in the map that are draining. */
  readonly drains: readonly Drain[];
  /** The last that were drained, oldest first: they may end with success. */
  readonly drained: readonly NodeId[];
  /** Active nodes that the fleet should have; 0 when nobody has said. */
  readonly desired: number;
  readonly replacing: Replacement;
  /** Of the last nodes that registered, oldest first: a registration that comes again is no other process. */
  readonly instances: readonly NodeInstance[];
  /** Means something while the map says that the fleet hibernates (`loading`). */
  readonly sleep: Sleep;
  /** Not stored: the same can be planned again. */
  readonly target: Target | undefined;
}

/** How many ended jobs `mayfly job ls` can still show. */
export const endedJobsMax = 100;
/** How many drained nodes are remembered. */
const drainedMax = 256;
/** Beside those of all nodes in the map. */
const formerInstancesMax = 256;
/** Write weight of a node with room; see plan-fleet.ts for the others. */
export const fullWeight = 100;
/** Write weight of a node that joins a fleet with jobs: it should not get most of what is written at once. */
export const newWeight = 25;

/** @param rowCount fewer than 1,024 in simulations only */
export function emptyFleet(backups: number, rowCount: number = groupCount): FleetState {
  const rows = Array.from({ length: rowCount }, () => emptyRow);
  const map: FleetMap = { epoch: { term: 0, n: 0 }, nodes: [], rows, backups };
  const nobody = { gone: [], drains: [], drained: [], desired: 0, replacing: noReplacement, instances: [] };
  return {
    ...{ formed: false, map, highestNode: 0, highestJob: 0, jobs: [], ended: [] },
    ...{ ...nobody, sleep: noSleep, target: undefined },
  };
}

/** Nodes that serve and can be written to. */
export function activeNodes(state: FleetState): NodeEntry[] {
  return state.map.nodes.filter((node) => node.state === "active");
}

/** The entry of a node that has not been declared dead. */
export function livingNode(state: FleetState, id: number): NodeEntry | undefined {
  return state.map.nodes.find((node) => node.id === id && node.state !== "dead");
}

/** Active or draining. */
export function livingNodes(state: FleetState): NodeEntry[] {
  return state.map.nodes.filter((node) => node.state !== "dead");
}

/**
 * A new node with an id that no other ever had; a living one at the same address must be the life before it: dead.
 *
 * @param instance see `instanceOf`; a process without one is a new node each time that it registers
 */
export function addNode(state: FleetState, address: Address, zone: string, instance?: string): FleetState {
  const { host, port } = address;
  const before = state.map.nodes.filter((node) => node.host === host && node.port === port);
  const id = nodeId(state.highestNode + 1);
  // Nobody writes to a fleet that wakes before all of its nodes are there.
  const isFirst = state.jobs.length === 0 || state.map.hibernation?.state === "loading";
  const weight = isFirst ? fullWeight : newWeight;
  const entry: NodeEntry = { id, host, port, state: "active", weight, zone };
  const buried = buryNodes(state, new Set(before.map((node) => node.id)), true);
  const instances = instance === undefined ? state.instances : withInstance(buried, { node: id, instance });
  return { ...withNodes(buried, [...buried.map.nodes, entry]), highestNode: id, instances };
}

/** The node that a process has become, dead or alive; undefined when it is not known. */
export function nodeOfInstance({ instances }: FleetState, instance: string): NodeId | undefined {
  return instances.find((known) => known.instance === instance)?.node;
}

function withInstance({ map, instances }: FleetState, added: NodeInstance): NodeInstance[] {
  const most = map.nodes.length + formerInstancesMax;
  const listed = new Set(map.nodes.map(({ id }) => id));
  const former = instances.length - instances.filter(({ node }) => listed.has(node)).length;
  let surplus = Math.min(former, instances.length + 1 - most);
  const kept = instances.filter(({ node }) => listed.has(node) || surplus-- <= 0);
  return [...kept, added];
}

/**
 * Dead nodes stay listed only while a row names them; see `sweepDead`.
 *
 * @param certain their processes are known to have ended; may be said later of nodes that are dead already
 */
export function buryNodes(state: FleetState, ids: ReadonlySet<NodeId>, certain: boolean): FleetState {
  const dying = state.map.nodes.filter((node) => ids.has(node.id) && node.state !== "dead");
  const known = new Set(state.gone);
  const gone = certain ? [...ids].filter((id) => isListed(state, id) && !known.has(id)) : [];
  const told = gone.length === 0 ? state : { ...state, gone: [...state.gone, ...gone] };
  if (dying.length === 0) return told;
  const nodes = state.map.nodes.map(
    (node): NodeEntry => (dying.includes(node) ? { ...node, state: "dead", weight: 0 } : node),
  );
  const jobs = state.jobs.map((job) => ({ ...job, nodesLost: job.nodesLost + dying.length }));
  const drains = withoutDrains(state, ids);
  return { ...withNodes(told, nodes), jobs, drains, replacing: withoutReplaced(state, ids) };
}

/** Whether a node was declared dead, may still be alive, and some row has no living full member but perhaps this one. */
export function isLastHope(state: FleetState, id: number): boolean {
  const node = state.map.nodes.find((entry) => entry.id === id);
  if (node?.state !== "dead" || state.gone.includes(node.id)) return false;
  // What it has lies in the object store, too.
  if (state.map.hibernation?.state === "loading") return false;
  const living = new Set(livingNodes(state).map((entry) => entry.id));
  return state.map.rows.some(
    ({ nodes }) => nodes.includes(node.id) && !nodes.some((member) => living.has(member)),
  );
}

/** A dead node is active again; the rows that still name it begin another generation, so that it leads them anew. */
export function reviveNode(state: FleetState, id: number): FleetState {
  const nodes = state.map.nodes.map(
    (node): NodeEntry => (node.id === id ? { ...node, state: "active", weight: newWeight } : node),
  );
  const rows = state.map.rows.map((row) =>
    row.nodes.some((member) => member === id) ? { ...row, generation: row.generation + 1 } : row,
  );
  return withRows(withNodes(state, nodes), rows);
}

export function weighNode(state: FleetState, id: NodeId, weight: number): FleetState {
  return withNodes(
    state,
    state.map.nodes.map((node) => (node.id === id ? { ...node, weight } : node)),
  );
}

/** No new shards and no new rows for the node; or another deadline for one that is draining already. */
export function drainNode(state: FleetState, id: NodeId, deadlineAtMs: number): FleetState {
  const drains = [...withoutDrains(state, new Set([id])), { node: id, deadlineAtMs }];
  return { ...turnNode(state, id, "draining", 0), drains };
}

/** The node is a node like the others again. */
export function cancelDrain(state: FleetState, id: NodeId): FleetState {
  const turned = turnNode(state, id, "active", fullWeight);
  return { ...turned, drains: withoutDrains(state, new Set([id])) };
}

/** A drained node is off the map, and nothing is lost by it. */
export function removeNode(state: FleetState, id: NodeId): FleetState {
  const ids = new Set([id]);
  const nodes = state.map.nodes.filter((node) => node.id !== id);
  const drained = [...state.drained, id].slice(-drainedMax);
  const replacing = withoutReplaced(state, ids);
  return { ...withNodes(state, nodes), drains: withoutDrains(state, ids), drained, replacing };
}

/** What was lost with dead nodes has been made anew, as far as it could be. */
export function mendJobs(state: FleetState): FleetState {
  return { ...state, jobs: state.jobs.map((job) => (job.nodesLost === 0 ? job : { ...job, nodesLost: 0 })) };
}

/** Takes dead nodes that no row names off the map: nobody can need their address. */
export function sweepDead(state: FleetState): FleetState {
  if (state.map.nodes.every((node) => node.state !== "dead")) return state;
  const named = new Set(state.map.rows.flatMap((row) => [...row.nodes, ...row.joining]));
  const nodes = state.map.nodes.filter((node) => node.state !== "dead" || named.has(node.id));
  if (nodes.length === state.map.nodes.length) return state;
  const swept = withNodes(state, nodes);
  return { ...swept, gone: state.gone.filter((id) => isListed(swept, id)) };
}

/** Plans all rows over the active nodes, each born anew: nothing is stored in them. */
export function layRows(state: FleetState, zonePolicy: ZonePolicy): FleetState {
  const { rows, backups } = state.map;
  const nodes = activeNodes(state);
  const planned = planTarget({ nodes, rows, previous: undefined, backups, zonePolicy, slack: 0 });
  const laid = rows.map((row, group) => {
    const nodes = planned[group]!;
    const same = nodes.length === row.nodes.length && nodes.every((id, i) => id === row.nodes[i]);
    if (same && row.joining.length === 0) return row;
    const generation = row.generation + 1;
    return { ...row, generation, nodes, joining: [], born: generation };
  });
  return { ...withRows(state, laid), formed: true, target: undefined };
}

/** The state with the target that fits its active nodes. */
export function withTarget(state: FleetState, zonePolicy: ZonePolicy): FleetState {
  const nodes = activeNodes(state);
  const key = nodes.map((node) => `${node.id}${node.zone === "" ? "" : `@${node.zone}`}`).join();
  const { target } = state;
  if (target?.key === key) return state;
  const { rows, backups } = state.map;
  const planned = planTarget({ nodes, rows, previous: target?.rows, backups, zonePolicy });
  return { ...state, target: { key, rows: planned } };
}

/** The same state when every row stayed as it is. */
export function withRows(state: FleetState, rows: FleetMap["rows"]): FleetState {
  if (rows.every((row, group) => row === state.map.rows[group])) return state;
  return { ...state, map: { ...state.map, rows } };
}

/** The number of the job that `addJob` adds next. */
export function nextJobNumber(state: FleetState): JobNumber {
  return jobNumber(state.highestJob + 1);
}

export function addJob(state: FleetState, job: Job): FleetState {
  return { ...state, jobs: [...state.jobs, job], highestJob: job.number };
}

export function leaseJob(state: FleetState, number: number, leaseMs: number): FleetState {
  const jobs = state.jobs.map((job) => (job.number === number ? { ...job, leaseMs } : job));
  return { ...state, jobs };
}

export function endJobs(state: FleetState, numbers: ReadonlySet<number>, endedAtMs: number): FleetState {
  const ending = state.jobs.filter((job) => numbers.has(job.number)).map((job) => ({ ...job, endedAtMs }));
  if (ending.length === 0) return state;
  const jobs = state.jobs.filter((job) => !numbers.has(job.number));
  return { ...state, jobs, ended: [...state.ended, ...ending].slice(-endedJobsMax) };
}

/** `next` with the epoch that follows `state`'s, if nodes or rows differ: every change of them is the next epoch. */
export function nextEpoch(state: FleetState, next: FleetState): FleetState {
  if (next.map === state.map) return next;
  const { term, n } = state.map.epoch;
  return { ...next, map: { ...next.map, epoch: { term, n: n + 1 } } };
}

/** The state as a new term finds it: every n goes on, so that people can read one history across terms. */
export function beginTerm(state: FleetState, term: number): FleetState {
  return { ...state, map: { ...state.map, epoch: { term, n: state.map.epoch.n + 1 } } };
}

function withNodes(state: FleetState, nodes: readonly NodeEntry[]): FleetState {
  return { ...state, map: { ...state.map, nodes } };
}

function turnNode(state: FleetState, id: NodeId, turned: NodeState, weight: number): FleetState {
  const was = state.map.nodes.find((node) => node.id === id);
  if (was === undefined || was.state === turned) return state;
  const nodes = state.map.nodes.map((node) => (node === was ? { ...node, state: turned, weight } : node));
  return withNodes(state, nodes);
}

function isListed(state: FleetState, id: NodeId): boolean {
  return state.map.nodes.some((node) => node.id === id);
}

function withoutDrains(state: FleetState, ids: ReadonlySet<NodeId>): readonly Drain[] {
  return state.drains.some((drain) => ids.has(drain.node))
    ? state.drains.filter((drain) => !ids.has(drain.node))
    : state.drains;
}

function withoutReplaced(state: FleetState, ids: ReadonlySet<NodeId>): Replacement {
  const { left } = state.replacing;
  if (!left.some((id) => ids.has(id))) return state.replacing;
  return { ...state.replacing, left: left.filter((id) => !ids.has(id)) };
}
