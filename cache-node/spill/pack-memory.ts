/** The memory that packs are gathered in, used again: fresh memory costs more than what is copied into it. */

export class PackMemory {
  readonly #bytes: number;
  readonly #count: number;
  readonly #spare: Buffer[] = [];

  /** Keeps up to `count` pieces of `bytes`. */
  constructor(bytes: number, count: number) {
    this.#bytes = bytes;
    this.#count = count;
  }

  /** At least so many bytes of memory, with anything in them. */
  take(bytes: number): Buffer {
    const spare = bytes <= this.#bytes ? this.#spare.pop() : undefined;
    return spare ?? Buffer.allocUnsafeSlow(Math.max(bytes, this.#bytes));
  }

  /** Nobody uses it any more. */
  giveBack(memory: Buffer): void {
    if (memory.length === this.#bytes && this.#spare.length < this.#count) this.#spare.push(memory);
  }
}
