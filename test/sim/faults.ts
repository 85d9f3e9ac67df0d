/**
 * Faults of one simulation, drawn from its seed: crashes, processes that stand still, machines that are frozen, clocks that
 * jump, cut links and bad networks, controllers that come and go; and those of object-faults.ts. In each schedule a
 * node dies that leads rows.
 */
import type { Rng } from "../../src/clock.ts";
import type { SimClient } from "./client.ts";
import { LossBudget } from "./loss-budget.ts";
import { noFaults } from "./network.ts";
import type { SimNode } from "./node.ts";
import { ObjectFaults } from "./object-faults.ts";
import type { World } from "./world.ts";

const faultsMin = 3;
const faultsMax = 6;

export interface FaultsOptions {
  readonly world: World;
  readonly rng: Rng;
  readonly addNode: () => SimNode;
  readonly clients: readonly SimClient[];
}

export class Faults {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #addNode: () => SimNode;
  readonly #budget: LossBudget;
  readonly #objects: ObjectFaults;
  #left: number;
  #open = 0;
  #leaderDied = false;
  /** Whether a shard of a stripe may have rotted by the end. */
  readonly rots: boolean;
  count = 0;

  constructor({ world, rng, addNode, clients }: FaultsOptions) {
    this.#world = world;
    this.#rng = rng;
    this.#addNode = addNode;
    this.#left = faultsMin + Math.floor(rng.random() * (faultsMax - faultsMin + 1));
    const { p } = world.code;
    // What is rotten counts as lost, and nobody notices it.
    const rots = world.withObjects && p > 1 && rng.random() < 0.3;
    this.rots = rots;
    this.#budget = new LossBudget(world, rng, Math.min(2, rots ? p - 1 : p));
    const crash = (node: SimNode, why: string): void => this.#kill(node, why);
    // Whoever says that all is repaired is taken at its word.
    const isEager = rng.random() < 0.3;
    world.controller.onSilent = (node) => this.#budget.gaveUp(node);
    world.controller.onMended = () => {
      if (isEager && this.#left > 1) this.#after(1, () => this.#strike());
    };
    this.#objects = new ObjectFaults({ world, rng, budget: this.#budget, clients, crash, rots });
  }

  /** Beyond what is promised: see loss-budget.ts. */
  get isOverrun(): boolean {
    return this.#budget.isOverrun;
  }

  get over(): boolean {
    return this.#left === 0 && this.#open === 0;
  }

  begin(startMs: number): void {
    this.#world.scheduler.at(startMs + 200 + 600 * this.#rng.random(), () => this.#next());
  }

  /** Whatever is still wrong is mended. */
  end(): void {
    const { network, nodes, controller } = this.#world;
    network.heal();
    Object.assign(network.faults, noFaults);
    for (const node of nodes) node.process.resume(false);
    controller.process.resume(false);
    if (!controller.process.alive) void controller.start();
  }

  #next(): void {
    if (this.#open === 0) this.#budget.look();
    const isLast = this.#left === 1;
    const done = isLast && !this.#leaderDied ? this.#crashLeader() : this.#draw();
    if (this.#left > 0 && done) {
      this.#left -= 1;
      this.count += 1;
    } else if (!done) this.#addMissing();
    if (this.#left > 0) this.#after(100 + 500 * this.#rng.random(), () => this.#next());
  }

  #strike(): void {
    if (this.#open === 0) this.#budget.look();
    if (this.#left <= 1 || !(this.#rng.random() < 0.5 ? this.#crash() : this.#crashLeader())) return;
    this.#left -= 1;
    this.count += 1;
  }

  /** With too few nodes nothing would ever be whole again. */
  #addMissing(): void {
    const { nodes, code } = this.#world;
    const living = nodes.filter(({ process }) => process.alive).length;
    if (living <= code.d + code.p) this.#addNode();
  }

  #after(ms: number, run: () => void): void {
    this.#world.scheduler.after(ms, run);
  }

  #draw(): boolean {
    const kinds = [
      () => this.#crash(),
      () => this.#crashLeader(),
      () => this.#pause(),
      () => this.#isolate(),
      () => this.#isolateFromFleet(),
      () => this.#cutLink(),
      () => this.#cutFromController(),
      () => this.#fadeAway(),
      () => this.#badNetwork(),
      () => this.#lateMessages(),
      () => this.#jumpClock(),
      () => this.#crashController(),
      () => this.#pauseController(),
      () => this.#grow(),
      ...this.#objects.kinds,
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
    return random() < 0.5 ? 50 + 450 * random() : 500 + 1700 * random();
  }

  #crash(): boolean {
    const victim = this.#budget.victim();
    if (victim === undefined) return false;
    this.#kill(victim, "crashes");
    return true;
  }

  #leaders(): SimNode[] {
    const { nodes, controller } = this.#world;
    const rows = controller.fleet?.state.map.rows ?? [];
    const leaders = new Set(rows.map((row) => row.nodes[0] as number));
    return nodes.filter(({ id }) => leaders.has(id as number));
  }

  /** A failover, since it leads rows with keys. */
  #crashLeader(): boolean {
    const victim = this.#budget.victim(this.#leaders());
    if (victim === undefined) return false;
    this.#leaderDied = true;
    this.#kill(victim, "crashes, who leads rows");
    return true;
  }

  #kill(victim: SimNode, why: string): void {
    const { nodes, code, log } = this.#world;
    log(`fault: ${victim.process.name} (${victim.id}) ${why}`);
    victim.crash();
    const living = nodes.filter(({ process }) => process.alive).length;
    if (living <= code.d + code.p + 1 || this.#rng.random() < 0.6) {
      this.#after(1000 * this.#rng.random(), () => this.#addNode());
    }
  }

  #pause(): boolean {
    const victim = this.#budget.victim();
    if (victim === undefined) return false;
    const frozen = this.#rng.random() < 0.5;
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) ${frozen ? "is frozen" : "stands still"}`);
    victim.process.pause();
    return this.#forAWhile(this.#lasting(), () => {
      this.#world.log(`${victim.process.name} goes on`);
      victim.process.resume(frozen);
    });
  }

  #isolate(): boolean {
    const victim = this.#budget.victim();
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
    const victim = this.#budget.victim();
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
    const victim = this.#budget.victim();
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
    const victim = this.#budget.victim();
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

  /**
   * The controller hears no more of one that leads rows, and when it is about to give it up the others do not either: what
   * they granted it lasts on while somebody else takes over.
   */
  #fadeAway(): boolean {
    const { network, nodes, controller } = this.#world;
    const victim = this.#budget.victim(this.#leaders());
    if (victim === undefined) return false;
    this.#world.log(`fault: ${victim.process.name} (${victim.id}) fades away`);
    network.cut(victim.process, controller.process);
    network.cut(controller.process, victim.process);
    const aloneAfterMs = 600 + 500 * this.#rng.random();
    this.#after(aloneAfterMs, () => {
      for (const other of nodes) {
        if (other === victim) continue;
        network.cut(victim.process, other.process);
        network.cut(other.process, victim.process);
      }
    });
    return this.#forAWhile(aloneAfterMs + 300 + 1000 * this.#rng.random(), () => this.#heal());
  }

  /** Nothing is lost, and much comes twice and long after, while a row gets a new member; then one that leads dies. */
  #lateMessages(): boolean {
    const { network, log } = this.#world;
    const { random } = this.#rng;
    log("fault: messages come late, and twice");
    Object.assign(network.faults, { doubled: 0.4, slow: 0.1 * random(), slowMs: 500 + 1500 * random() });
    this.#grow();
    return this.#forAWhile(500 + 1500 * random(), () => {
      this.#heal();
      this.#after(300 * random(), () => this.#strike());
    });
  }

  #heal(): void {
    this.#world.log("the network is well");
    this.#world.network.heal();
    Object.assign(this.#world.network.faults, noFaults);
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
