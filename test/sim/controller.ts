/** The controller of the simulation: the real services of src/controller, asked by messages instead of HTTP. */
import { createFleetKeys, exportPrivateKey } from "../../src/auth/token.ts";
import { type Rng, seededRng } from "../../src/clock.ts";
import { type Fleet, openFleet } from "../../src/controller/fleet.ts";
import { createJob } from "../../src/controller/jobs.ts";
import { hearNode, registerNode, watchNews } from "../../src/controller/nodes.ts";
import { resolveOptions } from "../../src/controller/options.ts";
import type { ProbeResult } from "../../src/controller/probe.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import type { StateStore } from "../../src/controller/state-store/state-store.ts";
import { watchFleet } from "../../src/controller/watch-fleet.ts";
import { MayflyError } from "../../src/errors.ts";
import { parseEpoch } from "../../src/placement/epoch.ts";
import type {
  CreateJobRequest,
  HeartbeatReply,
  HeartbeatRequest,
  RegisterNodeReply,
  RegisterNodeRequest,
} from "../../src/wire/control-api.ts";
import { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

export const heartbeatMs = 200;
export const deadAfterMs = 1000;
export const lostAfterMs = 60_000;

/** Of all simulated fleets: nobody is locked out there. */
const privateKey = exportPrivateKey(createFleetKeys(seededRng(1)).privateKey);

export interface WatchRequest {
  readonly epoch: string;
  readonly jobsVersion: number;
  readonly waitMs: number;
}

export class SimController {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #store: StateStore = { ...createMemoryStore(), privateKey: async () => privateKey };
  process: SimProcess;
  fleet: Fleet | undefined;
  #starts = 0;

  constructor(world: World, rng: Rng) {
    this.#world = world;
    this.#rng = rng;
    this.process = new SimProcess(world.scheduler, "controller");
  }

  /** Takes the fleet over, as a new process if the last one crashed. */
  async start(): Promise<void> {
    this.#starts += 1;
    const process = new SimProcess(this.#world.scheduler, "controller", { offsetMs: this.#starts * 1e6 });
    this.process = process;
    const settings = resolveOptions({
      ...{ heartbeatMs, deadAfterMs, lostAfterMs, backups: 2, rowCount: this.#world.rowCount },
      ...{ nodesInitial: this.#world.nodesInitial, clock: process.clock, rng: this.#rng },
      log: (line) => this.#world.log(`controller: ${line}`),
      probe: ({ port }) => this.#probe(process, port),
    });
    this.fleet = undefined;
    const fleet = await openFleet(settings, this.#store);
    if (!process.alive) return;
    this.fleet = fleet;
    watchFleet(fleet);
  }

  crash(): void {
    this.process.crash();
    this.fleet = undefined;
  }

  register(request: RegisterNodeRequest): Promise<RegisterNodeReply> {
    return registerNode(this.#running(), request);
  }

  hear(id: number, request: HeartbeatRequest): Promise<HeartbeatReply> {
    return hearNode(this.#running(), id, request);
  }

  watch(id: number, { epoch, jobsVersion, waitMs }: WatchRequest): Promise<HeartbeatReply> {
    return watchNews(this.#running(), id, { epoch: parseEpoch(epoch), jobsVersion }, waitMs);
  }

  async createJob(request: CreateJobRequest): Promise<number> {
    return (await createJob(this.#running(), request, "http://controller")).job.job;
  }

  async #probe(process: SimProcess, port: number): Promise<ProbeResult> {
    const { network, nodes } = this.#world;
    const node = nodes.find((candidate) => candidate.port === port);
    if (node === undefined) return "refused";
    try {
      return await network.call<ProbeResult>(process, node.process, 300, () => "answers");
    } catch (thrown) {
      return MayflyError.from(thrown).code === "NODE_UNREACHABLE" ? "refused" : "silent";
    }
  }

  #running(): Fleet {
    if (this.fleet !== undefined) return this.fleet;
    throw new MayflyError("UNAVAILABLE", "the controller is starting", { retryAfterMs: 50 });
  }
}
