/**
 * A whole fleet in the process of the test: a controller and cache nodes with real sockets between them, and a key
 * that the test knows, so that it can sign any token.
 */

import { startCacheNode } from "../../cache-node/node.ts";
import type { NodeCore } from "../../cache-node/node-core.ts";
import type { CacheNode } from "../../cache-node/node-options.ts";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import type { Job } from "../../client/job.ts";
import { createFleetKeys, exportPrivateKey, signToken } from "../../src/auth/token.ts";
import { seededRng, systemClock, systemRng } from "../../src/clock.ts";
import { type Controller, createController } from "../../src/controller/controller.ts";
import type { ControllerOptions } from "../../src/controller/options.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import type { NodeId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap, NodeEntry } from "../../src/placement/types.ts";
import type { CreateJobReply, CreateJobRequest } from "../../src/wire/control-api.ts";

const mebibyte = 2 ** 20;
const anHourMs = 3_600_000;

export interface InProcessFleetOptions extends ControllerOptions {
  readonly nodes: number;
  /** 32 MiB by default. */
  readonly nodeMemoryBytes?: number;
  /** Nodes copy what they receive, as they do where Node lacks the private API. */
  readonly plainReceive?: boolean;
  /** What the nodes of a fleet with a `durableUrl` have in place of what that names. */
  readonly objectStore?: ObjectStore;
}

export interface InProcessFleet {
  readonly controller: Controller;
  readonly client: ControllerClient;
  readonly nodes: readonly CacheNode[];
  /** The controller's newest map. */
  readonly map: FleetMap;
  createJob(request?: CreateJobRequest): Promise<CreateJobReply>;
  /** Creates a job and connects to it; its client is closed when the fleet stops. */
  begin(request?: CreateJobRequest): Promise<Job>;
  connect(ticket: string): Promise<Job>;
  jobToken(job: number, ttlMs?: number): string;
  fleetToken(node: number): string;
  node(id: number): CacheNode;
  /** What the commands of the node work on. */
  core(id: number): NodeCore;
  /** The nodes of the row of a key, primary first. */
  row(key: string | Uint8Array): NodeEntry[];
  stop(): Promise<void>;
}

export async function startInProcessFleet(options: InProcessFleetOptions): Promise<InProcessFleet> {
  const {
    nodes: count,
    nodeMemoryBytes = 32 * mebibyte,
    plainReceive = false,
    objectStore,
    ...rest
  } = options;
  const keys = createFleetKeys(seededRng(11));
  const store = createMemoryStore();
  await store.privateKey(() => exportPrivateKey(keys.privateKey));
  // A test keeps the event loop busy for longer than a real node may be silent.
  const defaults = { port: 0, nodesInitial: count, heartbeatMs: 100, deadAfterMs: 10_000, store };
  const swept = objectStore === undefined ? {} : { openObjectStore: async () => objectStore };
  const controller = createController({ ...defaults, ...swept, ...rest });
  const controllerUrl = await controller.listen();
  const client = new ControllerClient(controllerUrl);
  const jobs: Job[] = [];
  const cores: NodeCore[] = [];
  const start = (): Promise<CacheNode> =>
    startCacheNode({
      clock: systemClock,
      rng: systemRng,
      controllerUrl,
      memoryBytes: nodeMemoryBytes,
      pid: process.pid,
      onDeclaredDead: () => undefined,
      onDrained: () => undefined,
      plainReceive,
      onCore: (core) => cores.push(core),
      ...(objectStore !== undefined && { openStore: async () => objectStore }),
    });
  const nodes = await Promise.all(Array.from({ length: count }, start));
  const signed = (job: number, node: number, ttlMs: number): string => {
    const scope = job > 0 ? "job" : "fleet";
    return signToken(keys.privateKey, { scope, job, node, expiresAtMs: systemClock.wallMs() + ttlMs });
  };
  const entry = (id: NodeId): NodeEntry => controller.state.map.nodes.find((node) => node.id === id)!;
  const fleet: InProcessFleet = {
    controller,
    client,
    nodes,
    get map() {
      return controller.state.map;
    },
    createJob: (request = {}) => client.createJob(request),
    async begin(request) {
      return await fleet.connect((await fleet.createJob(request)).ticket);
    },
    async connect(ticket) {
      const job = await connect({ ticket, stripeMemoryBytes: 16 * mebibyte });
      jobs.push(job);
      return job;
    },
    jobToken: (job, ttlMs = anHourMs) => signed(job, 0, ttlMs),
    fleetToken: (node) => signed(0, node, anHourMs),
    core: (id) => cores.find((core) => core.nodeIdOrZero() === id)!,
    node: (id) => nodes.find((node) => node.nodeId === id)!,
    row: (key) => fleet.map.rows[groupOf(Buffer.from(key))]!.nodes.map(entry),
    async stop() {
      for (const job of jobs) job.close();
      await Promise.all(nodes.map((node) => node.stop()));
      client.close();
      await controller.close();
    },
  };
  return fleet;
}
