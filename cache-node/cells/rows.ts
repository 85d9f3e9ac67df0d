/** What this node is to a group, by its map. */
import { MayflyError } from "../../src/errors.ts";
import type { Group, NodeId } from "../../src/ids.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { FleetMap, Row } from "../../src/placement/types.ts";

export class Rows {
  readonly #self: () => NodeId;
  readonly #map: () => FleetMap | undefined;

  constructor(self: () => NodeId, map: () => FleetMap | undefined) {
    this.#self = self;
    this.#map = map;
  }

  row(group: Group): Row | undefined {
    return this.#map()?.rows[group];
  }

  isPrimary(group: Group): boolean {
    return this.row(group)?.nodes[0] === this.#self();
  }

  /** The row, when this node is its primary. @throws MayflyError MOVED */
  asPrimary(group: Group): Row {
    const row = this.row(group);
    if (row !== undefined && row.nodes[0] === this.#self()) return row;
    throw this.moved(group);
  }

  /**
   * True as primary, false as the backup that serves reads because those before it in the row are dead.
   * @throws MayflyError MOVED
   */
  canRead(group: Group): boolean {
    const row = this.row(group);
    const map = this.#map();
    if (row === undefined || map === undefined) throw this.moved(group);
    const self = this.#self();
    if (row.nodes[0] === self) return true;
    const dead = new Set(map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
    if (row.nodes.find((node) => !dead.has(node)) === self) return false;
    throw this.moved(group);
  }

  moved(group: Group): MayflyError {
    const map = this.#map();
    const epoch = map === undefined ? "0.0" : formatEpoch(map.epoch);
    return new MayflyError("MOVED", `${epoch} group ${group} is not served here; refresh the map.`);
  }
}
