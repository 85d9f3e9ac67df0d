import type { Deadline } from "../transport/deadline.ts";
import type { Notice } from "./layout.ts";
import { readNotices } from "./notices.ts";
import type { ShuffleKeys } from "./shuffle-keys.ts";

/** Notices of committed outputs, read and decoded once for all readers that a process has of a shuffle. */
export class NoticeFeed {
  readonly #keys: ShuffleKeys;
  readonly #notices: Notice[] = [];
  /** Number of the last one, in its queue. */
  #last = 0;

  constructor(keys: ShuffleKeys) {
    this.#keys = keys;
  }

  /**
   * All behind the first `known` ones, in the order in which they were told; with `waits` held back until there is one, or shortly
   * before the deadline.
   */
  async behind(known: number, waits: boolean, deadline: Deadline): Promise<readonly Notice[]> {
    while (this.#notices.length <= known) {
      const after = this.#last;
      const { notices, last } = await readNotices(this.#keys, after, waits, deadline);
      // Else another reader was told of them meanwhile.
      if (this.#last === after) {
        this.#notices.push(...notices);
        this.#last = last;
      }
      if (notices.length === 0) break;
    }
    return this.#notices.slice(known);
  }

  /** All that were told until now. */
  async all(deadline: Deadline): Promise<readonly Notice[]> {
    let known: number;
    do {
      known = this.#notices.length;
      await this.behind(known, false, deadline);
    } while (this.#notices.length > known);
    return this.#notices;
  }
}
