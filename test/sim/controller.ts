/** The controller of the simulation: the real services of src/controller, asked by messages instead of HTTP. */
import { createFleetKeys, exportPrivateKey } from "../../src/auth/token.ts";
import { type Rng, seededRng } from "../../src/clock.ts";
import { beginDrain, endDrain } from "../../src/controller/drains.ts";
import { type Fleet, openFleet } from "../../src/controller/fleet.ts";
import { createJob } from "../../src/controller/jobs.ts";
import { hearNode, registerNode, watchNews } from "../../src/controller/nodes.ts";
import { resolveOptions } from "../../src/controller/options.ts";
import type { ProbeResult } from "../../src/controller/probe.ts";
import { isMended, isSettled } from "../../src/controller/relocation-progress.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import type { StateStore } from "../../src/controller/state-store/state-store.ts";
import { watchFleet } from "../../src/controller/watch-fleet.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber } from "../../src/ids.ts";
import { jobNumber } from "../../src/ids.ts";
import { parseEpoch } from "../../src/placement/epoch.ts";
import type {
  CreateJobRequest,
  HeartbeatReply,
  HeartbeatRequest,
  RegisterNodeReply,
  RegisterNodeRequest,
} from "../../src/wire/control-api.ts";
import { notMended } from "./object-state.ts";
import { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

export const heartbeatMs = 200;
export const deadAfterMs = 1000;
export const lostAfterMs = 60_000;

/** Of all simulated fleets: nobody is locked out there. */
const privateKey = exportPrivateKey(createFleetKeys(seededRng(1)).privateKey);

/** No autoscaler: a job gets what there is. */
const everybody: Parameters<typeof createJob>[3] = {
  nodesMost: ({ map }) => map.nodes.length,
  admit: () => 0,
  grow: () => {},
};

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
  /** Called when it says that what was lost is made anew. */
  onMended: () => void = () => {};
  /** Called with each node that it gives up because of its silence. */
  onSilent: (node: number) => void = () => {};
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
      log: (line) => {
        this.#world.log(`controller: ${line}`);
        // One that was followed believes something until it tries to write it down.
        if (process !== this.process) return;
        const silent = /^node (\d+) is declared dead: silent/.exec(line);
        if (silent !== null) this.onSilent(Number(silent[1]));
        if (!line.endsWith("has been made anew")) return;
        for (const what of notMended(this.#world)) this.#world.violate(what);
        this.onMended();
      },
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

  async createJob(request: CreateJobRequest): Promise<JobNumber> {
    const { job } = await createJob(this.#running(), request, "http://controller", everybody);
    return jobNumber(job.job);
  }

  /** @throws MayflyError NODE_UNKNOWN, NOT_ENOUGH_NODES, UNAVAILABLE */
  async drain(id: number): Promise<void> {
    await beginDrain(this.#running(), id, undefined);
  }

  /** @throws MayflyError NODE_UNKNOWN, UNAVAILABLE */
  async cancelDrain(id: number): Promise<void> {
    await endDrain(this.#running(), id);
  }

  /** It says that all that was lost with dead nodes has been made anew: then as many may be lost again. */
  get mended(): boolean {
    const { fleet } = this;
    if (fleet === undefined) return false;
    return fleet.state.jobs.every(({ nodesLost }) => nodesLost === 0) && isMended(fleet);
  }

  /** It says that nothing is under way: all rows are where they should be, nothing is moved, nobody drains. */
  get settled(): boolean {
    const { fleet } = this;
    return fleet !== undefined && fleet.state.drains.length === 0 && isSettled(fleet) && this.mended;
  }

  async #probe(process: SimProcess, port: number): Promise<ProbeResult> {
    const { network } = this.#world;
    const node = this.#world.listenerAt(port);
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
