/** The controller and the cache nodes of a run, as processes at their places. */
import { join } from "node:path";
import { type Clock, sleep } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { ChaosOptions } from "./command-line.ts";
import { controllerPlace, type Network, type Place } from "./network.ts";
import { endedWithin, type RunningProcess, signal, startProcess, untilReady } from "./processes.ts";
import type { Proxies } from "./proxies.ts";
import { type FleetStatus, fetchStatus } from "./status.ts";

export interface ChaosNode {
  /** Also that of its place; a later node may have the same. */
  readonly name: string;
  /** As the controller knows it. */
  readonly id: number;
  readonly process: RunningProcess;
  /** What is being done to it; it is left alone meanwhile. */
  busy: string | undefined;
}

const readyWithinMs = 30_000;

export class ChaosFleet {
  readonly #options: ChaosOptions;
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #dir: string;
  readonly #places = new Map<string, Place>();
  readonly #nodes = new Map<string, ChaosNode>();
  #controller: RunningProcess | undefined;
  #controllerPlace: Place | undefined;
  #starting = 0;
  #stopping = false;
  #nextName = 1;

  constructor(options: ChaosOptions, network: Network, clock: Clock, dir: string) {
    this.#options = options;
    this.#network = network;
    this.#clock = clock;
    this.#dir = dir;
  }

  get controllerUrl(): string {
    return this.#controllerPlace?.controllerUrl ?? "";
  }

  get controllerIsUp(): boolean {
    return this.#controller !== undefined && this.#controller.exit === undefined;
  }

  /** Whoever ends now does so because it was told to. */
  get stopping(): boolean {
    return this.#stopping;
  }

  /** Nodes whose process runs. */
  get nodes(): readonly ChaosNode[] {
    return [...this.#nodes.values()];
  }

  /** With those that are being started. */
  get size(): number {
    return this.#nodes.size + this.#starting;
  }

  node(name: string): ChaosNode | undefined {
    return this.#nodes.get(name);
  }

  async start(): Promise<void> {
    this.#controllerPlace = await this.#network.addPlace(controllerPlace);
    await this.startController();
    await Promise.all(Array.from({ length: this.#options.nodes }, () => this.addNode()));
  }

  async startController(): Promise<void> {
    const { mainPath, nodes, deadAfterMs, heartbeatMs } = this.#options;
    const place = this.#controllerPlace!;
    const controller = startProcess(
      place,
      [
        ...[mainPath, "controller", "--host", place.host, "--port", new URL(place.controllerUrl).port],
        ...["--state", join(this.#dir, "journal"), "--nodes-initial", String(nodes), "--backups", "2"],
        ...["--heartbeat-ms", String(heartbeatMs), "--dead-after-ms", String(deadAfterMs)],
      ],
      join(this.#dir, "controller.log"),
    );
    this.#controller = controller;
    await this.#ready(controller, "the controller");
  }

  async killController(): Promise<void> {
    const controller = this.#controller;
    if (controller === undefined) return;
    signal(controller, "SIGKILL");
    await controller.ended;
  }

  /** @param at a place whose node has gone: the new one gets its address. A new place by default. */
  async addNode(at?: string): Promise<ChaosNode> {
    this.#starting++;
    try {
      const name = at ?? `n${this.#nextName++}`;
      const place = this.#places.get(name) ?? (await this.#network.addPlace(name));
      this.#places.set(name, place);
      return await this.#startNode(place);
    } finally {
      this.#starting--;
    }
  }

  async #startNode(place: Place): Promise<ChaosNode> {
    const { mainPath, nodeMemoryBytes } = this.#options;
    const { name, host, port, controllerUrl } = place;
    const running = startProcess(
      place,
      [
        ...[mainPath, "node", "--controller", controllerUrl, "--memory", String(nodeMemoryBytes)],
        ...["--host", host, "--port", String(port)],
      ],
      join(this.#dir, `${name}.log`),
    );
    if (isProxies(this.#network)) this.#network.identify(name, running.pid);
    const ready = await this.#ready(running, `node ${name}`);
    const listens = Number(ready["port"]);
    if (isProxies(this.#network)) this.#network.expose(name, listens);
    const node: ChaosNode = { name, id: Number(ready["node"]), process: running, busy: undefined };
    this.#nodes.set(name, node);
    void running.ended.then(() => {
      if (this.#nodes.get(name) === node) this.#nodes.delete(name);
    });
    return node;
  }

  async #ready(running: RunningProcess, what: string): Promise<Record<string, unknown>> {
    const timeout = sleep(this.#clock, readyWithinMs).then(() => undefined);
    const ready = await Promise.race([untilReady(running, what), timeout]);
    if (ready !== undefined) return ready;
    signal(running, "SIGKILL");
    throw new MayflyError("NODE_UNREACHABLE", `${what} was not ready after ${readyWithinMs} ms`);
  }

  status(): Promise<FleetStatus> {
    return fetchStatus(this.controllerUrl);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const all = [...this.nodes.map((node) => node.process), this.#controller].filter(
      (one) => one !== undefined,
    );
    await Promise.all(
      all.map(async (running) => {
        signal(running, "SIGCONT");
        signal(running, "SIGTERM");
        if ((await endedWithin(running, this.#clock, 5000)) === undefined) signal(running, "SIGKILL");
      }),
    );
  }
}

function isProxies(network: Network): network is Proxies {
  return network.kind === "proxies";
}
