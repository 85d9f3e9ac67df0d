/** Bounds the memory of uploads that are under way: who finds no room waits, first come, first served. */
import { type Deadline, within } from "../../client/transport/deadline.ts";

interface Waiting {
  readonly bytes: number;
  readonly grant: () => void;
}

export class UploadBudget {
  readonly #bytesMax: number;
  #usedBytes = 0;
  #waiting: Waiting[] = [];

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** More than there is altogether counts as all of it. @throws MayflyError DEADLINE_EXCEEDED */
  async use<T>(bytes: number, deadline: Deadline, work: () => Promise<T>): Promise<T> {
    const wanted = Math.min(bytes, this.#bytesMax);
    await this.#take(wanted, deadline);
    try {
      return await work();
    } finally {
      this.#usedBytes -= wanted;
      this.#grant();
    }
  }

  async #take(bytes: number, deadline: Deadline): Promise<void> {
    if (this.#waiting.length === 0 && this.#usedBytes + bytes <= this.#bytesMax) {
      this.#usedBytes += bytes;
      return;
    }
    let waiting: Waiting = { bytes, grant: () => undefined };
    const granted = new Promise<void>((resolve) => {
      waiting = { bytes, grant: resolve };
    });
    this.#waiting.push(waiting);
    try {
      await within(deadline, granted);
    } catch (thrown) {
      if (this.#waiting.includes(waiting)) this.#waiting = this.#waiting.filter((each) => each !== waiting);
      else this.#usedBytes -= bytes;
      this.#grant();
      throw thrown;
    }
  }

  #grant(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#usedBytes + next.bytes > this.#bytesMax) return;
      this.#waiting.shift();
      this.#usedBytes += next.bytes;
      next.grant();
    }
  }
}
