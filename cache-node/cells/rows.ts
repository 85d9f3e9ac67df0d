/** What this node is to a group, by its map. */
import { MayflyError } from "../../src/errors.ts";
import type { Group, NodeId } from "../../src/ids.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import { groupCount } from "../../src/placement/groups.ts";
import type { FleetMap, Row } from "../../src/placement/types.ts";

const nobody: ReadonlySet<NodeId> = new Set();

export class Rows {
  readonly #self: () => NodeId;
  readonly #map: () => FleetMap | undefined;
  /** The map that `#dead` was taken from. */
  #deadIn: FleetMap | undefined;
  #dead = nobody;
  /** The map that `#primary` was taken from. */
  #primaryIn: FleetMap | undefined;
  /** 1 for each group that this node is the primary of. */
  readonly #primary = new Uint8Array(groupCount);

  constructor(self: () => NodeId, map: () => FleetMap | undefined) {
    this.#self = self;
    this.#map = map;
  }

  row(group: Group): Row | undefined {
    return this.#map()?.rows[group];
  }

  /** A node that finds itself declared dead in a map is nothing to anybody any more. */
  isPrimary(group: Group): boolean {
    const map = this.#map();
    if (map !== this.#primaryIn) {
      this.#primaryIn = map;
      this.#primary.fill(0);
      const self = this.#self();
      const alive = !this.#deadNodes().has(self);
      for (const [at, row] of map?.rows.entries() ?? [])
        if (alive && row.nodes[0] === self) this.#primary[at] = 1;
    }
    return this.#primary[group] === 1;
  }

  /** The row, when this node is its primary. @throws MayflyError MOVED */
  asPrimary(group: Group): Row {
    const row = this.row(group);
    if (row !== undefined && this.isPrimary(group)) return row;
    throw this.moved(group);
  }

  /**
   * True as primary, false as the backup that serves reads because those before it in the row are dead.
   * @throws MayflyError MOVED
   */
  canRead(group: Group): boolean {
    if (this.isPrimary(group)) return true;
    if (this.serves(group)) return false;
    throw this.moved(group);
  }

  /** Whether reads of the group are for this node. */
  serves(group: Group): boolean {
    const dead = this.#deadNodes();
    const reader = this.row(group)?.nodes.find((node) => !dead.has(node));
    return reader !== undefined && reader === this.#self();
  }

  moved(group: Group): MayflyError {
    const map = this.#map();
    const epoch = map === undefined ? "0.0" : formatEpoch(map.epoch);
    return new MayflyError("MOVED", `${epoch} group ${group} is not served here; refresh the map.`);
  }

  #deadNodes(): ReadonlySet<NodeId> {
    const map = this.#map();
    if (map !== this.#deadIn) {
      this.#deadIn = map;
      this.#dead = new Set(map?.nodes.filter((node) => node.state === "dead").map((node) => node.id));
    }
    return this.#dead;
  }
}
