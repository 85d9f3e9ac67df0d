/**
 * Which of its objects still name each stored object that this node has written: one that nothing names any more is deleted. What
 * this node cannot know, since another one leads a row by now or may have, stays until its job ends.
 */
import type { Clock } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { type Group, groupOfObject, type JobNumber, type ObjectId } from "../../src/ids.ts";
import type { StoredPack } from "./write-pack.ts";

export interface LivePacksOptions {
  readonly clock: Clock;
  readonly store: () => Promise<ObjectStore>;
  /** Those who have begun to read it may end; the deletes of so long go in one request. */
  readonly deleteAfterMs: number;
}

interface Pack {
  readonly job: JobNumber;
  readonly name: string;
  readonly groups: ReadonlySet<Group>;
  readonly live: Set<ObjectId>;
}

const namesPerRequest = 1000;
const deleteTimeoutMs = 30_000;
/** More wait for the end of their jobs. */
const doomedMax = 100_000;

export class LivePacks {
  readonly #options: LivePacksOptions;
  readonly #packs = new Map<string, Pack>();
  readonly #groups = new Map<Group, Set<Pack>>();
  #doomed: string[] = [];
  #closed = false;

  constructor(options: LivePacksOptions) {
    this.#options = options;
  }

  add({ job, name, objects, certain }: StoredPack): void {
    if (!certain) return;
    const pack = { job, name, groups: groupsOf(objects), live: new Set(objects) };
    if (objects.length === 0) {
      this.#doom(pack);
      return;
    }
    this.#packs.set(name, pack);
    for (const group of pack.groups) {
      const packs = this.#groups.get(group) ?? new Set();
      this.#groups.set(group, packs.add(pack));
    }
  }

  /** No ref names this part of it any more, on all members of the row. May be said more than once. */
  freed(job: JobNumber, name: string, object: ObjectId): void {
    const pack = this.#packs.get(name);
    if (pack?.job !== job || !pack.live.delete(object) || pack.live.size > 0) return;
    this.#doom(pack);
  }

  /** From now on another node changes the refs of the group. */
  groupLeft(group: Group): void {
    for (const pack of this.#groups.get(group) ?? []) this.#forget(pack);
    this.#groups.delete(group);
  }

  jobEnded(job: JobNumber): void {
    for (const pack of this.#packs.values()) if (pack.job === job) this.#forget(pack);
  }

  close(): void {
    this.#closed = true;
  }

  #forget(pack: Pack): void {
    this.#packs.delete(pack.name);
    for (const group of pack.groups) {
      const packs = this.#groups.get(group);
      packs?.delete(pack);
      if (packs?.size === 0) this.#groups.delete(group);
    }
  }

  #doom(pack: Pack): void {
    this.#forget(pack);
    if (this.#doomed.length === 0) {
      this.#options.clock.after(this.#options.deleteAfterMs, () => this.#deleteDoomed(), true);
    }
    if (this.#doomed.length < doomedMax) this.#doomed.push(pack.name);
  }

  #deleteDoomed(): void {
    const doomed = this.#doomed;
    this.#doomed = [];
    if (this.#closed) return;
    // What fails goes with its job.
    void this.#delete(doomed).catch(() => undefined);
  }

  async #delete(names: readonly string[]): Promise<void> {
    const store = await this.#options.store();
    for (let at = 0; at < names.length; at += namesPerRequest) {
      await store.delete(names.slice(at, at + namesPerRequest), { timeoutMs: deleteTimeoutMs });
    }
  }
}

function groupsOf(objects: readonly ObjectId[]): Set<Group> {
  return new Set(objects.flatMap((object) => groupOfObject(object) ?? []));
}
