/** The cells of one node without sockets: time, maps and backups are in the test's hand. */
import { BackupCells } from "../../../cache-node/cells/backup-cells.ts";
import { CellWaits } from "../../../cache-node/cells/cell-waits.ts";
import { type Mutation, PrimaryCells } from "../../../cache-node/cells/primary-cells.ts";
import { Rows } from "../../../cache-node/cells/rows.ts";
import { JobDirectory } from "../../../cache-node/job-directory.ts";
import { BackupLink } from "../../../cache-node/replication/backup-link.ts";
import { GroupLogs } from "../../../cache-node/replication/group-logs.ts";
import { CellStore, cellName } from "../../../cache-node/store/cell-store.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import { MayflyError } from "../../../src/errors.ts";
import { jobNumber, type NodeId, nodeId } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { emptyRow, type FleetMap, type NodeState } from "../../../src/placement/types.ts";
import { decodeEffects, type Effect, effectsBatch } from "../../../src/wire/cell.ts";
import type { Ref } from "../../../src/wire/ref.ts";
import { formatVersion } from "../../../src/wire/version.ts";
import { FakeClock } from "../../controller/fake-clock.ts";
import { fakeHeap } from "../store/fakes.ts";

export const job = jobNumber(1);
export const self = nodeId(1);

/** A map in which every group has the same row. */
export function mapOf(
  row: readonly number[],
  options: { generation?: number; n?: number; dead?: readonly number[] } = {},
): FleetMap {
  const { generation = 1, n = generation, dead = [] } = options;
  const state = (id: number): NodeState => (dead.includes(id) ? "dead" : "active");
  const nodes = [1, 2, 3, 4].map((id) => ({
    ...{ id: nodeId(id), host: "127.0.0.1", port: 7000 + id, weight: 100, zone: "" },
    state: state(id),
  }));
  const rows = Array.from({ length: 1024 }, () => ({
    ...emptyRow,
    ...{ generation, nodes: row.map(nodeId) },
  }));
  return { epoch: { term: 1, n }, nodes, rows, backups: 2 };
}

/** A batch on its way to a backup. */
export interface Delivery {
  readonly to: NodeId;
  readonly effects: readonly Effect[];
  acknowledge(): void;
  fail(error?: MayflyError): void;
}

export function createCells(row: readonly number[] = [1, 2, 3]) {
  const clock = new FakeClock();
  const memory = createNodeMemory({ limitBytes: 8 * 2 ** 20, clock, touchBytesPerStep: 0, heap: fakeHeap() });
  const cells = new CellStore(memory);
  const jobs = new JobDirectory();
  const waits = new CellWaits(clock);
  let map: FleetMap | undefined;
  const rows = new Rows(
    () => self,
    () => map,
  );
  const deliveries: Delivery[] = [];
  const logs = new GroupLogs(
    () => self,
    (backup, wanted) =>
      new BackupLink({
        clock,
        wanted,
        send: (encoded) =>
          new Promise((resolve, reject) => {
            const fail = (error = new MayflyError("BUSY", "not now")): void => reject(error);
            deliveries.push({
              to: backup,
              effects: decodeEffects(Buffer.concat(effectsBatch(encoded))),
              acknowledge: resolve,
              fail,
            });
          }),
        onFailure: () => undefined,
      }),
  );
  const freed: Ref[] = [];
  const quota = { left: Number.POSITIVE_INFINITY };
  const primary = new PrimaryCells({
    ...{ clock, cells, logs, rows, waits, map: () => map },
    checkQuota: (_job, bytes) => {
      if (bytes > quota.left) throw new MayflyError("QUOTA_EXCEEDED", "no more");
    },
    freeObject: (_job, ref) => freed.push(ref),
  });
  const backup = new BackupCells({ clock, cells, jobs, self: () => self, map: () => map });
  const adopt = (next: FleetMap): void => {
    map = next;
    logs.adopt(next);
    backup.adopt(next);
  };
  adopt(mapOf(row));
  return { clock, memory, cells, jobs, waits, rows, logs, primary, backup, deliveries, freed, quota, adopt };
}

export type Cells = ReturnType<typeof createCells>;

/** Lets promises and the next batches run. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

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
  };
  return { ...defaults, ...change };
}

/** The version as text, once the write is done. */
export async function setCell(
  { primary }: Cells,
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
export function stored({ cells }: Cells, key: string): string | undefined {
  const bytes = Buffer.from(key);
  const cell = cells.get(job, groupOf(bytes), cellName(bytes));
  if (cell === undefined) return undefined;
  return cell.block === undefined ? `(${cell.kind})` : cell.block.view().toString();
}
