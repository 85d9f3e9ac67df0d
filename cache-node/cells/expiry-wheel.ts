/** What is due when, in buckets of a second: cheap for millions of entries, and late by at most one bucket. */
const bucketMs = 1000;

/** How long it is said that a key expired, before it counts as never written. */
export const expiredKeptMs = 10 * 60_000;

export class ExpiryWheel<T> {
  readonly #buckets = new Map<number, T[]>();
  #next = Number.POSITIVE_INFINITY;

  /** @param atMs wall clock */
  add(atMs: number, item: T): void {
    const bucket = Math.ceil(atMs / bucketMs);
    const items = this.#buckets.get(bucket);
    if (items === undefined) this.#buckets.set(bucket, [item]);
    else items.push(item);
    this.#next = Math.min(this.#next, bucket);
  }

  /** Takes out all that is due at `nowMs`. */
  take(nowMs: number): T[] {
    const now = Math.floor(nowMs / bucketMs);
    if (now < this.#next) return [];
    const due: T[] = [];
    this.#next = Number.POSITIVE_INFINITY;
    for (const [bucket, items] of this.#buckets) {
      if (bucket > now) {
        this.#next = Math.min(this.#next, bucket);
        continue;
      }
      due.push(...items);
      this.#buckets.delete(bucket);
    }
    return due;
  }
}
