/**
 * The epochs since which something is so: what was said before a node had that epoch says nothing about it. Forgotten
 * with the process; everything counts as having begun when it did.
 */
import { compareEpochs } from "../placement/epoch.ts";
import type { Epoch, FleetMap } from "../placement/types.ts";

export class Milestones {
  readonly #openedAt: Epoch;
  #rowsChangedAt: Epoch;
  #nodeDiedAt: Epoch;
  readonly #drainBeganAt = new Map<number, Epoch>();

  constructor(openedAt: Epoch) {
    this.#openedAt = openedAt;
    this.#rowsChangedAt = openedAt;
    this.#nodeDiedAt = openedAt;
  }

  /** To be called with each new map. */
  passed(before: FleetMap, after: FleetMap): void {
    if (before.rows !== after.rows) this.#rowsChangedAt = after.epoch;
    if (before.nodes === after.nodes) return;
    const were = new Map(before.nodes.map((node) => [node.id, node.state]));
    for (const { id, state } of after.nodes) {
      if (state === "draining" && were.get(id) !== "draining") this.#drainBeganAt.set(id, after.epoch);
      if (state !== "draining") this.#drainBeganAt.delete(id);
      if (state === "dead" && were.get(id) !== "dead") this.#nodeDiedAt = after.epoch;
      were.delete(id);
    }
    for (const [id, state] of were) {
      this.#drainBeganAt.delete(id);
      // A node that no row names is off the map as soon as it is dead; one that was drained is, too, and costs nothing.
      if (state !== "dead") this.#nodeDiedAt = after.epoch;
    }
  }

  /** The epoch from which on a report counts for the drain of a node. */
  drainCountsFrom(node: number): Epoch {
    return this.#withRows(this.#drainBeganAt.get(node) ?? this.#openedAt);
  }

  /** The epoch from which on a report counts for the repair of what was on dead nodes. */
  get repairCountsFrom(): Epoch {
    return this.#withRows(this.#nodeDiedAt);
  }

  /** Who leads a row since a report has not been asked yet what is left in it, and who led it then has nothing any more. */
  #withRows(began: Epoch): Epoch {
    return compareEpochs(began, this.#rowsChangedAt) > 0 ? began : this.#rowsChangedAt;
  }
}
