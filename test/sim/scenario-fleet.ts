/** The fleet of a scenario: without chance but for the network's, and with nothing but what the text says. */
import { seededRng } from "../../src/clock.ts";
import { endJob } from "../../src/controller/jobs.ts";
import type { JobNumber } from "../../src/ids.ts";
import { parseCode } from "../../src/placement/code.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { SimClient } from "./client.ts";
import { SimController } from "./controller.ts";
import { isWhole } from "./loss-budget.ts";
import { SimNetwork } from "./network.ts";
import { SimNode } from "./node.ts";
import { committedObjects } from "./object-state.ts";
import type { SimProcess } from "./process.ts";
import { Scheduler } from "./scheduler.ts";
import type { World } from "./world.ts";

const rowCount = 8;
const seed = 7;
const startMsMax = 10_000;
const callMsMax = 120_000;

const keys = new Map<string, string>();

/** The key that a scenario means by a name: one in the few rows that there are. */
export function keyNamed(name: string): string {
  let key = keys.get(name);
  for (let i = 0; key === undefined; i++) {
    if (groupOf(Buffer.from(`${name}.${i}`)) < rowCount) key = `${name}.${i}`;
  }
  keys.set(name, key);
  return key;
}

export class ScenarioFleet {
  readonly world: World & { readonly violations: string[] };
  readonly #rng = seededRng(seed);
  #job: JobNumber | undefined;

  /** @param statement `nodes 5, code 2+1` */
  static async start(statement: string): Promise<ScenarioFleet> {
    const match = /^nodes (\d+), code (\d+\+\d+)$/.exec(statement);
    if (match === null) throw new Error(`a scenario begins with its fleet, not with ${statement}`);
    const fleet = new ScenarioFleet(Number(match[1]), match[2]!);
    await fleet.#begin(Number(match[1]));
    return fleet;
  }

  private constructor(nodesInitial: number, code: string) {
    const scheduler = new Scheduler();
    const nodes: SimNode[] = [];
    const violations: string[] = [];
    const world = {
      ...{ scheduler, network: new SimNetwork(scheduler, seededRng(seed)), nodes, rowCount, nodesInitial },
      ...{
        code: parseCode(code),
        violations,
        log: () => {},
        controller: undefined as unknown as SimController,
      },
      withObjects: true,
      violate: (what: string) => void violations.push(what),
      nodeOf(map: FleetMap | undefined, id: number) {
        const port = map?.nodes.find((node) => node.id === id)?.port;
        return nodes.findLast((node) => node.port === port);
      },
      listenerAt: (port: number) => nodes.findLast((node) => node.port === port),
    };
    this.world = world;
    world.controller = new SimController(world, seededRng(seed));
  }

  addNode(port?: number): SimNode {
    const { nodes } = this.world;
    const clock = { rate: 1, offsetMs: 1000 * nodes.length };
    const node = new SimNode(this.world, port ?? 1000 + nodes.length, clock, seededRng(nodes.length));
    nodes.push(node);
    void node.start();
    return node;
  }

  addClient(name: string): SimClient {
    return new SimClient(this.world, name, this.#job!, seededRng(Math.floor(this.#rng.random() * 2 ** 32)));
  }

  nodeWith(id: number): SimNode {
    const node = this.world.nodes.find((each) => each.id === id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** The one to which a shard was moved last. */
  receiver(): SimNode {
    return this.world.nodes.reduce((last, node) => (node.wroteAtMs > last.wroteAtMs ? node : last));
  }

  refAt(key: string): Ref {
    const found = committedObjects(this.world).find((each) => each.key === keyNamed(key));
    if (found === undefined) throw new Error(`there is no object at ${key}`);
    return found.ref;
  }

  isWhole(): boolean {
    return isWhole(this.world);
  }

  /** Both directions. `nodes`: all other nodes; `*`: everybody. */
  cut(a: SimProcess | "nodes" | "*", b: SimProcess | "nodes" | "*"): undefined {
    const { network, nodes } = this.world;
    const all = (end: typeof a): (SimProcess | "*")[] =>
      end === "nodes" ? nodes.map(({ process }) => process) : [end];
    for (const from of all(a)) {
      for (const to of all(b)) {
        network.cut(from, to);
        network.cut(to, from);
      }
    }
  }

  async endJob(): Promise<undefined> {
    await endJob(this.world.controller.fleet!, this.#job!);
    const { scheduler, controller, code } = this.world;
    await scheduler.run(scheduler.nowMs + 1000);
    // What clients that come later write, they write to a new job of the same name.
    this.#job = await this.until(controller.createJob({ name: "scenario", code }));
  }

  /** Lets time pass until it has come to something. */
  async until<T>(work: Promise<T>): Promise<T> {
    const { scheduler } = this.world;
    let over = false;
    const end = (): void => {
      over = true;
    };
    work.then(end, end);
    if (!(await scheduler.run(scheduler.nowMs + callMsMax, () => over))) throw new Error("it never ends");
    return await work;
  }

  async #begin(count: number): Promise<void> {
    const { controller, scheduler, code } = this.world;
    await controller.start();
    for (let i = 0; i < count; i++) this.addNode();
    await scheduler.run(startMsMax, () => controller.fleet?.state.formed === true);
    this.#job = await this.until(controller.createJob({ name: "scenario", code }));
  }
}
