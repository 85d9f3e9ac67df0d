/** One simulated course of events, drawn from a seed: a fleet, clients, faults, and a look at what the clients saw. */
import { type Rng, seededRng } from "../../src/clock.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { StoredOperation } from "../history/no-loss.ts";
import { SimClient } from "./client.ts";
import { SimController } from "./controller.ts";
import { Faults } from "./faults.ts";
import { historyOf, judge } from "./judge.ts";
import { isWhole } from "./loss-budget.ts";
import { SimNetwork } from "./network.ts";
import { SimNode } from "./node.ts";
import { misplacedShards, rotAll } from "./object-state.ts";
import { Scheduler } from "./scheduler.ts";
import { simCodes } from "./stripe-memory.ts";
import type { World } from "./world.ts";

export interface ScheduleOptions {
  readonly seed: number;
  readonly log?: (line: string) => void;
  /** Given all that the clients did and saw. */
  readonly onHistory?: (history: readonly StoredOperation[]) => void;
}

export interface ScheduleResult {
  readonly seed: number;
  /** What no course of events may show, as text; empty when all is well. */
  readonly violations: readonly string[];
  /** More nodes were lost at once than the promise allows, which nobody planned: nothing counts as a violation. */
  readonly isOverrun: boolean;
  readonly operations: number;
  readonly faults: number;
  /** Changes of a row's primary. */
  readonly failovers: number;
  readonly unanswered: number;
  readonly simulatedMs: number;
  readonly events: number;
}

/** Of the schedules: those whose values are objects, too. */
const objectsShare = 0.2;
const rowCount = 8;
const nodesInitial = 5;
const clientCount = 4;
const callsPerClient = 50;
const keys = keysInRows(rowCount);
/** All faults are over by then, and some calls still to come. */
const workMs = 40_000;
/** Without faults all is repaired, drained and collected by then. */
const quietMs = 30_000;
const lookMs = 100;
const finalReadMs = 20_000;
const refReadsMax = 3;

export async function runSchedule(options: ScheduleOptions): Promise<ScheduleResult> {
  return await new Schedule(options).run();
}

class Schedule {
  readonly #options: ScheduleOptions;
  readonly #rng: Rng;
  readonly #world: World;
  readonly #scheduler = new Scheduler();
  readonly #controller: SimController;
  readonly #clients: SimClient[] = [];
  readonly #violations: string[] = [];
  #failed = false;
  #failovers = 0;
  #primaries: readonly (number | undefined)[] = [];
  #counted: FleetMap["rows"] | undefined;

  constructor(options: ScheduleOptions) {
    this.#options = options;
    const { log = () => {} } = options;
    const scheduler = this.#scheduler;
    this.#rng = seededRng(options.seed);
    const nodes: SimNode[] = [];
    const code = simCodes[Math.floor(this.#rng.random() * simCodes.length)]!;
    const withObjects = this.#rng.random() < objectsShare;
    const violations = this.#violations;
    const world = {
      ...{
        scheduler,
        network: new SimNetwork(scheduler, this.#part()),
        nodes,
        rowCount,
        nodesInitial,
        code,
        withObjects,
      },
      log: (line: string) => log(`${scheduler.nowMs.toFixed(1).padStart(9)} ${line}`),
      violate(what: string) {
        world.log(`VIOLATION: ${what}`);
        if (violations.length < 20) violations.push(`${what}, at ${scheduler.nowMs.toFixed(1)} ms`);
      },
      nodeOf(map: FleetMap | undefined, id: number) {
        const port = map?.nodes.find((node) => node.id === id)?.port;
        return nodes.findLast((node) => node.port === port);
      },
      listenerAt: (port: number) => nodes.findLast((node) => node.port === port),
      controller: undefined as unknown as SimController,
    };
    this.#world = world;
    this.#controller = new SimController(world, this.#part());
    world.controller = this.#controller;
  }

  async run(): Promise<ScheduleResult> {
    const job = await this.#begin();
    const startMs = this.#scheduler.nowMs;
    for (let i = 0; i < clientCount; i++) this.#addClient(job, callsPerClient);
    const [rng, addNode] = [this.#part(), () => this.#addNode()];
    const faults = new Faults({ world: this.#world, rng, addNode, clients: this.#clients });
    faults.begin(startMs);
    const isOver = (): boolean => faults.over && this.#clients.every(({ left }) => left === 0);
    const over = await this.#runUntil(startMs + workMs, isOver);
    faults.end();
    if (!over && !this.#failed) this.#violations.push(`stuck: some clients still work after ${workMs} ms`);
    if (!this.#failed) await this.#letSettle();
    const reader = new SimClient(this.#world, "reader", job, this.#part());
    if (!this.#failed) await this.#readAll(reader, faults.rots ? 1 : 0);
    const all = [...this.#clients, reader];
    const history = historyOf(all);
    this.#options.onHistory?.(history);
    this.#violations.push(...judge(all));
    return {
      ...{ seed: this.#options.seed, violations: faults.isOverrun ? [] : this.#violations },
      isOverrun: faults.isOverrun,
      operations: all.reduce((sum, { calls, refReads }) => sum + calls.length + refReads.length, 0),
      ...{ faults: faults.count, failovers: this.#failovers },
      unanswered: history.filter(({ returnedAtMs }) => returnedAtMs === undefined).length,
      simulatedMs: this.#scheduler.nowMs,
      events: this.#scheduler.events,
    };
  }

  #part(): Rng {
    return seededRng(Math.floor(this.#rng.random() * 2 ** 32));
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch((thrown: unknown) => {
      this.#failed = true;
      this.#violations.push(`failed: ${thrown instanceof Error ? (thrown.stack ?? thrown) : thrown}`);
    });
  }

  #addNode(): SimNode {
    const { nodes } = this.#world;
    const random = (): number => this.#rng.random();
    const clockErrors = {
      ...{ rate: 1 + (random() - 0.5) * 0.02, offsetMs: Math.floor(random() * 1e6) },
      turnMs: random() < 0.5 ? 0 : 40 * random(),
    };
    const dead = nodes.filter((node) => !node.process.alive && this.#world.listenerAt(node.port) === node);
    // Now and then one is restarted, empty, where another one was.
    const port = random() < 0.3 ? dead[0]?.port : undefined;
    const node = new SimNode(this.#world, port ?? 1000 + nodes.length, clockErrors, this.#part());
    nodes.push(node);
    this.#inBackground(node.start());
    return node;
  }

  #addClient(job: JobNumber, calls: number): void {
    const client = new SimClient(this.#world, `c${this.#clients.length + 1}`, job, this.#part());
    client.left = calls;
    client.onDead = () => {
      const { left } = client;
      client.left = 0;
      this.#addClient(job, left);
    };
    this.#clients.push(client);
    this.#inBackground(client.work(keys, 10 + 50 * this.#rng.random()));
  }

  async #begin(): Promise<JobNumber> {
    const controller = this.#controller;
    const scheduler = this.#scheduler;
    await controller.start();
    for (let i = 0; i < nodesInitial; i++) this.#addNode();
    let job: JobNumber | undefined;
    const createJob = async (): Promise<void> => {
      while (controller.fleet?.state.formed !== true) {
        await new Promise<void>((resolve) => scheduler.after(10, resolve));
      }
      job = await controller.createJob({ name: "sim", code: this.#world.code });
    };
    this.#inBackground(createJob());
    await scheduler.run(10_000, () => job !== undefined || this.#failed);
    if (job === undefined) throw new Error(`seed ${this.#options.seed}: no job began`);
    return job;
  }

  #runUntil(untilMs: number, isOver: () => boolean): Promise<boolean> {
    return this.#scheduler.run(untilMs, () => {
      this.#countFailovers();
      return this.#failed || isOver();
    });
  }

  #countFailovers(): void {
    const rows = this.#controller.fleet?.state.map.rows;
    if (rows === undefined || rows === this.#counted) return;
    this.#counted = rows;
    const now = rows.map((row) => row.nodes[0]);
    for (const [group, primary] of now.entries()) {
      const before = this.#primaries[group];
      if (before !== undefined && before !== primary) this.#failovers += 1;
    }
    this.#primaries = now;
  }

  /** All is repaired, drains end, nothing lies where no ref says so. */
  async #letSettle(): Promise<void> {
    const { nodes, code, controller, log } = this.#world;
    log("no more faults");
    const untilMs = this.#scheduler.nowMs + quietMs;
    const living = nodes.filter(({ process }) => process.alive).length;
    const draining = controller.fleet?.state.drains.length ?? 0;
    for (let active = living - draining; active <= code.d + code.p; active++) this.#addNode();
    let wrong: readonly string[] = [];
    while (this.#scheduler.nowMs < untilMs && !this.#failed) {
      await this.#runUntil(this.#scheduler.nowMs + lookMs, () => false);
      if (!isWhole(this.#world) || (controller.fleet?.state.drains.length ?? 1) > 0) continue;
      wrong = misplacedShards(this.#world);
      if (wrong.length === 0) return;
    }
    if (wrong.length === 0) {
      const { drains } = controller.fleet?.state ?? {};
      wrong = [`not all is repaired: mended ${controller.mended}, drains ${JSON.stringify(drains)}`];
    }
    for (const what of wrong.slice(0, 5)) this.#world.violate(`${quietMs} ms after the last fault ${what}`);
  }

  /** What is there at last is there for all, with as many bad shards as parity replaces. */
  async #readAll(reader: SimClient, rotten: number): Promise<void> {
    rotAll(this.#world, this.#rng, rotten);
    let done = false;
    const read = async (): Promise<void> => {
      for (const key of keys) {
        const { result } = await reader.call(key, { kind: "get" }, finalReadMs);
        if (result === undefined) this.#world.violate(`key ${key} cannot be read: ${this.#describeRow(key)}`);
      }
      for (const { held } of this.#clients) {
        for (const each of held.slice(-refReadsMax)) {
          const answered = await reader.readRef(each, finalReadMs);
          if (!answered) this.#world.violate(`the ref of ${each.value} at key ${each.key} is not answered`);
        }
      }
    };
    const reading = read();
    this.#inBackground(reading);
    reading.then(
      () => {
        done = true;
      },
      () => {},
    );
    await this.#runUntil(this.#scheduler.nowMs + finalReadMs * 2, () => done);
  }

  #describeRow(key: string): string {
    const group = groupOf(Buffer.from(key)) as Group;
    const row = this.#controller.fleet?.state.map.rows[group];
    const states = this.#world.nodes.map(({ id, process, replicas: { rows } }) => {
      const role = rows.serves(group) ? "serves" : rows.leads(group) ? "leads" : "";
      return `${id ?? "?"}${process.alive ? "" : " dead"} ${role}`.trim();
    });
    return `row ${JSON.stringify(row)}; nodes ${states.join(", ")}`;
  }
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
