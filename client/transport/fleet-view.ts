/**
 * The newest map this client knows, and the way to a newer one: the first reply of every connection brings the
 * map if it is newer, any node hands it on, and the controller is asked when no node answers.
 */
import type { Cancel, Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { compareEpochs, formatEpoch } from "../../src/placement/epoch.ts";
import { decodeEpoch, decodeMap } from "../../src/placement/map-codec.ts";
import type { Address, Epoch, FleetMap, NodeEntry } from "../../src/placement/types.ts";
import { checkDeadline, type Deadline, leftMs, pause, startDeadline, within } from "./deadline.ts";
import type { NodePool } from "./node-pool.ts";

const noEpoch: Epoch = { term: 0, n: 0 };
const lookName = "the look for a newer map";
const lookEveryMs = 1000;
/** A look asks up to three nodes and then the controller. */
const lookMsMax = 5000;
const perNodeMs = 1000;
/** Whoever calls knows of nodes that join after so long at most. */
const freshMs = 500;

export interface FleetViewOptions {
  readonly seeds: readonly Address[];
  /** The pool whose connections report maps to `offer`; made after the view, hence a function. */
  readonly pool: () => NodePool;
  /** The encoded map from the controller; undefined where there is no controller to ask (a node). */
  readonly askController?: (after: Epoch, deadline: Deadline) => Promise<Uint8Array | undefined>;
}

export class FleetView {
  readonly #options: FleetViewOptions;
  readonly #listeners = new Set<(map: FleetMap) => void>();
  #map: FleetMap | undefined;
  #epochText = formatEpoch(noEpoch);
  #nodes = new Map<NodeId, NodeEntry>();
  readonly #latencyMs = new Map<NodeId, number>();
  #refreshing: Promise<void> | undefined;
  #lookAtMs = 0;
  #watchers = 0;
  #willLook = false;

  constructor(options: FleetViewOptions) {
    this.#options = options;
  }

  get epoch(): Epoch {
    return this.#map?.epoch ?? noEpoch;
  }

  /** `epoch` as it is written on the wire. */
  get epochText(): string {
    return this.#epochText;
  }

  /** The newest map, if any has come yet. */
  get current(): FleetMap | undefined {
    return this.#map;
  }

  node(id: NodeId): NodeEntry | undefined {
    return this.#nodes.get(id);
  }

  /** Takes a map if it is newer than the one at hand: the same one comes on many ways. */
  offer(encoded: Uint8Array): void {
    if (this.#map !== undefined && compareEpochs(decodeEpoch(encoded), this.#map.epoch) <= 0) return;
    this.adopt(decodeMap(encoded, this.#map));
  }

  adopt(map: FleetMap): void {
    if (this.#map !== undefined && compareEpochs(map.epoch, this.#map.epoch) <= 0) return;
    this.#map = map;
    this.#epochText = formatEpoch(map.epoch);
    this.#nodes = new Map(map.nodes.map((node) => [node.id, node]));
    for (const id of this.#latencyMs.keys()) if (!this.#nodes.has(id)) this.#latencyMs.delete(id);
    this.#options.pool().keepOnly(map.nodes.filter((node) => node.state !== "dead"));
    for (const listener of this.#listeners) listener(map);
  }

  /** Typical time of a bulk answer of the node, for hedging; 0 before the first. */
  latencyMs(id: NodeId): number {
    return this.#latencyMs.get(id) ?? 0;
  }

  observeLatency(id: NodeId, ms: number): void {
    const known = this.#latencyMs.get(id);
    this.#latencyMs.set(id, known === undefined ? ms : known + (ms - known) / 8);
  }

  onChange(listener: (map: FleetMap) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Waits `delayMs`, or until there is a newer map, with which what failed may succeed. Throws like `checkDeadline`. */
  async pause(deadline: Deadline, delayMs: number, last?: unknown): Promise<void> {
    let forget: (() => void) | undefined;
    const changed = new Promise<void>((resolve) => {
      forget = this.onChange(() => resolve());
    });
    await Promise.race([pause(deadline, delayMs, last), changed]).finally(forget);
  }

  /**
   * The map, waiting for the first one, for nodes of a fleet that sleeps, and for whoever writes until all of it is awake.
   * Throws UNAVAILABLE or DEADLINE_EXCEEDED when none can be had.
   */
  async ready(deadline: Deadline, writes = false): Promise<FleetMap> {
    let last: unknown;
    for (let tries = 0; ; tries++) {
      const map = this.#map;
      if (map !== undefined && !this.#sleeps() && !(writes && map.hibernation)) return map;
      if (tries > 0) await this.pause(deadline, 100, last);
      checkDeadline(deadline, last);
      try {
        await this.refresh(deadline);
      } catch (thrown) {
        last = thrown;
        if (MayflyError.from(thrown).kind === "invalid") throw thrown;
      }
    }
  }

  /** The fleet has no nodes until its controller, which is asked for the map, has woken it. */
  #sleeps(): boolean {
    return this.#map?.hibernation !== undefined && this.#map.nodes.length === 0;
  }

  /** Looks for a newer map once; concurrent callers share the look, but each waits by its own deadline. */
  refresh(deadline: Deadline): Promise<void> {
    this.#refreshing ??= this.#refresh(startDeadline(deadline.clock, lookMsMax, undefined, lookName)).finally(
      () => {
        this.#refreshing = undefined;
      },
    );
    return within(deadline, this.#refreshing);
  }

  /** To be called with each call: now and then one looks for a newer map, since nothing fails when nodes join. */
  keepFresh(clock: Clock): void {
    const nowMs = clock.now();
    if (nowMs < this.#lookAtMs) return;
    if (this.#lookAtMs > 0) this.#look(clock);
    this.#lookAtMs = nowMs + freshMs;
  }

  #look(clock: Clock): void {
    const deadline = startDeadline(clock, 2 * lookEveryMs, undefined, lookName);
    this.refresh(deadline).catch(() => undefined);
  }

  /**
   * To be called while a node owes an answer: looks for a newer map every second until the result is called. A frozen
   * node neither answers nor closes its connections, so that it is dead can be learnt from the map alone.
   */
  watch(clock: Clock): Cancel {
    this.#watchers += 1;
    this.#lookLater(clock);
    let watching = true;
    return () => {
      if (watching) this.#watchers -= 1;
      watching = false;
    };
  }

  /** One timer for all who watch; it stops by itself when it finds nobody. */
  #lookLater(clock: Clock): void {
    if (this.#willLook) return;
    this.#willLook = true;
    const look = (): void => {
      this.#willLook = false;
      if (this.#watchers === 0) return;
      this.#look(clock);
      this.#lookLater(clock);
    };
    clock.after(lookEveryMs, look, true);
  }

  async #refresh(deadline: Deadline): Promise<void> {
    const known = this.#map?.nodes.filter((node) => node.state !== "dead") ?? [];
    // Those of the ticket are gone when the fleet sleeps: its controller wakes it.
    const places: readonly Address[] = known.length > 0 || this.#sleeps() ? known : this.#options.seeds;
    const pool = this.#options.pool();
    // Whoever is asked tells the controller, which finds out.
    const suspect = known.find((node) => pool.failedLately(node));
    const args = suspect === undefined ? [this.#epochText] : [this.#epochText, suspect.id];
    let last: MayflyError | undefined;
    for (const place of rotated(places).slice(0, 3)) {
      try {
        const connection = pool.connection(place, "small");
        const perNode = { ...deadline, atMs: deadline.clock.now() + Math.min(perNodeMs, leftMs(deadline)) };
        const encoded = await connection.request("MF.MAP", args, { deadline: perNode });
        if (encoded instanceof Uint8Array) this.offer(encoded);
        if (this.#map !== undefined) return;
      } catch (thrown) {
        last = MayflyError.from(thrown);
        if (last.code === "CLOSED") throw last;
      }
    }
    try {
      const encoded = await this.#options.askController?.(this.epoch, deadline);
      if (encoded !== undefined) this.offer(encoded);
    } catch (thrown) {
      last = last?.kind === "invalid" ? last : MayflyError.from(thrown);
    }
    if (this.#map !== undefined) return;
    // A token that no node takes: to look again is of no use.
    if (last?.kind === "invalid" || last?.code === "CONTROLLER_UNREACHABLE") throw last;
    const message = "No node of the ticket answered, and the controller has no map.";
    throw new MayflyError("UNAVAILABLE", message, { cause: last });
  }
}

/** Starts at a rotating place, so that a fleet's clients do not all ask the same node first. */
let rotation = 0;
function rotated<T>(items: readonly T[]): T[] {
  rotation += 1;
  return items.map((_, i) => items[(i + rotation) % items.length]!);
}
