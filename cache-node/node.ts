/** A cache node: memory, server, replication and the link to the controller, put together. */
import type { KeyObject } from "node:crypto";
import net from "node:net";
import { ControllerClient } from "../client/controller-client.ts";
import { FleetView } from "../client/transport/fleet-view.ts";
import { NodePool } from "../client/transport/node-pool.ts";
import { fleetIdOf, importPublicKey } from "../src/auth/token.ts";
import { atEndOfTurn } from "../src/end-of-turn.ts";
import { MayflyError } from "../src/errors.ts";
import { type NodeId, nodeId } from "../src/ids.ts";
import { formatEpoch } from "../src/placement/epoch.ts";
import { encodeMap } from "../src/placement/map-codec.ts";
import type { FleetMap } from "../src/placement/types.ts";
import {
  type HeartbeatReply,
  type HeartbeatRequest,
  idleHeartbeat,
  type JobTable,
} from "../src/wire/control-api.ts";
import { belongsTo } from "../src/wire/stored-names.ts";
import { cellCommands } from "./commands/cell-commands.ts";
import { collectionCommands } from "./commands/collection-commands.ts";
import { connectionCommands } from "./commands/connection-commands.ts";
import { durableCommands } from "./commands/durable-commands.ts";
import { mapCommands } from "./commands/map-commands.ts";
import { objectCommands } from "./commands/object-commands.ts";
import { replicationCommands } from "./commands/replication-commands.ts";
import { serverCommands } from "./commands/server-commands.ts";
import { shardBodies, shardCommands } from "./commands/shard-commands.ts";
import { storeCommands } from "./commands/store-commands.ts";
import { stringCommands } from "./commands/string-commands.ts";
import { ControllerLink } from "./controller-link.ts";
import { DurableObjects } from "./durable/durable-objects.ts";
import { FleetStore, openerOf } from "./durable/fleet-store.ts";
import { StoreUse } from "./durable/store-use.ts";
import { StoredReader } from "./durable/stored-reader.ts";
import { StoredRemovals } from "./durable/stored-removals.ts";
import { ObjectFreer } from "./free-objects.ts";
import { NodeHibernation } from "./hibernation/hibernation.ts";
import { JobDirectory } from "./job-directory.ts";
import { listen } from "./listen.ts";
import { LoadSignals, reportMemory } from "./load-signals.ts";
import type { NodeCore } from "./node-core.ts";
import type { CacheNode, CacheNodeOptions } from "./node-options.ts";
import { NodePeers } from "./node-peers.ts";
import { askThrough } from "./relocation/ask-node.ts";
import { Relocation } from "./relocation/relocation.ts";
import { ScratchMemory } from "./relocation/scratch-memory.ts";
import { relocationCells } from "./relocation-port.ts";
import { Replicas } from "./replicas.ts";
import type { Command } from "./server/call.ts";
import { ClientConnection } from "./server/client-connection.ts";
import { Spill } from "./spill/spill.ts";
import { createNodeMemory } from "./store/node-memory.ts";
import { ShardStore } from "./store/shard-store.ts";

const redisVersion = "7.0.15";
const tickMs = 1000;
/** A failover waits so long after the old primary's last renewal; renewals must not fail for a pause of the process. */
const grantMsMax = 800;
/** What is kept of the object store, and its share of the node's memory, if that is less. */
const storeCacheBytesMax = 64 * 1024 * 1024;
const storeCacheShare = 1 / 16;
/** Of the time after which a silent node is dead. */
const touchShare = 0.9;

/** Listens, registers and serves. @throws MayflyError PORT_IN_USE, CONTROLLER_UNREACHABLE, INVALID_ARGUMENT */
export async function startCacheNode(options: CacheNodeOptions): Promise<CacheNode> {
  const node = new Node(options);
  try {
    await node.start();
  } catch (error) {
    node.close();
    throw error;
  }
  return node;
}

class Node implements CacheNode {
  readonly #options: CacheNodeOptions;
  readonly #controller: ControllerClient;
  readonly #link: ControllerLink;
  readonly #server: net.Server;
  readonly #connections = new Set<ClientConnection>();
  readonly #load: LoadSignals;
  readonly #commands = new Map<string, Command>();
  readonly #core: NodeCore;
  #id: NodeId | undefined;
  #publicKey: KeyObject | undefined;
  #fleetId: string | undefined;
  #storeUrl: string | undefined;
  #fleetToken = "";
  #grantMs = grantMsMax;
  #deadAfterMs = 0;
  #relocationRate: number | undefined;
  #encoded: Uint8Array | undefined;
  #connectionId = 0;
  #cancelTick = (): void => undefined;
  #pool: NodePool | undefined;
  #relocation: Relocation | undefined;
  #removals: StoredRemovals | undefined;
  readonly #scratch = new ScratchMemory();
  /** From the registration on, where the fleet has an object store. */
  #spill: Spill | undefined;
  #hibernation: NodeHibernation | undefined;

  constructor(options: CacheNodeOptions) {
    this.#options = options;
    this.#controller = new ControllerClient(options.controllerUrl, 5000);
    this.#load = new LoadSignals({ clock: options.clock, connections: () => this.#connections });
    this.#core = this.#createCore();
    options.onCore?.(this.#core);
    const bodies = shardBodies(this.#core);
    const families = [
      ...connectionCommands(this.#core),
      ...serverCommands(this.#core, () => this.#commands),
      ...mapCommands(this.#core),
      ...stringCommands(this.#core),
      ...cellCommands(this.#core),
      ...collectionCommands(this.#core),
      ...shardCommands(this.#core),
      ...storeCommands(this.#core),
      ...durableCommands(this.#core),
      ...replicationCommands(this.#core),
      ...objectCommands(() => this.#relocation!),
    ];
    for (const command of families) this.#commands.set(command.name, command);
    this.#server = net.createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
      const connection = new ClientConnection(socket, {
        id: ++this.#connectionId,
        clock: options.clock,
        commands: this.#commands,
        bodies,
        onClosed: (closed) => {
          this.#connections.delete(closed);
          this.#load.closed(closed);
        },
        onFailed: (connection, error) => this.#load.failed(connection, error),
        plainReceive: options.plainReceive ?? false,
      });
      this.#connections.add(connection);
    });
    this.#link = new ControllerLink({
      clock: options.clock,
      controller: this.#controller,
      heartbeat: () => this.#heartbeat(),
      known: () => ({ epoch: this.#core.view.epochText, jobsVersion: this.#core.jobs.version }),
      onReply: (reply) => this.#takeNews(reply),
      onDeclaredDead: options.onDeclaredDead,
      onDrained: options.onDrained,
      onAway: options.onControllerAway,
    });
  }

  get nodeId(): number {
    return this.#id ?? 0;
  }

  get host(): string {
    return this.#options.host ?? "127.0.0.1";
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  async start(): Promise<void> {
    const { clock, memoryBytes, zone, pid } = this.#options;
    await listen(this.#server, this.host, this.#options.port ?? 0);
    const request = {
      host: this.host,
      port: this.port,
      memoryBytes,
      pid,
      instance: Buffer.from(this.#options.rng.bytes(16)).toString("hex"),
      ...(zone !== undefined && { zone }),
    };
    const reply = await this.#link.register(request);
    this.#id = nodeId(reply.nodeId);
    this.#publicKey = importPublicKey(reply.publicKey);
    this.#fleetId = fleetIdOf(this.#publicKey);
    this.#storeUrl = reply.durableUrl;
    if (this.#storeUrl !== undefined) this.#spill = this.#createSpill(this.#fleetId, this.#storeUrl);
    this.#fleetToken = reply.fleetToken;
    this.#grantMs = Math.min(grantMsMax, reply.deadAfterMs * 0.4);
    this.#deadAfterMs = reply.deadAfterMs;
    this.#relocationRate = reply.relocationBytesPerSecond;
    this.#takeNews({ map: reply.map, jobs: reply.jobs });
    const tick = (): void => {
      this.#core.replicas.tick();
      this.#cancelTick = clock.after(tickMs, tick, true);
    };
    this.#cancelTick = clock.after(tickMs, tick, true);
    this.#relocation?.start();
    this.#spill?.start();
  }

  async stop(): Promise<void> {
    await this.#link.leave();
    this.close();
  }

  close(): void {
    this.#link.stop();
    this.#cancelTick();
    this.#server.close();
    for (const connection of [...this.#connections]) connection.close();
    this.#hibernation?.close();
    this.#relocation?.close();
    this.#removals?.close();
    this.#spill?.close();
    this.#core.replicas.close();
    this.#pool?.close();
    this.#core.store.close();
    this.#controller.close();
    this.#core.memory.close();
  }

  #createCore(): NodeCore {
    const { clock, memoryBytes, rng, openStore = openerOf({ clock, rng }) } = this.#options;
    const memory = createNodeMemory({ limitBytes: memoryBytes, clock });
    const shards = new ShardStore(memory);
    const jobs = new JobDirectory();
    const self = (): NodeId => this.#self();
    const view: FleetView = new FleetView({ seeds: [], pool: () => this.#nodePool() });
    const freer = new ObjectFreer({ clock, self, shards, pool: this.#nodePool(), view });
    const grantMs = (): number => this.#grantMs;
    const peers = new NodePeers({
      ...{ clock, pool: this.#nodePool(), view, grantMs },
      encodedMap: () => this.#encoded,
    });
    const replicas = new Replicas({
      ...{ clock, rng, atEndOfTurn, self, map: () => view.current, memory, jobs, peers, grantMs },
      checkQuota: (job, bytes) => jobs.checkQuota(job, memory.job(job).usedBytes, bytes),
      checkStored: (job, ref) => durable.checkStored(job, ref),
      freeObject: (job, ref) => {
        freer.free(job, ref);
        durable.released(job, ref);
        this.#spill?.freed(job, ref);
      },
      onNews: () => this.#link.beatSoon(),
      onActive: (group) => {
        this.#relocation?.groupActivated(group);
        this.#spill?.groupActivated(group);
        this.#hibernation?.groupActivated();
      },
      onResigned: (group) => {
        this.#relocation?.groupLeft(group);
        this.#spill?.groupLeft(group);
      },
      onRef: (job, group, name, value) => {
        this.#relocation?.refCommitted(job, group, name, value);
        this.#spill?.refCommitted(job, group, name, value);
      },
      onRefRead: (job, group, name, value) => this.#spill?.refRead(job, group, name, value),
      onLoad: (group) => this.#hibernation?.want(group),
      hearsController: () => clock.now() - this.#link.answeredAtMs < touchShare * this.#deadAfterMs,
    });
    const scratch = this.#scratch;
    this.#relocation = new Relocation({
      ...{ clock, rng, self, shards, jobs, view, pool: this.#nodePool(), scratch },
      cells: relocationCells(replicas),
      isPlacing: (job, object) => this.#spill?.isMoving(job, object) ?? false,
      bytesPerSecond: () => this.#relocationRate,
    });
    this.#hibernation = new NodeHibernation({
      ...{ clock, replicas, self, map: () => view.current },
      store: async () => ({ store: await this.#core.store.open(), fleet: this.#fleetId! }),
      spillAll: (wanted) => this.#spill?.spillAll(wanted),
      onNews: () => this.#link.beatSoon(),
    });
    const { rows, logs, primary, collections, cells, waits } = replicas;
    const store = new FleetStore({ url: () => this.#storeUrl, open: openStore });
    const storeUse = new StoreUse();
    const cacheBytes = Math.min(storeCacheBytesMax, Math.floor(memoryBytes * storeCacheShare));
    const stored = new StoredReader({ clock, open: () => store.open(), use: storeUse, cacheBytes });
    const removals = new StoredRemovals({ clock, rng, open: () => store.open() });
    const durable: DurableObjects = new DurableObjects({
      ...{ clock, self, shards, jobs, scratch, rows, cells, primary, store, removals },
      ask: askThrough(view, this.#nodePool()),
      fleet: () => this.#fleetId ?? "",
      onUse: (job, use) => storeUse.add(job, use),
    });
    this.#removals = removals;
    view.onChange((map) => this.#followMap(map));
    return {
      ...{ clock, redisVersion, memory, shards, cells, waits, jobs, rows, logs, primary, collections },
      ...{ replicas, view, store, storeUse, stored, durable },
      pressure: () => this.#spill?.pressure,
      startedAtMs: clock.now(),
      nodeIdOrZero: () => this.#id ?? 0,
      port: () => this.port,
      connectionCount: () => this.#connections.size,
      encodedMap: () => this.#encoded,
      publicKey: () => this.#publicKey,
      fleetId: () => this.#fleetId,
    };
  }

  #createSpill(fleet: string, storeUrl: string): Spill {
    const { clock, rng } = this.#options;
    const { shards, jobs, view, replicas, memory, waits, store } = this.#core;
    return new Spill({
      ...{ clock, rng, shards, jobs, view, fleet, storeUrl },
      self: () => this.#self(),
      pool: this.#nodePool(),
      cells: relocationCells(replicas),
      scratch: this.#scratch,
      memory: () => memory.stats(),
      store: () => store.open(),
      isRelocating: (job, object) => this.#relocation?.relocator.isMoving(job, object) ?? false,
      isWaitedFor: (job, name) => waits.has(job, name),
      onPlaced: (job, group, name, value) => this.#relocation?.refCommitted(job, group, name, value),
    });
  }

  #self(): NodeId {
    if (this.#id === undefined)
      throw new MayflyError("UNAVAILABLE", "This node has not registered with its controller yet.");
    return this.#id;
  }

  #nodePool(): NodePool {
    this.#pool ??= new NodePool({
      clock: this.#options.clock,
      credentials: () => ({ user: `node-${this.#id ?? 0}`, token: this.#fleetToken }),
      epoch: () => this.#core.view.epoch,
      onMap: (encoded) => this.#core.view.offer(encoded),
    });
    return this.#pool;
  }

  #takeNews(reply: HeartbeatReply): void {
    if (this.#hibernation !== undefined) this.#hibernation.spillsAll = reply.spillAll === true;
    if (reply.jobs !== undefined) this.#followJobs(reply.jobs);
    if (reply.map !== undefined) this.#core.view.offer(Buffer.from(reply.map, "base64"));
  }

  #followJobs(table: JobTable): void {
    const { jobs, memory, shards, cells, waits, stored, storeUse } = this.#core;
    for (const job of jobs.adopt(table)) {
      storeUse.jobEnded(job);
      stored.dropWhere((name) => this.#fleetId !== undefined && belongsTo(name, this.#fleetId, job));
      shards.endJob(job);
      cells.endJob(job);
      this.#relocation?.jobEnded(job);
      this.#spill?.jobEnded(job);
      memory.endJob(job);
      const ended = new MayflyError("JOB_ENDED", `Job ${job} has ended.`);
      waits.dismiss(
        (waiting) => waiting === job,
        () => ended,
      );
    }
  }

  #followMap(map: FleetMap): void {
    this.#encoded = encodeMap(map);
    this.#hibernation?.mapChanged(map);
    this.#core.replicas.adopt(map);
    this.#relocation?.mapChanged(map);
  }

  #heartbeat(): HeartbeatRequest {
    const { memory, jobs, view, replicas, storeUse, waits } = this.#core;
    // Who waits for a key uses its job.
    const waitedFor = [...waits.jobs()].filter((job) => !jobs.ended(job));
    const hibernation = this.#hibernation?.report();
    return {
      ...idleHeartbeat,
      ...replicas.report(),
      ...(this.#relocation !== undefined && { relocation: this.#relocation.relocator.report() }),
      ...(this.#spill !== undefined && { spill: this.#spill.report() }),
      epoch: formatEpoch(view.epoch),
      jobsVersion: jobs.version,
      activeJobs: [...new Set([...jobs.takeActive(), ...waitedFor])],
      ...reportMemory(memory, jobs.known(), storeUse),
      ...this.#load.report(),
      ...(hibernation !== undefined && { hibernation }),
    };
  }
}
