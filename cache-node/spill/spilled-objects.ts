/** The objects of the groups that this node leads which lie in the object store and not in memory. About 150 bytes each. */
import type { JobNumber, ObjectId } from "../../src/ids.ts";

export class SpilledObjects {
  readonly #jobs = new Map<JobNumber, Map<ObjectId, number>>();
  count = 0;
  bytes = 0;

  add(job: JobNumber, object: ObjectId, sizeBytes: number): void {
    let objects = this.#jobs.get(job);
    if (objects === undefined) {
      objects = new Map();
      this.#jobs.set(job, objects);
    }
    this.remove(job, object);
    objects.set(object, sizeBytes);
    this.count += 1;
    this.bytes += sizeBytes;
  }

  remove(job: JobNumber, object: ObjectId): void {
    const objects = this.#jobs.get(job);
    const sizeBytes = objects?.get(object);
    if (objects === undefined || sizeBytes === undefined) return;
    objects.delete(object);
    this.count -= 1;
    this.bytes -= sizeBytes;
  }

  endJob(job: JobNumber): void {
    for (const sizeBytes of this.#jobs.get(job)?.values() ?? []) {
      this.count -= 1;
      this.bytes -= sizeBytes;
    }
    this.#jobs.delete(job);
  }

  *all(): Iterable<{ readonly job: JobNumber; readonly object: ObjectId }> {
    for (const [job, objects] of this.#jobs) for (const object of objects.keys()) yield { job, object };
  }
}
