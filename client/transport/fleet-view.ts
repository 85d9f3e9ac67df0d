/**
 * The newest map this client knows, and the way to a newer one: the first reply of every connection brings the
 * map if it is newer, any node hands it on, and the controller is asked when no node answers.
 */
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { compareEpochs, formatEpoch } from "../../src/placement/epoch.ts";
import { decodeMap } from "../../src/placement/map-codec.ts";
import type { Address, Epoch, FleetMap, NodeEntry } from "../../src/placement/types.ts";
import { checkDeadline, type Deadline, pause } from "./deadline.ts";
import type { NodePool } from "./node-pool.ts";

const noEpoch: Epoch = { term: 0, n: 0 };

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
  #nodes = new Map<NodeId, NodeEntry>();
  readonly #latencyMs = new Map<NodeId, number>();
  #refreshing: Promise<void> | undefined;

  constructor(options: FleetViewOptions) {
    this.#options = options;
  }

  get epoch(): Epoch {
    return this.#map?.epoch ?? noEpoch;
  }

  /** The newest map, if any has come yet. */
  get current(): FleetMap | undefined {
    return this.#map;
  }

  node(id: NodeId): NodeEntry | undefined {
    return this.#nodes.get(id);
  }

  /** Takes a map if it is newer than the one at hand. */
  offer(encoded: Uint8Array): void {
    this.adopt(decodeMap(encoded));
  }

  adopt(map: FleetMap): void {
    if (this.#map !== undefined && compareEpochs(map.epoch, this.#map.epoch) <= 0) return;
    this.#map = map;
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

  /** The map, waiting for the first one. Throws UNAVAILABLE or DEADLINE_EXCEEDED when none can be had. */
  async ready(deadline: Deadline): Promise<FleetMap> {
    let last: unknown;
    while (this.#map === undefined) {
      checkDeadline(deadline, last);
      try {
        await this.refresh(deadline);
      } catch (error) {
        last = error;
        await pause(deadline, 100, error);
      }
    }
    return this.#map;
  }

  /** Looks for a newer map once; concurrent callers share the look. */
  refresh(deadline: Deadline): Promise<void> {
    this.#refreshing ??= this.#refresh(deadline).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #refresh(deadline: Deadline): Promise<void> {
    const known = this.#map?.nodes.filter((node) => node.state !== "dead") ?? [];
    const places: readonly Address[] = known.length > 0 ? known : this.#options.seeds;
    let last: unknown;
    for (const place of rotated(places).slice(0, 3)) {
      try {
        const connection = this.#options.pool().connection(place, "small");
        const perNode = { ...deadline, atMs: Math.min(deadline.atMs, deadline.clock.now() + 1000) };
        const encoded = await connection.request("MF.MAP", [formatEpoch(this.epoch)], { deadline: perNode });
        if (encoded instanceof Uint8Array) this.offer(encoded);
        if (this.#map !== undefined) return;
      } catch (error) {
        last = error;
      }
    }
    const encoded = await this.#options.askController?.(this.epoch, deadline);
    if (encoded !== undefined) this.offer(encoded);
    else if (this.#map === undefined) {
      throw new MayflyError(
        "UNAVAILABLE",
        "No node of the ticket answered and the controller has no map yet.",
        {
          cause: last,
        },
      );
    }
  }
}

/** Starts at a rotating place, so that a fleet's clients do not all ask the same node first. */
let rotation = 0;
function rotated<T>(items: readonly T[]): T[] {
  rotation += 1;
  return items.map((_, i) => items[(i + rotation) % items.length]!);
}
