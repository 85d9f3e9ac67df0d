import type { Rng } from "../src/clock.ts";

/**
 * Numbers the mutations of one client, so that a node applies each once however often it is sent. `floor` tells the
 * node which results nobody will ask for again.
 */
export class Session {
  /** 8 random bytes. */
  readonly id: Uint8Array;
  #next = 1;
  #floor = 1;
  readonly #open = new Set<number>();

  constructor(rng: Rng) {
    this.id = rng.bytes(8);
  }

  begin(): number {
    const sequence = this.#next++;
    this.#open.add(sequence);
    return sequence;
  }

  end(sequence: number): void {
    this.#open.delete(sequence);
    while (this.#floor < this.#next && !this.#open.has(this.#floor)) this.#floor += 1;
  }

  /** The lowest sequence whose answer is still awaited. */
  get floor(): number {
    return this.#floor;
  }
}
