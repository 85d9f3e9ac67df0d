/** A cache node of the simulation: the real cells, replication and link to the controller, over simulated peers. */

import { ControllerLink, type ControllerLinkOptions } from "../../cache-node/controller-link.ts";
import { JobDirectory } from "../../cache-node/job-directory.ts";
import { Replicas } from "../../cache-node/replicas.ts";
import type { Peers } from "../../cache-node/replication/peers.ts";
import type { ControllerClient } from "../../client/controller-client.ts";
import type { Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, nodeId } from "../../src/ids.ts";
import { compareEpochs, formatEpoch } from "../../src/placement/epoch.ts";
import { decodeMap } from "../../src/placement/map-codec.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { decodeEffects, effectsBatch } from "../../src/wire/cell.ts";
import { type HeartbeatReply, type HeartbeatRequest, idleHeartbeat } from "../../src/wire/control-api.ts";
import { deadAfterMs, type WatchRequest } from "./controller.ts";
import { createSimMemory } from "./memory.ts";
import { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

const callMs = 1000;
const grantMs = 0.6 * deadAfterMs;

export class SimNode {
  readonly process: SimProcess;
  readonly port: number;
  readonly jobs = new JobDirectory();
  readonly replicas: Replicas;
  id: NodeId | undefined;
  map: FleetMap | undefined;
  readonly #world: World;
  readonly #link: ControllerLink;

  constructor(world: World, port: number, clockErrors: { rate: number; offsetMs: number }, rng: Rng) {
    this.#world = world;
    this.port = port;
    this.process = new SimProcess(world.scheduler, `node@${port}`, clockErrors);
    const { clock } = this.process;
    const self = (): NodeId => {
      if (this.id === undefined) throw new MayflyError("UNAVAILABLE", "not registered");
      return this.id;
    };
    this.replicas = new Replicas({
      ...{ clock, rng, self, map: () => this.map, memory: createSimMemory(), jobs: this.jobs },
      atEndOfTurn: (run) => world.scheduler.after(0, () => this.process.do(run)),
      peers: this.#peers(),
      grantMs: () => grantMs,
      renewals: 2,
      checkQuota: () => {},
      freeObject: () => {},
      onNews: () => this.#link.beatSoon(),
      onActive: () => {},
      onResigned: () => {},
      onRef: () => {},
    });
    world.mutate?.(this.replicas);
    this.#link = new ControllerLink(this.#linkOptions());
  }

  async start(): Promise<void> {
    const request = { host: "sim", port: this.port, memoryBytes: 1 << 30, pid: this.port };
    const reply = await this.#link.register(request);
    if (!this.process.alive) return;
    this.id = nodeId(reply.nodeId);
    this.#take({ map: reply.map, jobs: reply.jobs });
    const tick = (): void => {
      this.replicas.tick();
      this.process.clock.after(1000, tick);
    };
    this.process.clock.after(1000, tick);
  }

  /** The process ends; whoever needs its data must have copies. */
  crash(): void {
    this.process.crash();
    this.#link.stop();
  }

  offer(map: FleetMap): void {
    if (this.map !== undefined && compareEpochs(map.epoch, this.map.epoch) <= 0) return;
    this.map = map;
    if (this.id !== undefined) this.replicas.adopt(map);
  }

  #take(reply: HeartbeatReply): void {
    if (reply.jobs !== undefined) this.jobs.adopt(reply.jobs);
    if (reply.map !== undefined) this.offer(decodeMap(Buffer.from(reply.map, "base64")));
  }

  #heartbeat(): HeartbeatRequest {
    return {
      ...idleHeartbeat,
      ...{ epoch: formatEpoch(this.map!.epoch), jobsVersion: this.jobs.version, limitBytes: 1 << 30 },
      activeJobs: this.jobs.takeActive(),
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
      onDrained: () => this.crash(),
    };
  }

  #peers(): Peers {
    const { network } = this.#world;
    const ask = <T>(id: NodeId, timeoutMs: number, handle: (node: SimNode) => T): Promise<T> => {
      const node = this.#world.nodeOf(this.map, id);
      if (node === undefined) return Promise.reject(new MayflyError("NODE_UNREACHABLE", `no node ${id}`));
      return network.call(this.process, node.process, timeoutMs, () => {
        // A process that listens where another did before.
        if (node.id !== id) throw new MayflyError("NODE_UNREACHABLE", `node ${id} is not there`);
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
