/**
 * Replies of plain Redis commands leave in the order of the commands, also when one of them has to wait. Tagged
 * replies do not come here.
 */
import type { WriteReply } from "./call.ts";

interface Slot {
  write: WriteReply | undefined;
}

export class ReplyQueue {
  readonly #emit: (write: WriteReply) => void;
  readonly #slots: Slot[] = [];

  constructor(emit: (write: WriteReply) => void) {
    this.#emit = emit;
  }

  /** Commands whose replies are still owed. */
  get length(): number {
    return this.#slots.length;
  }

  /** Takes the next place; the function returned fills it. */
  next(): (write: WriteReply) => void {
    const slot: Slot = { write: undefined };
    this.#slots.push(slot);
    return (write) => {
      slot.write = write;
      for (let first = this.#slots[0]; first?.write !== undefined; first = this.#slots[0]) {
        this.#slots.shift();
        this.#emit(first.write);
      }
    };
  }
}
