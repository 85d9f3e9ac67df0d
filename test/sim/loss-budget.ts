/**
 * Who may be harmed: never more nodes at once than the promise allows (the parity of the code, and the backups of a row),
 * and others only once the fleet itself says that all is whole again. Beyond that nothing is promised.
 */
import type { Rng } from "../../src/clock.ts";
import { heartbeatMs } from "./controller.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

export class LossBudget {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #max: number;
  /** Nodes that may be lost, whoever decides that. */
  readonly #inDanger = new Set<SimNode>();
  #isOverrun = false;

  constructor(world: World, rng: Rng, max: number) {
    this.#world = world;
    this.#rng = rng;
    this.#max = max;
  }

  /**
   * Whether more nodes were lost at once than the promise allows: a bad network kept the heartbeats of a living one from
   * the controller while others were in danger. What such a schedule shows is no violation.
   */
  get isOverrun(): boolean {
    return this.#isOverrun;
  }

  /** The controller has given a node up since it was silent. */
  gaveUp(id: number): void {
    const node = this.#world.nodes.find((each) => each.id === id && each.process.alive);
    if (node === undefined || this.#inDanger.has(node)) return;
    this.#inDanger.add(node);
    if (this.#inDanger.size > this.#max) this.#isOverrun = true;
  }

  /** Nobody is in danger any more once all is repaired and all that live are well. */
  look(): void {
    const { nodes, network } = this.#world;
    if (this.#inDanger.size === 0 || network.faults.lost > 0) return;
    if (nodes.some(({ process }) => process.alive && process.paused)) return;
    if (isWhole(this.#world)) this.#inDanger.clear();
  }

  /** Whom the controller has given up counts as harmed, whyever it did. */
  #countBuried(): void {
    const { controller, nodes } = this.#world;
    const map = controller.fleet?.state.map;
    if (map === undefined || (controller.mended && this.#inDanger.size === 0)) return;
    const living = new Set(map.nodes.filter(({ state }) => state !== "dead").map(({ id }) => id));
    for (const node of nodes) {
      if (node.process.alive && node.id !== undefined && !living.has(node.id)) this.#inDanger.add(node);
    }
  }

  /** Whether this one may be harmed; from then on it counts as harmed. */
  mayHarm(node: SimNode): boolean {
    this.#countBuried();
    if (!node.process.alive || node.id === undefined) return false;
    if (!this.#inDanger.has(node) && this.#inDanger.size >= this.#max) return false;
    this.#inDanger.add(node);
    return true;
  }

  /** One of these that may be harmed; undefined when there is none. */
  victim(among: readonly SimNode[] = this.#world.nodes): SimNode | undefined {
    this.#countBuried();
    const living = among.filter(({ process, id }) => process.alive && !process.paused && id !== undefined);
    const isFull = this.#inDanger.size >= this.#max;
    const candidates = isFull ? living.filter((node) => this.#inDanger.has(node)) : living;
    const victim = candidates[Math.floor(this.#rng.random() * candidates.length)];
    if (victim !== undefined) this.#inDanger.add(victim);
    return victim;
  }
}

/**
 * Whether the controller says that all that was lost is made anew, knows of all who are dead, and all rows are as long as
 * they can be, with members that have all heard of it, and lately been heard of.
 */
export function isWhole({ controller, nodes, code }: World): boolean {
  const map = controller.fleet?.state.map;
  if (map === undefined || !controller.process.alive || controller.process.paused || !controller.mended)
    return false;
  const alive = new Set(nodes.filter(({ process }) => process.alive).map(({ id }) => id as number));
  const living = map.nodes.filter(({ state }) => state !== "dead");
  if (!living.every(({ id }) => alive.has(id))) return false;
  // Whom it has not heard of for a while it may be about to give up.
  const nowMs = controller.process.clock.now();
  if (living.some(({ id }) => controller.fleet!.vitals.silentMs(id, nowMs) > 2 * heartbeatMs)) return false;
  const active = living.filter(({ state }) => state === "active").length;
  // On fewer nodes nothing is as safe as the code says.
  if (active < code.d + code.p) return false;
  const length = Math.min(map.backups + 1, active);
  const known = new Set(living.map(({ id }) => id));
  return (
    map.rows.every((row) => row.nodes.length >= length && row.nodes.every((id) => known.has(id))) &&
    nodes.every((node) => !known.has(node.id!) || node.map?.epoch.n === map.epoch.n)
  );
}
