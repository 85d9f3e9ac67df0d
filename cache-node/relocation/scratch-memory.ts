/** The wasm memory that this node copies and rebuilds shards in: made when first needed, and bounded. */
import { StripeMemory } from "../../client/stripe-memory.ts";
import { strideFor } from "../../src/erasure/codec.ts";
import type { Code } from "../../src/placement/types.ts";
import { frameBytes, shardBytesMax } from "../../src/wire/stripe-layout.ts";

const mebibyte = 2 ** 20;
export const scratchBytesDefault: number = 16 * mebibyte;
/** What the memory needs for itself. */
const ownBytes = mebibyte;
const sumBytes = 8;

export class ScratchMemory {
  readonly #bytes: number;
  #memory: StripeMemory | undefined;

  /** @param bytes enough for a few stripes of usual codes, at least 8 MiB; a wide code gets as much as one stripe needs */
  constructor(bytes = scratchBytesDefault) {
    this.#bytes = bytes;
  }

  /** The memory to lease from for a stripe of `code`. Leases of a smaller one that it replaces stay good. */
  of({ d, p }: Code): StripeMemory {
    const perShard = strideFor(shardBytesMax) + (shardBytesMax / frameBytes) * sumBytes;
    const needed = (d + p) * perShard + ownBytes;
    if (this.#memory === undefined || this.#memory.buffer.length < needed) {
      this.#memory = new StripeMemory(Math.max(this.#bytes, Math.ceil(needed / mebibyte) * mebibyte));
    }
    return this.#memory;
  }
}
