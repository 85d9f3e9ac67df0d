/**
 * What the controller must not forget: the map, the jobs, and the numbers that are never used again. An immutable
 * value; each function takes one and returns the next. No I/O, no clock. What may be forgotten is in vitals.ts.
 */
import { type JobNumber, jobNumber, type NodeId, nodeId } from "../ids.ts";
import { groupCount } from "../placement/groups.ts";
import { dropDead, planRows } from "../placement/plan-rows.ts";
import type { ZonePolicy } from "../placement/row-table.ts";
import { type Address, type Code, emptyRow, type FleetMap, type NodeEntry } from "../placement/types.ts";
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
  /** Nodes that died or left since the job began. */
  readonly nodesLost: number;
}

export interface EndedJob extends Job {
  /** Wall clock. */
  readonly endedAtMs: number;
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
}

/** How many ended jobs `mayfly job ls` can still show. */
export const endedJobsMax = 100;
/** Write weight of a node with room; see plan-fleet.ts for the others. */
export const fullWeight = 100;

export function emptyFleet(backups: number): FleetState {
  const rows = Array.from({ length: groupCount }, () => emptyRow);
  const map: FleetMap = { epoch: { term: 0, n: 0 }, nodes: [], rows, backups };
  return { formed: false, map, highestNode: 0, highestJob: 0, jobs: [], ended: [] };
}

/** Nodes that serve and can be written to. */
export function activeNodes(state: FleetState): NodeEntry[] {
  return state.map.nodes.filter((node) => node.state === "active");
}

/** The entry of a node that has not been declared dead. */
export function livingNode(state: FleetState, id: number): NodeEntry | undefined {
  return state.map.nodes.find((node) => node.id === id && node.state !== "dead");
}

/** A new node with an id that no other ever had; a living one at the same address must be the life before it: dead. */
export function addNode(state: FleetState, address: Address, zone: string): FleetState {
  const { host, port } = address;
  const before = state.map.nodes.filter(
    (node) => node.host === host && node.port === port && node.state !== "dead",
  );
  const id = nodeId(state.highestNode + 1);
  const entry: NodeEntry = { id, host, port, state: "active", weight: fullWeight, zone };
  const buried = buryNodes(state, new Set(before.map((node) => node.id)));
  return { ...withNodes(buried, [...buried.map.nodes, entry]), highestNode: id };
}

/** Dead nodes stay listed only while a row names them; see `sweepDead`. */
export function buryNodes(state: FleetState, ids: ReadonlySet<NodeId>): FleetState {
  const dying = state.map.nodes.filter((node) => ids.has(node.id) && node.state !== "dead");
  if (dying.length === 0) return state;
  const nodes = state.map.nodes.map(
    (node): NodeEntry => (dying.includes(node) ? { ...node, state: "dead", weight: 0 } : node),
  );
  const jobs = state.jobs.map((job) => ({ ...job, nodesLost: job.nodesLost + dying.length }));
  return { ...withNodes(state, nodes), jobs };
}

export function weighNode(state: FleetState, id: NodeId, weight: number): FleetState {
  return withNodes(
    state,
    state.map.nodes.map((node) => (node.id === id ? { ...node, weight } : node)),
  );
}

/** Takes dead nodes that no row names off the map: nobody can need their address. */
export function sweepDead(state: FleetState): FleetState {
  if (state.map.nodes.every((node) => node.state !== "dead")) return state;
  const named = new Set(state.map.rows.flatMap((row) => row.nodes));
  const nodes = state.map.nodes.filter((node) => node.state !== "dead" || named.has(node.id));
  return nodes.length === state.map.nodes.length ? state : withNodes(state, nodes);
}

/** Plans all rows over the active nodes, full ones too: rows hold cells, and weights are for shards. */
export function layRows(state: FleetState, zonePolicy: ZonePolicy): FleetState {
  const nodes = activeNodes(state).map(({ id, zone }) => ({ id, zone, weight: 1 }));
  const { rows, backups } = state.map;
  const planned = planRows({ nodes, rows, backups, zonePolicy });
  const born = planned.map((row, group) => (row === rows[group] ? row : { ...row, born: row.generation }));
  return { ...withRows(state, born), formed: true };
}

/** Takes dead backups out of their rows. */
export function dropDeadBackups(state: FleetState): FleetState {
  const dead = new Set(state.map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
  return withRows(state, dropDead(state.map.rows, dead));
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

/** The same state when every row stayed as it is. */
function withRows(state: FleetState, rows: FleetMap["rows"]): FleetState {
  if (rows.every((row, group) => row === state.map.rows[group])) return state;
  return { ...state, map: { ...state.map, rows } };
}
