/** The map as a simulated client knows it: from some node that answers, or from the controller. */
import type { Deadline } from "../../client/transport/deadline.ts";
import { FleetView } from "../../client/transport/fleet-view.ts";
import type { Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { SimPool } from "./pool.ts";
import type { SimProcess } from "./process.ts";
import type { World } from "./world.ts";

const askMs = 350;

/** The real view, but for whom it asks: that is drawn here, since the real one goes round from client to client. */
export class SimFleetView extends FleetView {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #rng: Rng;
  readonly #pool: SimPool;

  constructor(world: World, process: SimProcess, pool: SimPool, rng: Rng) {
    super({ seeds: [], pool: () => pool.asPool });
    this.#world = world;
    this.#process = process;
    this.#rng = rng;
    this.#pool = pool;
  }

  /** When a simulated client looks is drawn. */
  override keepFresh(): void {}

  /** @throws MayflyError NODE_UNREACHABLE, DEADLINE_EXCEEDED when neither a node nor the controller answers */
  override async refresh(_deadline: Deadline): Promise<void> {
    const map = await this.#askNode().catch(() => this.#askController());
    if (map !== undefined) this.adopt(map);
  }

  async #askNode(): Promise<FleetMap | undefined> {
    const { nodes, network } = this.#world;
    const known = this.current?.nodes.filter(({ state }) => state !== "dead");
    const listed = nodes.filter(({ port }) => known?.some((entry) => entry.port === port) ?? true);
    const asked = listed[Math.floor(this.#rng.random() * listed.length)];
    if (asked === undefined) throw new MayflyError("NODE_UNREACHABLE", "the map names nobody who lives");
    const suspect = known?.find((entry) => this.#pool.failedLately(entry));
    return await network.call(this.#process, asked.process, askMs, () => {
      if (suspect !== undefined) asked.replicas.suspect(suspect.id);
      return asked.map;
    });
  }

  async #askController(): Promise<FleetMap | undefined> {
    const { controller, network } = this.#world;
    return await network.call(this.#process, controller.process, askMs, () => controller.fleet?.state.map);
  }
}
