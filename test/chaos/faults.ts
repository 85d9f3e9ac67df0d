/** Carries out what `schedule.ts` decided, sees what became of the nodes, and keeps the fleet at its size. */
import { type Clock, type Rng, sleep } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { ChaosOptions } from "./command-line.ts";
import type { ChaosFleet, ChaosNode } from "./fleet.ts";
import type { LossBudget } from "./loss-budget.ts";
import { clientsPlace, controllerPlace, everywhere, type Network } from "./network.ts";
import { type Exit, endedWithin, signal } from "./processes.ts";
import { untilRepaired } from "./repair-watch.ts";
import { describeFault, type Fault, mayCost, type Situation } from "./schedule.ts";
import { requestDrain } from "./status.ts";

export interface FaultCounts {
  nodesKilled: number;
  nodesStopped: number;
  /** Nodes that were declared dead though nobody killed them, and ended. */
  nodesExpelled: number;
  /** Nodes that ended by themselves, and not because they were declared dead or drained. */
  nodesCrashed: number;
  partitions: number;
  drains: number;
  drainsUnfinished: number;
  nodesAdded: number;
  controllerRestarts: number;
  repairs: number;
  repairsUnfinished: number;
}

export interface FaultTools {
  readonly options: ChaosOptions;
  readonly fleet: ChaosFleet;
  readonly network: Network;
  readonly budget: LossBudget;
  readonly counts: FaultCounts;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: (line: string) => void;
}

const judgedWithinMs = 20_000;
const endsWithinMs = 20_000;
const pollMs = 200;

export class Faults {
  readonly #tools: FaultTools;
  readonly #underWay = new Set<Promise<void>>();
  #drains = true;
  #controllerBusy = false;

  constructor(tools: FaultTools) {
    this.#tools = tools;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  situation(): Situation {
    const { fleet, budget, options } = this.#tools;
    const { nodes } = fleet;
    return {
      healthy: nodes
        .filter(({ name, busy }) => busy === undefined && !budget.has(name))
        .map(({ name }) => name),
      running: fleet.size,
      nodesWanted: options.nodes,
      nodesMin: Math.max(4, options.code.d + options.code.p + 1),
      lossesLeft: budget.left,
      controllerIsUp: fleet.controllerIsUp && !this.#controllerBusy,
      drains: this.#drains && fleet.controllerIsUp,
      enabled: options.faults,
      places: { controller: controllerPlace, clients: clientsPlace, everywhere },
    };
  }

  /** From now on whatever becomes of the node is seen. */
  watch(node: ChaosNode): void {
    const { fleet, log, counts, budget } = this.#tools;
    void node.process.ended.then((exit) => {
      // Whoever does something to a node sees to it himself.
      if (node.busy !== undefined || fleet.stopping) return;
      budget.force(node.name);
      if (isExpelled(node)) counts.nodesExpelled++;
      else counts.nodesCrashed++;
      log(`${node.name} (node ${node.id}) ended by itself: ${lastWords(node, exit)}`);
      this.#follow(this.#lost(node.name, node.id, false), `the loss of ${node.name}`);
    });
  }

  /** Begins the fault, unless it could cost more nodes than may be lost. */
  begin(fault: Fault): void {
    const { fleet, budget, log } = this.#tools;
    const victims = mayCost(fault, (name) => fleet.node(name) !== undefined);
    if (!budget.take(victims)) return;
    log(describeFault(fault));
    this.#follow(this.#carryOut(fault), describeFault(fault));
  }

  #follow(done: Promise<void>, what: string): void {
    const work = done.catch((thrown: unknown) => {
      this.#tools.log(`${what}: ${MayflyError.from(thrown).message}`);
    });
    const entry = work.then(() => void this.#underWay.delete(entry));
    this.#underWay.add(entry);
  }

  /** Resolves when every fault is over and every loss repaired, or given up. */
  async end(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    await this.keepSize();
  }

  /** Starts nodes until there are as many as wanted. */
  async keepSize(at?: string): Promise<void> {
    const { fleet, options, counts, log } = this.#tools;
    if (fleet.size >= options.nodes) return;
    const node = await fleet.addNode(at);
    counts.nodesAdded++;
    log(
      `added ${node.name} as node ${node.id}${at === undefined ? "" : ", at the address of one that went"}`,
    );
  }

  async #carryOut(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case "kill":
        return void (await Promise.all(fault.nodes.map((name) => this.#kill(name, fault.machine))));
      case "stop":
        return this.#onNode(fault.node, "stop", (node) => this.#stop(node, fault.ms));
      case "partition":
        return this.#partition(fault);
      case "drain":
        return this.#onNode(fault.node, "drain", (node) => this.#drain(node, fault.deadlineMs));
      case "add": {
        const { fleet, counts, log } = this.#tools;
        const node = await fleet.addNode();
        this.watch(node);
        counts.nodesAdded++;
        return log(`added ${node.name} as node ${node.id}`);
      }
      case "controller":
        return this.#restartController(fault.awayMs);
    }
  }

  async #onNode(name: string, what: string, work: (node: ChaosNode) => Promise<void>): Promise<void> {
    const node = this.#tools.fleet.node(name);
    if (node === undefined) return this.#tools.budget.release(name);
    node.busy = what;
    try {
      await work(node);
    } finally {
      if (node.process.exit === undefined) node.busy = undefined;
    }
  }

  async #kill(name: string, machine: boolean): Promise<void> {
    const { fleet, network, counts, rng, budget } = this.#tools;
    const node = fleet.node(name);
    if (node === undefined) return budget.release(name);
    node.busy = "kill";
    if (machine) {
      await network.cut(name, everywhere);
      await network.cut(everywhere, name);
    }
    signal(node.process, "SIGKILL");
    await node.process.ended;
    counts.nodesKilled++;
    // Somebody else may get the address of a process that died, but not that of a machine.
    await this.#lost(name, node.id, !machine && rng.random() < 0.5);
  }

  async #stop(node: ChaosNode, ms: number): Promise<void> {
    const { clock, counts } = this.#tools;
    signal(node.process, "SIGSTOP");
    counts.nodesStopped++;
    await sleep(clock, ms);
    signal(node.process, "SIGCONT");
    await this.#judge(node);
  }

  async #partition({
    node: name,
    other,
    direction,
    ms,
  }: Extract<Fault, { kind: "partition" }>): Promise<void> {
    const { network, clock, counts, fleet } = this.#tools;
    const directions: (readonly [string, string])[] = [];
    if (direction !== "in") directions.push([name, other]);
    if (direction !== "out") directions.push([other, name]);
    counts.partitions++;
    const involved = [name, other].flatMap((one) => fleet.node(one) ?? []);
    for (const node of involved) node.busy = "partition";
    for (const [from, to] of directions) await network.cut(from, to);
    await sleep(clock, ms);
    for (const [from, to] of directions) await network.heal(from, to);
    await Promise.all(involved.map((node) => this.#judge(node)));
  }

  /** Whether the node outlived what was done to it. If not, its process ends by itself, and another takes its place. */
  async #judge(node: ChaosNode): Promise<void> {
    const { fleet, clock, budget, counts, log, rng, options } = this.#tools;
    // What it sent before may count for so long.
    await sleep(clock, options.heartbeatMs);
    const untilMs = clock.now() + judgedWithinMs;
    let verdict = "unknown";
    while (verdict === "unknown" && node.process.exit === undefined && clock.now() < untilMs) {
      verdict = await fleet.status().then(
        ({ nodes }) => {
          const entry = nodes.find(({ id }) => id === node.id);
          if (entry === undefined || entry.state === "dead") return "lost";
          return entry.heartbeatAgeMs < 2 * options.heartbeatMs ? "alive" : "unknown";
        },
        () => "unknown",
      );
      if (verdict === "unknown") await sleep(clock, pollMs);
    }
    if (verdict === "alive" && node.process.exit === undefined) {
      node.busy = undefined;
      return budget.release(node.name);
    }
    const exit = await endedWithin(node.process, clock, endsWithinMs);
    if (exit === undefined) {
      log(`${node.name} (node ${node.id}) goes on though it is ${verdict}; killed`);
      signal(node.process, "SIGKILL");
      await node.process.ended;
    } else if (isExpelled(node)) log(`${node.name} (node ${node.id}) was declared dead, and ended`);
    else log(`${node.name} (node ${node.id}) crashed: ${lastWords(node, exit)}`);
    if (exit !== undefined && !isExpelled(node)) counts.nodesCrashed++;
    else counts.nodesExpelled++;
    await this.#lost(node.name, node.id, rng.random() < 0.5);
  }

  async #lost(name: string, id: number, sameAddress: boolean): Promise<void> {
    const { fleet, clock, options, budget, counts, log } = this.#tools;
    const [repaired] = await Promise.all([
      untilRepaired({ fleet, clock, options, id }),
      this.keepSize(sameAddress ? name : undefined).catch((thrown: unknown) =>
        log(`no node for ${name}: ${MayflyError.from(thrown).message}`),
      ),
    ]);
    if (repaired === undefined) {
      counts.repairsUnfinished++;
      log(`what ${name} (node ${id}) held was not repaired within ${options.repairWithinMs} ms`);
      return;
    }
    counts.repairs++;
    log(`what ${name} (node ${id}) held is repaired after ${(repaired / 1000).toFixed(1)} s`);
    budget.release(name);
  }

  async #drain(node: ChaosNode, deadlineMs: number): Promise<void> {
    const { fleet, clock, counts, log, budget } = this.#tools;
    const answer = await requestDrain(fleet.controllerUrl, node.id, deadlineMs);
    if (answer === "unknown") {
      this.#drains = false;
      return log("this controller cannot drain; no more of it");
    }
    if (answer === "refused") return log(`the controller refuses to drain ${node.name}`);
    const exit = await endedWithin(node.process, clock, 2 * deadlineMs);
    if (exit?.code === 0) {
      counts.drains++;
      log(`${node.name} (node ${node.id}) is drained, and ended`);
    } else {
      counts.drainsUnfinished++;
      if (exit !== undefined) {
        budget.force(node.name);
        if (isExpelled(node)) counts.nodesExpelled++;
        else counts.nodesCrashed++;
        log(`${node.name} (node ${node.id}) ended while it was drained: ${lastWords(node, exit)}`);
        return this.#lost(node.name, node.id, false);
      }
      log(`${node.name} (node ${node.id}) is not drained, and goes on`);
    }
    await this.keepSize();
  }

  async #restartController(awayMs: number): Promise<void> {
    const { fleet, clock, counts, log } = this.#tools;
    this.#controllerBusy = true;
    try {
      await fleet.killController();
      await sleep(clock, awayMs);
      await fleet.startController();
      counts.controllerRestarts++;
      log("the controller is back");
    } finally {
      this.#controllerBusy = false;
    }
  }
}

/** A node that was declared dead says so, and ends. */
function isExpelled({ process: { complaints } }: ChaosNode): boolean {
  return complaints.includes("NODE_UNKNOWN");
}

function lastWords({ process: { complaints } }: ChaosNode, { code, signal: by }: Exit): string {
  const lines = complaints.trim().split("\n");
  const said = lines.find((line) => /^\S*Error\b/.test(line)) ?? lines.at(-1);
  return `${by ?? `exit code ${code}`}, ${said || "without a word"}; its log says more`;
}
