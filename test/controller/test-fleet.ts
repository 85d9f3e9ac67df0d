/** A controller on a free port with time in the test's hand, and nodes that are nothing but their HTTP requests. */
import { onTestFinished } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { type Controller, createController } from "../../src/controller/controller.ts";
import type { ControllerOptions } from "../../src/controller/options.ts";
import type { Provisioner } from "../../src/controller/provisioners/provisioner.ts";
import { rowsMoving } from "../../src/controller/relocation-progress.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import { decodeMap } from "../../src/placement/map-codec.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import {
  type CreateJobReply,
  type CreateJobRequest,
  type HeartbeatReply,
  type HeartbeatRequest,
  idleHeartbeat,
  type JobTable,
  type RegisterNodeReply,
} from "../../src/wire/control-api.ts";
import { FakeClock } from "./fake-clock.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface TestFleet {
  readonly controller: Controller;
  readonly clock: FakeClock;
  readonly log: string[];
  call(method: string, path: string, body?: unknown, token?: string, signal?: AbortSignal): Promise<Answer>;
  /** The body of an answer that must be 200. */
  ok<T>(method: string, path: string, body?: unknown, token?: string): Promise<T>;
  addNode(options?: { port?: number; zone?: string }): Promise<TestNode>;
  addNodes(count: number): Promise<TestNode[]>;
  /** A node that registered with the controller before this one, and reports to this one. */
  adopt(node: TestNode): TestNode;
  createJob(request?: CreateJobRequest): Promise<CreateJobReply>;
}

export async function startFleet(
  options: ControllerOptions = {},
  provisioner?: Provisioner,
): Promise<TestFleet> {
  const clock = new FakeClock();
  const log: string[] = [];
  const silent = { probe: async () => "silent" as const };
  const defaults = { port: 0, clock, rng: seededRng(7), log: (line: string) => log.push(line), ...silent };
  const controller = createController({ ...defaults, ...options }, provisioner);
  await controller.listen();
  onTestFinished(() => controller.close());
  return fleetOf(controller, clock, log);
}

export function fleetOf(controller: Controller, clock: FakeClock, log: string[] = []): TestFleet {
  let nextPort = 7401;
  const fleet: TestFleet = {
    controller,
    clock,
    log,
    async call(method, path, body, token, signal) {
      const headers: Record<string, string> = {};
      if (body !== undefined) headers["content-type"] = "application/json";
      if (token !== undefined) headers["authorization"] = `Bearer ${token}`;
      const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
      const response = await fetch(controller.url + path, signal === undefined ? init : { ...init, signal });
      const type = response.headers.get("content-type") ?? "";
      const bytes = Buffer.from(await response.arrayBuffer());
      const parsed: unknown = type.includes("json") ? JSON.parse(bytes.toString()) : bytes;
      return { status: response.status, headers: response.headers, body: parsed };
    },
    async ok<T>(method: string, path: string, body?: unknown, token?: string) {
      const answer = await fleet.call(method, path, body, token);
      if (answer.status !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`);
      return answer.body as T;
    },
    async addNode({ port = nextPort++, zone = "" } = {}) {
      const request = { host: "127.0.0.1", port, memoryBytes: 1_000_000, zone, pid: 1 };
      return new TestNode(fleet, await fleet.ok<RegisterNodeReply>("POST", "/v1/nodes", request));
    },
    async addNodes(count) {
      const nodes: TestNode[] = [];
      while (nodes.length < count) nodes.push(await fleet.addNode());
      for (const node of nodes) await node.catchUp();
      return nodes;
    },
    adopt: (node) => new TestNode(fleet, node.registered),
    createJob: (request = {}) => fleet.ok<CreateJobReply>("POST", "/v1/jobs", request),
  };
  return fleet;
}

export class TestNode {
  readonly id: number;
  readonly registered: RegisterNodeReply;
  map: FleetMap;
  jobs: JobTable;
  load: Partial<HeartbeatRequest> = {};
  readonly #fleet: TestFleet;

  constructor(fleet: TestFleet, registered: RegisterNodeReply) {
    this.#fleet = fleet;
    this.registered = registered;
    this.id = registered.nodeId;
    this.map = decodeMap(Buffer.from(registered.map, "base64"));
    this.jobs = registered.jobs;
  }

  /** Sends a heartbeat and takes over what it brings. */
  async beat(load: Partial<HeartbeatRequest> = {}): Promise<HeartbeatReply> {
    const reply = (await this.tryBeat(load)) as { status: number; body: HeartbeatReply };
    if (reply.status !== 200) throw new Error(JSON.stringify(reply.body));
    if (reply.body.map !== undefined) this.map = decodeMap(Buffer.from(reply.body.map, "base64"));
    if (reply.body.jobs !== undefined) this.jobs = reply.body.jobs;
    return reply.body;
  }

  tryBeat(load: Partial<HeartbeatRequest> = {}): Promise<Answer> {
    this.load = { ...this.load, ...load };
    const body: HeartbeatRequest = {
      epoch: formatEpoch(this.map.epoch),
      jobsVersion: this.jobs.version,
      limitBytes: 1_000_000,
      ...idleHeartbeat,
      eventLoopUtilization: 0.25,
      ...this.load,
    };
    return this.#fleet.call("POST", `/v1/nodes/${this.id}/heartbeat`, body, this.registered.fleetToken);
  }

  /** Sends a heartbeat that says of the rows it leads that all who join are ready. */
  obey(): Promise<HeartbeatReply> {
    const ready = [...this.map.rows.entries()].flatMap(([group, { generation, nodes, joining }]) =>
      nodes[0] === this.id ? joining.map((node) => [group, generation, node] as const) : [],
    );
    return this.beat({ ready });
  }

  /** Waits for news as `watchNews` says; takes nothing over. */
  watch(waitMs: number, signal?: AbortSignal): Promise<Answer> {
    const { term, n } = this.map.epoch;
    const path = `/v1/nodes/${this.id}/watch?epoch=${term}.${n}&jobs=${this.jobs.version}&waitMs=${waitMs}`;
    return this.#fleet.call("GET", path, undefined, this.registered.fleetToken, signal);
  }

  /** Hears of the newest map and says so. */
  async catchUp(): Promise<void> {
    while ((await this.beat()).map !== undefined);
  }
}

/** Lets time pass, with these nodes doing what the map says, until all rows are where they should be. */
export async function settleRows(fleet: TestFleet, nodes: readonly TestNode[]): Promise<void> {
  for (let rounds = 0; rounds < 100; rounds++) {
    for (const node of nodes) await node.obey();
    for (const node of nodes) await node.obey();
    await fleet.clock.advance(50);
    if (rowsMoving(fleet.controller.state) === 0) return;
  }
  throw new Error("the rows do not settle");
}

/** Lets time pass in steps of a heartbeat, with these nodes alive. */
export async function live(fleet: TestFleet, nodes: readonly TestNode[], forMs: number): Promise<void> {
  for (let passedMs = 0; passedMs < forMs; passedMs += 500) {
    await fleet.clock.advance(Math.min(500, forMs - passedMs));
    for (const node of nodes) await node.beat();
  }
}
