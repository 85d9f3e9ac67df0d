/** The rows of one node without sockets: time, maps and the other nodes are in the test's hand. */
import type { Mutation } from "../../../cache-node/cells/mutation-log.ts";
import { JobDirectory } from "../../../cache-node/job-directory.ts";
import { Replicas } from "../../../cache-node/replicas.ts";
import type { Peers } from "../../../cache-node/replication/peers.ts";
import { cellName } from "../../../cache-node/store/cell.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import { seededRng } from "../../../src/clock.ts";
import { MayflyError } from "../../../src/errors.ts";
import { type Group, jobNumber, type NodeId, nodeId } from "../../../src/ids.ts";
import { groupCount, groupOf } from "../../../src/placement/groups.ts";
import { emptyRow, type FleetMap, type NodeState, type Row } from "../../../src/placement/types.ts";
import { decodeEffects, type Effect, effectsBatch } from "../../../src/wire/cell.ts";
import type { Ref } from "../../../src/wire/ref.ts";
import { formatVersion } from "../../../src/wire/version.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { fakeHeap } from "../store/fakes.ts";

export const job = jobNumber(1);
export const self = nodeId(1);
/** That of every grant in these tests. */
export const grantMs = 1000;

export interface MapChange {
  readonly generation?: number;
  readonly n?: number;
  readonly dead?: readonly number[];
  readonly joining?: readonly number[];
  readonly born?: number;
  readonly lostJobs?: number;
  /** The only group that has a row; by default all have the same. */
  readonly only?: Group;
}

/** A map in which every group has the same row, born in generation 1. */
export function mapOf(row: readonly number[], change: MapChange = {}): FleetMap {
  const { generation = 1, n = generation, dead = [], joining = [], born = 1, lostJobs = 0, only } = change;
  const state = (id: number): NodeState => (dead.includes(id) ? "dead" : "active");
  const nodes = [1, 2, 3, 4].map((id) => ({
    ...{ id: nodeId(id), host: "127.0.0.1", port: 7000 + id, weight: 100, zone: "" },
    state: state(id),
  }));
  const made: Row = {
    ...{ generation, nodes: row.map(nodeId), joining: joining.map(nodeId) },
    ...{ born, lostJobs },
  };
  const rows = Array.from({ length: groupCount }, (_, group) =>
    only === undefined || only === group ? made : emptyRow,
  );
  return { epoch: { term: 1, n }, nodes, rows, backups: 2 };
}

export interface NodeOptions {
  readonly id?: NodeId;
  readonly clock?: FakeClock;
  readonly limitBytes?: number;
}

/** All that a node has of its rows. It has no map yet. */
export function createNode(peers: Peers, options: NodeOptions = {}) {
  const { id = self, clock = new FakeClock(), limitBytes = 8 * 2 ** 20 } = options;
  const memory = createNodeMemory({ limitBytes, clock, touchBytesPerStep: 0, heap: fakeHeap() });
  const jobs = new JobDirectory();
  const freed: Ref[] = [];
  const activated: Group[] = [];
  const resigned: Group[] = [];
  /** Keys at which an object was committed. */
  const committed: string[] = [];
  const quota = { left: Number.POSITIVE_INFINITY };
  const state: { map: FleetMap | undefined; news: number } = { map: undefined, news: 0 };
  const replicas = new Replicas({
    ...{ clock, memory, jobs, peers, rng: seededRng(id) },
    atEndOfTurn: (run) => queueMicrotask(run),
    self: () => id,
    map: () => state.map,
    grantMs: () => grantMs,
    checkStored: () => {},
    checkQuota: (_job, bytes) => {
      if (bytes > quota.left) throw new MayflyError("QUOTA_EXCEEDED", "no more");
    },
    freeObject: (_job, ref) => freed.push(ref),
    onNews: () => {
      state.news += 1;
    },
    onActive: (group) => activated.push(group),
    onResigned: (group) => resigned.push(group),
    onRef: (_job, _group, name) => committed.push(name),
  });
  const adopt = (next: FleetMap): void => {
    state.map = next;
    replicas.adopt(next);
  };
  const { rows, logs, cells, waits, primary, collections, backup } = replicas;
  return {
    ...{ id, clock, memory, jobs, replicas, rows, logs, cells, waits, primary, collections, backup },
    ...{ freed, activated, resigned, committed, quota, state, adopt },
  };
}

export type Node = ReturnType<typeof createNode>;

/** A batch on its way to another member. */
export interface Delivery {
  readonly to: NodeId;
  readonly effects: readonly Effect[];
  acknowledge(refused?: readonly Group[]): void;
  fail(error?: MayflyError): void;
}

/** Node 1 with a map, and others that answer when the test says so; their grants come by themselves. */
export async function createCells(
  row: readonly number[] = [1, 2, 3],
  change: MapChange = {},
  options: NodeOptions = {},
) {
  const deliveries: Delivery[] = [];
  const exchanges: NodeId[] = [];
  /** What other nodes answer to who asks for a grant: milliseconds, or an error. */
  const granting = { answer: (_to: NodeId): number => grantMs };
  /** How other nodes answer to who asks whether they have sealed what they led; never by default. */
  const sealing = { answer: (_to: NodeId): Promise<void> => new Promise(() => {}) };
  const node = createNode(
    {
      replicate: (to, encoded) =>
        new Promise((resolve, reject) => {
          deliveries.push({
            to,
            effects: decodeEffects(Buffer.concat(effectsBatch(encoded))),
            acknowledge: (refused = []) => resolve(refused),
            fail: (error = new MayflyError("BUSY", "not now")) => reject(error),
          });
        }),
      grant: (to) => Promise.resolve().then(() => granting.answer(to)),
      sealed: (to) => sealing.answer(to),
      exchangeMaps: async (to) => void exchanges.push(to),
    },
    options,
  );
  const cells = { ...node, deliveries, exchanges, granting, sealing };
  node.adopt(mapOf(row, change));
  await turn();
  if (row[0] === self) await serve(cells);
  return cells;
}

export type Cells = Awaited<ReturnType<typeof createCells>>;

/** Lets promises and the next batches run. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Acknowledges everything that is on its way to a member, or to all of them. */
export async function acknowledge({ deliveries }: Pick<Cells, "deliveries">, ...to: number[]): Promise<void> {
  for (const delivery of deliveries) {
    if (to.length === 0 || to.includes(delivery.to)) delivery.acknowledge();
  }
  await turn();
}

/** All other members take what a new generation of the row begins with. */
export async function serve(cells: Pick<Cells, "deliveries">): Promise<void> {
  while (cells.deliveries.length > 0) {
    const { deliveries } = cells;
    const taken = deliveries.splice(0);
    await acknowledge({ deliveries: taken });
  }
}

let sequence = 0;

export function mutationAt(key: string, change: Partial<Mutation> = {}): Mutation {
  sequence += 1;
  const defaults = {
    job,
    session: "sessions",
    sequence,
    floor: 0,
    key: Buffer.from(key),
    name: cellName(Buffer.from(key)),
    condition: "",
    epoch: undefined,
  };
  return { ...defaults, ...change };
}

/** The version as text, once the write is done. */
export async function setCell(
  { primary }: Pick<Node, "primary">,
  mutation: Mutation,
  kind: "bytes" | "ref",
  value: Uint8Array,
  ttlMs: number,
): Promise<string> {
  return formatVersion(await primary.set(mutation, kind, value, ttlMs));
}

/** Whether a promise has settled, and how. */
export function watch<T>(work: Promise<T>): { outcome: "pending" | "done" | string; value?: T } {
  const state: { outcome: string; value?: T } = { outcome: "pending" };
  work.then(
    (value) => {
      state.outcome = "done";
      state.value = value;
    },
    (error: unknown) => {
      state.outcome = MayflyError.from(error).code;
    },
  );
  return state;
}

/** The text of a cell in the store, deleted and expired ones by their kind in brackets. */
export function stored({ cells }: Pick<Node, "cells">, key: string): string | undefined {
  const bytes = Buffer.from(key);
  const cell = cells.get(job, groupOf(bytes), cellName(bytes));
  if (cell === undefined) return undefined;
  return cell.block === undefined ? `(${cell.kind})` : cell.block.view().toString();
}
