/** One simulated course of events, drawn from a seed: a fleet, clients, faults, and a look at what the clients saw. */
import type { Replicas } from "../../cache-node/replicas.ts";
import { type Rng, seededRng } from "../../src/clock.ts";
import { type Group, type JobNumber, jobNumber } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { explain } from "../history/explain.ts";
import { checkLinearizable } from "../history/linearizability.ts";
import { type RegisterOperation, registerModel, versionsUsedTwice } from "../history/register-model.ts";
import { SimClient } from "./client.ts";
import { SimController } from "./controller.ts";
import { Faults } from "./faults.ts";
import { SimNetwork } from "./network.ts";
import { SimNode } from "./node.ts";
import { Scheduler } from "./scheduler.ts";
import type { World } from "./world.ts";

export interface ScheduleOptions {
  readonly seed: number;
  /** Breaks the protocol on each node. */
  readonly mutate?: (replicas: Replicas) => void;
  readonly log?: (line: string) => void;
  /** Given all that the clients did and saw. */
  readonly onHistory?: (history: readonly RegisterOperation[]) => void;
}

export interface ScheduleResult {
  readonly seed: number;
  /** What no course of events may show, as text; empty when all is well. */
  readonly violations: readonly string[];
  readonly operations: number;
  readonly faults: number;
  /** Changes of a row's primary. */
  readonly failovers: number;
  readonly unanswered: number;
  readonly simulatedMs: number;
  readonly events: number;
}

const rowCount = 8;
const nodesInitial = 5;
const clientCount = 4;
const callsPerClient = 60;
const keys = keysInRows(rowCount);
/** All faults are over by then, and some calls still to come. */
const settleMs = 30_000;
const finalReadMs = 60_000;

export async function runSchedule({
  seed,
  mutate,
  log = () => {},
  onHistory,
}: ScheduleOptions): Promise<ScheduleResult> {
  const rng = seededRng(seed);
  const part = (): Rng => seededRng(Math.floor(rng.random() * 2 ** 32));
  const scheduler = new Scheduler();
  const network = new SimNetwork(scheduler, part());
  const nodes: SimNode[] = [];
  const world: World = {
    ...{ scheduler, network, nodes, rowCount, nodesInitial, mutate },
    controller: undefined as unknown as SimController,
    log: (line) => log(`${scheduler.nowMs.toFixed(1).padStart(9)} ${line}`),
    nodeOf: (map, id) => {
      const port = map?.nodes.find((node) => node.id === id)?.port;
      return nodes.findLast((node) => node.port === port);
    },
  };
  const controller = new SimController(world, part());
  (globalThis as any).simNow = () => scheduler.nowMs;
  Object.assign(world, { controller });
  const failures: unknown[] = [];
  const inBackground = (work: Promise<unknown>): void => void work.catch((thrown) => failures.push(thrown));
  const addNode = (): SimNode => {
    const clockErrors = { rate: 1 + (rng.random() - 0.5) * 0.02, offsetMs: Math.floor(rng.random() * 1e6) };
    const node = new SimNode(world, 1000 + nodes.length, clockErrors, part());
    nodes.push(node);
    inBackground(node.start());
    return node;
  };
  await controller.start();
  for (let i = 0; i < nodesInitial; i++) addNode();
  let job: JobNumber | undefined;
  inBackground(
    (async () => {
      while (controller.fleet?.state.formed !== true) {
        await new Promise<void>((resolve) => scheduler.after(10, resolve));
      }
      job = jobNumber(await controller.createJob({ name: "sim", code: { d: 1, p: 1 } }));
    })(),
  );
  await scheduler.run(10_000, () => job !== undefined || failures.length > 0);
  if (job === undefined) throw new Error(`seed ${seed}: no job began: ${String(failures[0])}`);

  let failovers = 0;
  let primaries: readonly (number | undefined)[] = [];
  let counted: FleetMap["rows"] | undefined;
  const countFailovers = (): void => {
    const rows = controller.fleet?.state.map.rows;
    if (rows === undefined || rows === counted) return;
    counted = rows;
    const now = rows.map((row) => row.nodes[0]);
    for (const [group, primary] of now.entries()) {
      if (primaries[group] !== undefined && primaries[group] !== primary) failovers += 1;
    }
    primaries = now;
  };
  const clients = Array.from({ length: clientCount }, (_, at) => {
    return new SimClient(world, `client${at + 1}`, job!, part());
  });
  const startMs = scheduler.nowMs;
  let working = clientCount;
  for (const client of clients) {
    const pace = 20 + 100 * rng.random();
    inBackground(client.work(keys, callsPerClient, pace).finally(() => (working -= 1)));
  }
  const faults = new Faults(world, part(), addNode);
  faults.begin(startMs);
  const over = await scheduler.run(startMs + settleMs, () => {
    countFailovers();
    return failures.length > 0 || (working === 0 && faults.over);
  });
  faults.end();
  const violations = failures.map((thrown) => `failed: ${thrown instanceof Error ? thrown.stack : thrown}`);
  if (!over) violations.push(`stuck: ${working} clients still work after ${settleMs} ms`);
  // What is there at last is there for all.
  const reader = new SimClient(world, "reader", job, part());
  let reads = 0;
  inBackground(
    (async () => {
      for (const key of keys) {
        const answer = await reader.call(key, { kind: "get" }, finalReadMs);
        if (answer === undefined) {
          violations.push(`key ${key} cannot be read after all faults are over: ${describeRow(world, key)}`);
        }
        reads += 1;
      }
    })(),
  );
  await scheduler.run(scheduler.nowMs + finalReadMs * 2, () => reads === keys.length);
  countFailovers();
  const history = [...clients, reader].flatMap((client) => client.history);
  onHistory?.(history);
  (globalThis as any).simWorld = world;
  violations.push(...judge(history));
  for (const client of [...clients, reader]) {
    const lost = client.errors.get("LOST");
    if (lost !== undefined)
      violations.push(`${client.process.name} was told ${lost} times that keys are lost`);
  }
  return {
    ...{ seed, violations, operations: history.length, faults: faults.count, failovers },
    unanswered: history.filter(({ returnedAtMs }) => returnedAtMs === undefined).length,
    simulatedMs: scheduler.nowMs,
    events: scheduler.events,
  };
}

function judge(history: readonly RegisterOperation[]): string[] {
  const reports = checkLinearizable(history, registerModel);
  const wrong = reports.filter(({ verdict }) => verdict !== "linearizable");
  return [
    ...wrong.map((report) =>
      explain(
        report,
        registerModel,
        history.filter(({ key }) => key === report.key),
      ),
    ),
    ...versionsUsedTwice(history),
  ];
}

function describeRow({ controller, nodes }: World, key: string): string {
  const group = groupOf(Buffer.from(key));
  const row = controller.fleet?.state.map.rows[group];
  const states = nodes.map(({ id, process, replicas }) => {
    const role = replicas.rows.serves(group as Group)
      ? "serves"
      : replicas.rows.leads(group as Group)
        ? "leads"
        : "";
    return `${id ?? "?"}${process.alive ? "" : " dead"} ${role}`.trim();
  });
  return `row ${JSON.stringify(row)}; nodes ${states.join(", ")}`;
}

/** Short keys, one in each of the first rows. */
function keysInRows(rows: number): string[] {
  const found: string[] = [];
  for (let i = 0; found.filter((key) => key !== undefined).length < rows; i++) {
    const key = `k${i}`;
    const group = groupOf(Buffer.from(key));
    if (group < rows) found[group] ??= key;
  }
  return found;
}
