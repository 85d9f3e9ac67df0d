/** One at a time for each key, in the order of coming. */
import { type Deadline, within } from "../../client/transport/deadline.ts";

export class KeyTurns {
  /** Settles when all that came so far are done. */
  readonly #tails = new Map<string, Promise<void>>();

  /** @throws MayflyError DEADLINE_EXCEEDED when the turn does not come in time */
  async take<T>(key: string, deadline: Deadline, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key);
    let done = (): void => undefined;
    const own = new Promise<void>((resolve) => {
      done = resolve;
    });
    const tail = before === undefined ? own : before.then(() => own);
    this.#tails.set(key, tail);
    try {
      if (before !== undefined) await within(deadline, before);
      return await work();
    } finally {
      done();
      void tail.then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    }
  }
}
