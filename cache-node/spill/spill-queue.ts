/**
 * The objects of the groups that this node leads which lie in memory, coldest first: in the order in which they were committed or
 * last read, as far as this node saw it. About 250 bytes each.
 */
import type { Group, JobNumber, ObjectId } from "../../src/ids.ts";
import type { SpillJob, SpillObject, SpillPreference } from "./plan-spill.ts";

export interface SpillCandidate extends SpillObject {
  readonly job: JobNumber;
  readonly group: Group;
  readonly name: string;
  readonly object: ObjectId;
  readonly sizeBytes: number;
  /** It is on its way to the store, or it failed to go there and rests. */
  busy: boolean;
}

export class SpillQueue {
  /** A Map keeps the order in which its entries came. */
  readonly #jobs = new Map<JobNumber, Map<string, SpillCandidate>>();
  #order = 0;
  count = 0;

  /** It is the warmest one from now on; another object that was known at the key is forgotten. */
  add(candidate: Omit<SpillCandidate, "order" | "busy">): void {
    let names = this.#jobs.get(candidate.job);
    if (names === undefined) {
      names = new Map();
      this.#jobs.set(candidate.job, names);
    }
    if (names.delete(candidate.name)) this.count -= 1;
    names.set(candidate.name, { ...candidate, order: ++this.#order, busy: false });
    this.count += 1;
  }

  /** The key was read. One that is on its way to the store stays as it is. */
  touch(job: JobNumber, name: string): void {
    const known = this.#jobs.get(job)?.get(name);
    if (known !== undefined && !known.busy) this.add(known);
  }

  get(job: JobNumber, name: string): SpillCandidate | undefined {
    return this.#jobs.get(job)?.get(name);
  }

  /** Forgets the object, unless the key has another one. */
  remove(job: JobNumber, name: string, object: ObjectId): void {
    const names = this.#jobs.get(job);
    if (names?.get(name)?.object !== object) return;
    names.delete(name);
    this.count -= 1;
    if (names.size === 0) this.#jobs.delete(job);
  }

  endJob(job: JobNumber): void {
    this.count -= this.#jobs.get(job)?.size ?? 0;
    this.#jobs.delete(job);
  }

  *all(): Iterable<SpillCandidate> {
    for (const names of this.#jobs.values()) yield* names.values();
  }

  /** For `planPack`. @param mayGo asked of each object that is looked at */
  *jobs(
    preferenceOf: (job: JobNumber) => SpillPreference,
    mayGo: (candidate: SpillCandidate) => boolean,
  ): Iterable<SpillJob<SpillCandidate>> {
    for (const [job, names] of this.#jobs) {
      yield { job, prefer: preferenceOf(job), objects: { [Symbol.iterator]: () => idle(names, mayGo) } };
    }
  }
}

function* idle(
  names: ReadonlyMap<string, SpillCandidate>,
  mayGo: (candidate: SpillCandidate) => boolean,
): Iterator<SpillCandidate> {
  for (const candidate of names.values()) if (!candidate.busy && mayGo(candidate)) yield candidate;
}
