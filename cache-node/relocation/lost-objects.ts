/** Objects of which more than `p` shards of some stripe are gone. Their refs stay, so that reads can say so. */
import type { Group, JobNumber } from "../../src/ids.ts";

interface LostObject {
  readonly job: JobNumber;
  readonly name: string;
}

const namesMax = 1000;

export class LostObjects {
  readonly #groups = new Map<Group, Map<string, LostObject>>();
  count = 0;

  add(group: Group, job: JobNumber, name: string): void {
    const objects = this.#groups.get(group) ?? new Map<string, LostObject>();
    this.#groups.set(group, objects);
    const key = `${job} ${name}`;
    if (objects.has(key)) return;
    objects.set(key, { job, name });
    this.count += 1;
  }

  /** At most 1,000 of them. */
  names(): LostObject[] {
    const names: LostObject[] = [];
    for (const objects of this.#groups.values()) {
      for (const object of objects.values()) {
        if (names.length === namesMax) return names;
        names.push(object);
      }
    }
    return names;
  }

  /** The group is looked at anew: some may have been overwritten or deleted. */
  begin(group: Group): void {
    this.count -= this.#groups.get(group)?.size ?? 0;
    this.#groups.delete(group);
  }

  forgetGroups(isLeft: (group: Group) => boolean): void {
    for (const group of [...this.#groups.keys()]) if (isLeft(group)) this.begin(group);
  }

  endJob(job: JobNumber): void {
    for (const objects of this.#groups.values()) {
      for (const [key, object] of objects) {
        if (object.job !== job || !objects.delete(key)) continue;
        this.count -= 1;
      }
    }
  }
}
