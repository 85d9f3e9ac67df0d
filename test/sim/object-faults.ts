/** Faults that are about objects: drains and who dies in them, writers that die or freeze before a commit, bytes that rot. */
import type { Rng } from "../../src/clock.ts";
import { drainObstacle } from "../../src/controller/plan-drain.ts";
import type { Doom, SimClient } from "./client.ts";
import type { LossBudget } from "./loss-budget.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

export interface ObjectFaultsOptions {
  readonly world: World;
  readonly rng: Rng;
  readonly budget: LossBudget;
  readonly clients: readonly SimClient[];
  readonly crash: (node: SimNode, why: string) => void;
  /** Whether bytes may rot in this schedule: one shard of a stripe. */
  readonly rots: boolean;
}

const anyRoom = { usedBytes: () => 0, limitBytes: () => 0 };

export class ObjectFaults {
  readonly kinds: readonly (() => boolean)[];
  readonly #options: ObjectFaultsOptions;
  readonly #rotten = new Set<string>();

  constructor(options: ObjectFaultsOptions) {
    this.#options = options;
    this.kinds = [
      () => this.#drain(),
      () => this.#drain(),
      () => this.#cancelDrain(),
      () => this.#crashDraining(),
      ...(options.world.withObjects
        ? [() => this.#crashReceiver(), () => this.#doomWriter(), () => this.#doomWriter()]
        : []),
      ...(options.rots ? [() => this.#rot(), () => this.#rot()] : []),
    ];
  }

  #drain(): boolean {
    const { controller, log, nodes } = this.#options.world;
    const { fleet } = controller;
    if (fleet === undefined || controller.process.paused) return false;
    const node = this.#pick(nodes.filter(({ process }) => process.alive));
    const id = node?.id;
    if (node === undefined || id === undefined) return false;
    if (drainObstacle(fleet.state, new Set([id]), anyRoom) !== undefined) return false;
    log(`fault: ${node.process.name} (${id}) is to be drained`);
    controller.drain(id).catch((thrown: unknown) => log(`no drain of ${id}: ${String(thrown)}`));
    return true;
  }

  #cancelDrain(): boolean {
    const { controller, log } = this.#options.world;
    const drain = this.#pick(controller.fleet?.state.drains ?? []);
    if (drain === undefined || controller.process.paused) return false;
    log(`fault: the drain of node ${drain.node} is called off`);
    controller.cancelDrain(drain.node).catch((thrown: unknown) => log(`it is not: ${String(thrown)}`));
    return true;
  }

  #crashDraining(): boolean {
    const { world, budget, crash } = this.#options;
    const draining = new Set(world.controller.fleet?.state.drains.map(({ node }) => node as number));
    const victim = budget.victim(world.nodes.filter(({ id }) => draining.has(id as number)));
    if (victim === undefined) return false;
    crash(victim, "crashes, which drains");
    return true;
  }

  /** The one that took the newest shard of a relocation. */
  #crashReceiver(): boolean {
    const { world, budget, crash } = this.#options;
    const receivers = world.nodes.filter(({ process, wroteAtMs }) => process.alive && wroteAtMs > 0);
    const [newest] = receivers.sort((a, b) => b.wroteAtMs - a.wroteAtMs);
    if (newest === undefined || world.scheduler.nowMs - newest.wroteAtMs > 500) return false;
    if (!budget.mayHarm(newest)) return false;
    crash(newest, "crashes, to which shards were just moved");
    return true;
  }

  /** Counts as over at once: it hits the next commit of an object, if there is one. */
  #doomWriter(): boolean {
    const { world, clients, rng } = this.#options;
    const writer = this.#pick(clients.filter(({ process, left }) => process.alive && left > 5));
    if (writer === undefined) return false;
    const at = rng.random();
    const doom: Doom =
      at < 0.35 ? "dies before" : at < 0.55 ? "dies after" : { frozenMs: 300 + 3500 * rng.random() };
    world.log(`fault: a bad end waits for ${writer.process.name}`);
    writer.doom = doom;
    return true;
  }

  /** A byte of a shard changes. Never two shards of a stripe: the others are needed for the nodes that may be lost. */
  #rot(): boolean {
    const { world, rng } = this.#options;
    const node = this.#pick(world.nodes.filter(({ process }) => process.alive));
    const stored = node?.shards.jobs().flatMap((job) => [...node.shards.shardsOf(job)]) ?? [];
    const found = this.#pick(stored.filter(([, { payloadBytes }]) => payloadBytes > 0));
    if (node === undefined || found === undefined) return false;
    const [key, shard] = found;
    const stripe = key.slice(0, 18);
    if (this.#rotten.has(stripe)) return false;
    this.#rotten.add(stripe);
    world.log(`fault: a byte rots on ${node.process.name} (${node.id})`);
    rot(shard.block.view(), rng);
    return true;
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items[Math.floor(this.#options.rng.random() * items.length)];
  }
}

/** One bit of these bytes changes. */
export function rot(bytes: Uint8Array, rng: Rng): void {
  const at = Math.floor(rng.random() * bytes.length);
  bytes[at] = bytes[at]! ^ (1 << Math.floor(rng.random() * 8));
}
