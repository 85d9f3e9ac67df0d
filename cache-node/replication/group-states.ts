/** What this node has of each group: the newest effect applied here, and whether it has everything up to that. */
import type { Group } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import type { Version } from "../../src/wire/version.ts";

export class GroupStates {
  readonly #generation = new Uint32Array(groupCount);
  readonly #sequence = new Uint32Array(groupCount);
  /** The newest effect of the generation before, where that was applied here too. */
  readonly #generationBefore = new Uint32Array(groupCount);
  readonly #sequenceBefore = new Uint32Array(groupCount);
  readonly #complete = new Uint8Array(groupCount);

  last(group: Group): Version {
    return { generation: this.#generation[group]!, sequence: this.#sequence[group]! };
  }

  generation(group: Group): number {
    return this.#generation[group]!;
  }

  sequence(group: Group): number {
    return this.#sequence[group]!;
  }

  /** False of a node that never had the group, or lost track of it. */
  complete(group: Group): boolean {
    return this.#complete[group] === 1;
  }

  /**
   * Whether the effect of that version is among those applied here. Only of the last two generations: of older ones a
   * primary that missed what came since may have logged others in the same places.
   */
  includes(group: Group, { generation, sequence }: Version): boolean {
    if (generation === this.#generation[group]) return sequence <= this.#sequence[group]!;
    return generation === this.#generationBefore[group] && sequence <= this.#sequenceBefore[group]!;
  }

  /** The next effect was applied. */
  advance(group: Group, { generation, sequence }: Version): void {
    if (generation !== this.#generation[group]) {
      this.#generationBefore[group] = this.#generation[group]!;
      this.#sequenceBefore[group] = this.#sequence[group]!;
      this.#generation[group] = generation;
    }
    this.#sequence[group] = sequence;
  }

  /** What the node has was replaced as a whole: by a snapshot, or by nothing when the group is born. */
  begin(group: Group, version: Version, complete: boolean): void {
    this.#generation[group] = version.generation;
    this.#sequence[group] = version.sequence;
    this.#generationBefore[group] = 0;
    this.#sequenceBefore[group] = 0;
    this.#complete[group] = complete ? 1 : 0;
  }
}
