/**
 * A cache node of the simulation: the real cells, replication, shards, relocation, commands and link to the controller,
 * over simulated memory and peers.
 */
import { ControllerLink, type ControllerLinkOptions } from "../../cache-node/controller-link.ts";
import { ObjectFreer } from "../../cache-node/free-objects.ts";
import { JobDirectory } from "../../cache-node/job-directory.ts";
import type { NodeCore } from "../../cache-node/node-core.ts";
import { Relocation } from "../../cache-node/relocation/relocation.ts";
import { relocationCells } from "../../cache-node/relocation-port.ts";
import { Replicas } from "../../cache-node/replicas.ts";
import type { Peers } from "../../cache-node/replication/peers.ts";
import { ShardStore } from "../../cache-node/store/shard-store.ts";
import type { ControllerClient } from "../../client/controller-client.ts";
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { TokenClaims } from "../../src/auth/token.ts";
import type { Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, nodeId } from "../../src/ids.ts";
import { compareEpochs, epochZero, formatEpoch } from "../../src/placement/epoch.ts";
import { decodeMap } from "../../src/placement/map-codec.ts";
import type { Epoch, FleetMap, NodeEntry } from "../../src/placement/types.ts";
import { decodeEffects, effectsBatch } from "../../src/wire/cell.ts";
import { type HeartbeatReply, type HeartbeatRequest, idleHeartbeat } from "../../src/wire/control-api.ts";
import { decodeRef } from "../../src/wire/ref.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { type Commands, carryOut, simCommands } from "./commands.ts";
import { deadAfterMs, type WatchRequest } from "./controller.ts";
import { objectsOn } from "./drained-node.ts";
import { createSimMemory } from "./memory.ts";
import { isNewest, missingShards } from "./object-state.ts";
import { SimPool } from "./pool.ts";
import { SimProcess } from "./process.ts";
import { SimScratchMemory } from "./stripe-memory.ts";
import type { World } from "./world.ts";

const callMs = 1000;
const grantMs = 0.6 * deadAfterMs;

/** Much shorter than in reality, so that schedules see what comes after them. */
export const orphanTimes = { orphanCheckMs: 300, orphanAfterMs: 1200, orphanConfirmedMs: 3000 } as const;
const supersededMs = 150;

export class SimNode {
  readonly process: SimProcess;
  readonly port: number;
  readonly jobs = new JobDirectory();
  readonly replicas: Replicas;
  readonly shards: ShardStore;
  readonly relocation: Relocation;
  id: NodeId | undefined;
  map: FleetMap | undefined;
  /** It was drained, and has ended with success. */
  drained = false;
  /** When a relocation last wrote a shard here. */
  wroteAtMs = 0;
  readonly #world: World;
  readonly #link: ControllerLink;
  readonly #commands: Commands;
  readonly #memory = createSimMemory();
  readonly #pool: SimPool;
  #entries = new Map<NodeId, NodeEntry>();

  constructor(
    world: World,
    port: number,
    clockErrors: { rate: number; offsetMs: number; turnMs?: number },
    rng: Rng,
  ) {
    this.#world = world;
    this.port = port;
    this.process = new SimProcess(world.scheduler, `n${world.nodes.length + 1}`, clockErrors);
    const { clock } = this.process;
    const memory = this.#memory;
    const { jobs } = this;
    const self = (): NodeId => {
      if (this.id === undefined) throw new MayflyError("UNAVAILABLE", "not registered");
      return this.id;
    };
    this.#pool = new SimPool(world, this.process, () => this.#claims());
    const pool = this.#pool.asPool;
    const view = this.#view();
    this.shards = new ShardStore(memory);
    const freer = new ObjectFreer({ clock, self, shards: this.shards, pool, view });
    this.replicas = new Replicas({
      ...{ clock, rng, self, map: () => this.map, memory, jobs },
      atEndOfTurn: (run) => world.scheduler.after(0, () => this.process.do(run)),
      peers: this.#peers(),
      grantMs: () => grantMs,
      renewals: 2,
      checkStored: () => {},
      checkQuota: () => {},
      freeObject: (job, ref) => freer.free(job, ref),
      onNews: () => this.#link.beatSoon(),
      onActive: (group) => this.relocation.groupActivated(group),
      onResigned: (group) => this.relocation.groupLeft(group),
      onRef: (job, group, name, value) => {
        this.relocation.refCommitted(job, group, name, value);
        // One that was frozen may see only now what was committed then, and has been freed since.
        if (!isNewest(world, group, this.map)) return;
        for (const what of missingShards(world, job, name, decodeRef(value))) world.violate(what);
      },
    });
    this.relocation = new Relocation({
      ...{ clock, rng, self, shards: this.shards, jobs, view, pool, supersededMs, ...orphanTimes },
      cells: relocationCells(this.replicas),
      scratch: new SimScratchMemory(),
    });
    const { cells, waits, rows, logs, primary } = this.replicas;
    const core: Partial<NodeCore> = {
      pressure: () => undefined,
      ...{ clock, memory, shards: this.shards, cells, waits, jobs, rows, logs, primary, view },
      ...{ replicas: this.replicas, nodeIdOrZero: () => this.id ?? 0 },
    };
    this.#commands = simCommands(core as NodeCore, () => this.relocation);
    this.#link = new ControllerLink(this.#linkOptions());
  }

  async start(): Promise<void> {
    const instance = this.process.name;
    const request = { host: "sim", port: this.port, memoryBytes: 1 << 30, pid: this.port, instance };
    const reply = await this.#link.register(request);
    if (!this.process.alive) return;
    this.id = nodeId(reply.nodeId);
    this.#take({ map: reply.map, jobs: reply.jobs });
    const tick = (): void => {
      this.replicas.tick();
      this.process.clock.after(1000, tick);
    };
    this.process.clock.after(1000, tick);
    this.relocation.start();
  }

  /** The process ends; whoever needs its data must have copies. */
  crash(): void {
    this.process.crash();
    this.#link.stop();
  }

  /** Carries a command out. @throws MayflyError what it answers with */
  carryOut(claims: TokenClaims, args: readonly Buffer[]): RespValue | Promise<RespValue> {
    if (claims.scope === "fleet" && args[0]!.toString() === "MF.SHARD.WRITE") {
      this.wroteAtMs = this.#world.scheduler.nowMs;
    }
    return carryOut(this.#commands, claims, args);
  }

  offer(map: FleetMap): void {
    if (this.map !== undefined && compareEpochs(map.epoch, this.map.epoch) <= 0) return;
    this.map = map;
    this.#entries = new Map(map.nodes.map((entry) => [entry.id, entry]));
    this.#pool.keepOnly(map.nodes.filter(({ state }) => state !== "dead"));
    if (this.id === undefined) return;
    this.replicas.adopt(map);
    this.relocation.mapChanged(map);
  }

  #view(): FleetView {
    const node = this;
    const view = {
      get current(): FleetMap | undefined {
        return node.map;
      },
      get epoch(): Epoch {
        return node.map?.epoch ?? epochZero;
      },
      node: (id: NodeId): NodeEntry | undefined => node.#entries.get(id),
    };
    return view as unknown as FleetView;
  }

  #claims(): TokenClaims {
    return { scope: "fleet", job: 0, node: this.id ?? 0, expiresAtMs: 1e15 };
  }

  #take(reply: HeartbeatReply): void {
    if (reply.jobs !== undefined) this.#followJobs(reply.jobs);
    if (reply.map !== undefined) this.offer(decodeMap(Buffer.from(reply.map, "base64")));
  }

  /** As node.ts does it. */
  #followJobs(table: NonNullable<HeartbeatReply["jobs"]>): void {
    for (const job of this.jobs.adopt(table)) {
      this.shards.endJob(job);
      this.replicas.cells.endJob(job);
      this.relocation.jobEnded(job);
      this.#memory.endJob(job);
    }
  }

  #heartbeat(): HeartbeatRequest {
    return {
      ...idleHeartbeat,
      ...{ epoch: formatEpoch(this.map!.epoch), jobsVersion: this.jobs.version, limitBytes: 1 << 30 },
      activeJobs: this.jobs.takeActive(),
      relocation: this.relocation.relocator.report(),
      ...this.replicas.report(),
    };
  }

  #linkOptions(): ControllerLinkOptions {
    const { network, controller } = this.#world;
    const ask = <T>(handle: () => Promise<T>, timeoutMs = deadAfterMs / 3): Promise<T> =>
      network.call(this.process, controller.process, timeoutMs, handle).catch((thrown: unknown) => {
        const error = MayflyError.from(thrown);
        if (error.code !== "NODE_UNREACHABLE" && error.code !== "DEADLINE_EXCEEDED") throw error;
        throw new MayflyError("CONTROLLER_UNREACHABLE", error.message);
      });
    const client = {
      registerNode: (request: Parameters<ControllerClient["registerNode"]>[0]) =>
        ask(() => controller.register(request)),
      heartbeat: (id: number, request: HeartbeatRequest) => ask(() => controller.hear(id, request)),
      watch: (id: number, after: WatchRequest) =>
        ask(() => controller.watch(id, after), after.waitMs + callMs),
      leave: async () => {},
    };
    return {
      clock: this.process.clock,
      controller: client as unknown as ControllerClient,
      heartbeat: () => this.#heartbeat(),
      known: () => ({ epoch: formatEpoch(this.map!.epoch), jobsVersion: this.jobs.version }),
      onReply: (reply) => this.#take(reply),
      onDeclaredDead: () => this.crash(),
      onDrained: () => {
        this.drained = true;
        this.#world.log(`${this.process.name} (${this.id}) was drained and ends`);
        for (const what of objectsOn(this.#world, this.id!)) {
          this.#world.violate(`node ${this.id} was drained and ${what} names it`);
        }
        this.crash();
      },
    };
  }

  #peers(): Peers {
    const { network } = this.#world;
    const ask = <T>(id: NodeId, timeoutMs: number, handle: (node: SimNode) => T): Promise<T> => {
      const node = this.#world.nodeOf(this.map, id);
      if (node === undefined) return Promise.reject(new MayflyError("NODE_UNREACHABLE", `no node ${id}`));
      return network.call(this.process, node.process, timeoutMs, () => {
        // It listens, and does not know yet who it is.
        if (node.id === undefined) throw new MayflyError("UNAVAILABLE", "not registered");
        return handle(node);
      });
    };
    const peers: Peers = {
      replicate: (id, encoded) => {
        const batch = Buffer.concat(effectsBatch(encoded));
        return ask(id, callMs, (node) => node.replicas.take(this.id!, decodeEffects(Buffer.from(batch))));
      },
      grant: (id) => {
        const { epoch } = this.map!;
        return ask(id, grantMs / 2, (node) => node.replicas.grant(this.id!, epoch));
      },
      sealed: (id, epoch) => ask(id, grantMs, (node) => node.replicas.checkSealed(epoch)),
      exchangeMaps: async (id) => {
        const mine = this.map!;
        try {
          const theirs = await ask(id, callMs, (node) => {
            node.offer(mine);
            return node.map;
          });
          if (theirs !== undefined) this.offer(theirs);
        } catch {
          // Heartbeats bring the map, too.
        }
      },
    };
    return peers;
  }
}
