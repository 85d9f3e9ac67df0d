const FIRST_BLOCK_BYTES = 4096;
const BLOCK_BYTES_MAX = 64 * 1024;

/**
 * Memory for the small arguments of a command that is cut by a chunk boundary. Handing out pieces of blocks, never
 * growing one, means that what was handed out stays where it is: every byte is copied once however finely it
 * trickles in. The first block is kept for the connection's next cut command; all others are let go.
 */
export class CarryBlocks {
  #first: Buffer | undefined;
  #block: Buffer | undefined;
  #used = 0;

  /** `length` bytes, with stale content, valid until `reset`. The caller has bounded the sum. */
  reserve(length: number): Buffer {
    let block = this.#block;
    if (block === undefined || this.#used + length > block.length) {
      block = this.#grow(length);
      this.#block = block;
      this.#used = 0;
    }
    const start = this.#used;
    this.#used += length;
    return block.subarray(start, this.#used);
  }

  reset(): void {
    this.#block = this.#first;
    this.#used = 0;
  }

  #grow(length: number): Buffer {
    if (this.#block === undefined) {
      this.#first = Buffer.allocUnsafeSlow(FIRST_BLOCK_BYTES);
      if (length <= FIRST_BLOCK_BYTES) return this.#first;
    }
    const doubled = 2 * (this.#block ?? this.#first)!.length;
    return Buffer.allocUnsafeSlow(Math.max(length, Math.min(BLOCK_BYTES_MAX, doubled)));
  }
}
