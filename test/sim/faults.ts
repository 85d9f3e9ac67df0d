/**
 * Faults of one simulation, drawn from its seed: crashes, processes that stand still, machines that are frozen, clocks that
 * jump, cut links and bad networks, controllers that come and go. Never more nodes are in danger at once than a row has
 * backups, and new ones only once all rows are whole again: beyond that nothing is promised.
 */
import type { Rng } from "../../src/clock.ts";
import type { SimNode } from "./node.ts";
import type { World } from "./world.ts";

const faultsMin = 3;
const faultsMax = 7;
const inDangerMax = 2;

export class Faults {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #addNode: () => SimNode;
  /** Nodes that may be lost, whoever decides that. */
  readonly #inDanger = new Set<SimNode>();
  #left: number;
  #open = 0;
  count = 0;

  constructor(world: World, rng: Rng, addNode: () => SimNode) {
    this.#world = world;
    this.#rng = rng;
    this.#addNode = addNode;
    this.#left = faultsMin + Math.floor(rng.random() * (faultsMax - faultsMin + 1));
  }

  get over(): boolean {
    return this.#left === 0 && this.#open === 0;
  }

  begin(startMs: number): void {
    this.#world.scheduler.at(startMs + 200 + 800 * this.#rng.random(), () => this.#next());
  }

  /** Whatever is still wrong is mended. */
  end(): void {
    const { network, nodes, controller } = this.#world;
    network.heal();
    Object.assign(network.faults, { lost: 0, doubled: 0, slow: 0 });
    for (const node of nodes) node.process.resume(false);
    controller.process.resume(false);
    if (!controller.process.alive) void controller.start();
  }

  #next(): void {
    this.#forgetDanger();
    if (this.#left > 0 && this.#draw()) {
      this.#left -= 1;
      this.count += 1;
    }
    if (this.#left > 0) this.#after(100 + 900 * this.#rng.random(), () => this.#next());
  }

  #after(ms: number, run: () => void): void {
    this.#world.scheduler.after(ms, run);
  }

  /** Nobody is in danger any more once all rows have three members that are well. */
  #forgetDanger(): void {
    const { controller, nodes, network } = this.#world;
    const map = controller.fleet?.state.map;
    if (map === undefined || this.#open > 0 || network.faults.lost > 0) return;
    const well = new Set(
      nodes.filter(({ process }) => process.alive && !process.paused).map(({ id }) => id as number),
    );
    const active = map.nodes.filter(({ id, state }) => state === "active" && well.has(id));
    const whole = map.rows.every((row) => row.nodes.length === 3 && row.nodes.every((id) => well.has(id)));
    const known = new Set(active.map(({ id }) => id));
    const agreed = map.rows.every((row) => row.nodes.every((id) => known.has(id)));
    const heard = nodes.every(
      (node) => !node.process.alive || node.map?.epoch.n === map.epoch.n || !known.has(node.id!),
    );
    if (whole && agreed && heard) this.#inDanger.clear();
  }

  /** One that may be harmed; undefined when no more may be. */
  #victim(): SimNode | undefined {
    const living = this.#world.nodes.filter(({ process, id }) => process.alive && id !== undefined);
    const free = living.filter((node) => !this.#inDanger.has(node));
    const known = [...this.#inDanger].filter(({ process }) => process.alive && !process.paused);
    const candidates = this.#inDanger.size >= inDangerMax ? known : [...free, ...known];
    const victim = candidates[Math.floor(this.#rng.random() * candidates.length)];
    if (victim !== undefined) this.#inDanger.add(victim);
    return victim;
  }

  #draw(): boolean {
    const kinds = [
      () => this.#crash(),
      () => this.#crash(),
      () => this.#pause(),
      () => this.#isolate(),
      () => this.#isolateFromFleet(),
      () => this.#cutLink(),
      () => this.#cutFromController(),
      () => this.#badNetwork(),
      () => this.#jumpClock(),
      () => this.#crashController(),
      () => this.#pauseController(),
      () => this.#grow(),
    ];
    return kinds[Math.floor(this.#rng.random() * kinds.length)]!();
  }

  /** A fault that is over after a while. */
  #forAWhile(ms: number, mend: () => void): true {
    this.#open += 1;
    this.#after(ms, () => {
      mend();
      this.#open -= 1;
    });
    return true;
  }

  #lasting(): number {
    const { random } = this.#rng;
    return random() < 0.5 ? 50 + 500 * random() : 500 + 3000 * random();
  }

  #crash(): boolean {
    const victim = this.#victim();
    if (victim === undefined) return false;
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) crashes`);
    victim.crash();
    if (this.#rng.random() < 0.8) this.#after(1000 * this.#rng.random(), () => this.#addNode());
    return true;
  }

  #pause(): boolean {
    const victim = this.#victim();
    if (victim === undefined || victim.process.paused) return false;
    const frozen = this.#rng.random() < 0.5;
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) ${frozen ? "is frozen" : "stands still"}`);
    victim.process.pause();
    return this.#forAWhile(this.#lasting(), () => {
      this.#world.log(`${victim.process.name} goes on`);
      victim.process.resume(frozen);
    });
  }

  #isolate(): boolean {
    const victim = this.#victim();
    if (victim === undefined) return false;
    const { network } = this.#world;
    const at = this.#rng.random();
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) is cut off`);
    if (at < 0.7) network.cut(victim.process, "*");
    if (at > 0.3) network.cut("*", victim.process);
    return this.#forAWhile(this.#lasting(), () => this.#heal());
  }

  /** Clients still reach it: it may not answer them from what it has. */
  #isolateFromFleet(): boolean {
    const victim = this.#victim();
    if (victim === undefined) return false;
    const { network, nodes, controller } = this.#world;
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) is cut off from the fleet`);
    for (const other of [...nodes, controller]) {
      network.cut(victim.process, other.process);
      network.cut(other.process, victim.process);
    }
    return this.#forAWhile(500 + this.#lasting(), () => this.#heal());
  }

  #cutLink(): boolean {
    const victim = this.#victim();
    if (victim === undefined) return false;
    const others = this.#world.nodes.filter((node) => node.process.alive && node !== victim);
    const other = others[Math.floor(this.#rng.random() * others.length)];
    if (other === undefined) return false;
    const { network } = this.#world;
    const at = this.#rng.random();
    this.#world.log(`fault: between ${victim.process.name} and ${other.process.name} all is lost`);
    if (at < 0.7) network.cut(victim.process, other.process);
    if (at > 0.3) network.cut(other.process, victim.process);
    return this.#forAWhile(this.#lasting(), () => this.#heal());
  }

  #cutFromController(): boolean {
    const victim = this.#victim();
    if (victim === undefined) return false;
    const { network, controller } = this.#world;
    const at = this.#rng.random();
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) and the controller are cut`);
    if (at < 0.7) network.cut(victim.process, controller.process);
    if (at > 0.3) network.cut(controller.process, victim.process);
    return this.#forAWhile(this.#lasting(), () => this.#heal());
  }

  #badNetwork(): boolean {
    const { network } = this.#world;
    const { random } = this.#rng;
    Object.assign(network.faults, { lost: 0.05 * random(), doubled: 0.1 * random(), slow: 0.1 * random() });
    this.#world.log("fault: the network is bad");
    return this.#forAWhile(this.#lasting(), () => this.#heal());
  }

  #heal(): void {
    this.#world.log("the network is well");
    this.#world.network.heal();
    Object.assign(this.#world.network.faults, { lost: 0, doubled: 0, slow: 0 });
  }

  #jumpClock(): boolean {
    const { nodes } = this.#world;
    const node = nodes[Math.floor(this.#rng.random() * nodes.length)]!;
    const byMs = (this.#rng.random() - 0.5) * 20_000;
    this.#world.log(`fault: the wall clock of ${node.process.name} jumps by ${byMs.toFixed(0)} ms`);
    node.process.jumpWallClock(byMs);
    return true;
  }

  #crashController(): boolean {
    const { controller } = this.#world;
    if (!controller.process.alive) return false;
    this.#world.log("fault: the controller crashes");
    controller.crash();
    return this.#forAWhile(this.#lasting(), () => {
      this.#world.log("a new controller");
      void controller.start();
    });
  }

  /** It stands still, and perhaps another one takes over meanwhile. */
  #pauseController(): boolean {
    const { controller } = this.#world;
    const { process } = controller;
    if (!process.alive || process.paused) return false;
    this.#world.log("fault: the controller stands still");
    process.pause();
    const lastsMs = this.#lasting();
    if (this.#rng.random() < 0.5) {
      this.#after(lastsMs / 2, () => {
        if (controller.process !== process) return;
        this.#world.log("a new controller takes over from the one that stands still");
        void controller.start();
      });
    }
    return this.#forAWhile(lastsMs, () => process.resume(false));
  }

  #grow(): boolean {
    if (this.#world.nodes.filter(({ process }) => process.alive).length > 7) return false;
    this.#world.log("fault: a node joins");
    this.#addNode();
    return true;
  }
}
