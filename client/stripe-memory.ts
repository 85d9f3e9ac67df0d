/**
 * The SDK's one fixed wasm memory: the coder, the checksum kernel and the stripes that are being written or repaired
 * share it, so that bytes are coded, summed and sent from one place. Stripes are leased; who finds no room waits.
 */
import { createFrameChecksums, type FrameChecksums, scratchBytes } from "../src/checksum/frame-checksums.ts";
import { createStripeCodec, type StripeCodec, strideFor } from "../src/erasure/codec.ts";
import { MayflyError } from "../src/errors.ts";
import type { Code } from "../src/placement/types.ts";
import { frameBytes, shardBytesMax } from "../src/wire/stripe-layout.ts";
import { checkDeadline, type Deadline, within } from "./transport/deadline.ts";

export const stripeMemoryBytesDefault = 64 * 1024 * 1024;
const blockBytes = 64 * 1024;
const sumBytes = 8;
const warmShardBytes = 4096;

/** A region for one stripe: shard `i` at `base + i * stride`, and behind each shard room for its checksums. */
export interface StripeLease {
  readonly base: number;
  readonly stride: number;
  /** Where the checksums of shard `i` go. */
  sumsAt(shard: number): number;
  release(): void;
}

interface Waiting {
  readonly blocks: number;
  readonly grant: (firstBlock: number) => void;
}

export class StripeMemory {
  readonly buffer: Buffer;
  readonly checksums: FrameChecksums;
  readonly #memory: WebAssembly.Memory;
  readonly #codecs = new Map<string, StripeCodec>();
  /** One entry for each 64-KiB block: leased or not. */
  readonly #blocks: Uint8Array;
  readonly #firstBlock: number;
  /** First come, first served, so that a large stripe is not passed by small ones for ever. */
  #waiting: Waiting[] = [];

  /** @param sizeBytes rounded down to 64 KiB; at least 8 MiB */
  constructor(sizeBytes = stripeMemoryBytesDefault) {
    const pages = Math.floor(sizeBytes / blockBytes);
    if (pages < 128) throw new RangeError(`${sizeBytes} bytes are too few for the stripe memory`);
    this.#memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.buffer = Buffer.from(this.#memory.buffer);
    this.#firstBlock = 1 + Math.ceil(scratchBytes / blockBytes);
    this.checksums = createFrameChecksums(this.#memory, blockBytes);
    this.#blocks = new Uint8Array(pages);
    this.#blocks.fill(1, 0, this.#firstBlock);
  }

  codec(code: Code): StripeCodec {
    const name = `${code.d}+${code.p}`;
    let codec = this.#codecs.get(name);
    if (codec === undefined) {
      codec = createStripeCodec(code.d, code.p, this.#memory);
      this.#codecs.set(name, codec);
      this.#prewarm(codec);
    }
    return codec;
  }

  view(at: number, length: number): Buffer {
    return this.buffer.subarray(at, at + length);
  }

  /**
   * Room for a stripe of `code` with shards of `shardBytes`; waits until there is some. Whoever holds a lease must not
   * wait for another one.
   * @throws MayflyError TOO_LARGE when it can never fit; DEADLINE_EXCEEDED, ABORTED
   */
  async lease(code: Code, shardBytes: number, deadline: Deadline): Promise<StripeLease> {
    if (shardBytes > shardBytesMax) throw new RangeError(`a shard of ${shardBytes} bytes`);
    const shards = code.d + code.p;
    const stride = strideFor(shardBytes);
    const sumsBytes = Math.ceil(shardBytes / frameBytes) * sumBytes;
    const count = Math.ceil((shards * (stride + sumsBytes)) / blockBytes);
    if (count > this.#blocks.length - this.#firstBlock) {
      throw new MayflyError(
        "TOO_LARGE",
        `A stripe of code ${code.d}+${code.p} needs ${count * blockBytes} bytes and the stripe memory has ` +
          `${this.buffer.length}; connect with a larger stripeMemoryBytes, or use a code with fewer shards.`,
      );
    }
    checkDeadline(deadline);
    const block = await this.#acquire(count, deadline);
    const base = block * blockBytes;
    let released = false;
    return {
      base,
      stride,
      sumsAt: (shard) => base + shards * stride + shard * sumsBytes,
      release: () => {
        if (released) return;
        released = true;
        this.#free(block, count);
      },
    };
  }

  /** Has the kernels optimised before the first stripe, in free memory if there is some. */
  #prewarm(codec: StripeCodec): void {
    const stride = strideFor(warmShardBytes);
    const block = this.#find(Math.ceil(((codec.d + codec.p) * stride) / blockBytes));
    if (block >= 0) codec.prewarm(block * blockBytes, stride, warmShardBytes);
  }

  async #acquire(count: number, deadline: Deadline): Promise<number> {
    const block = this.#waiting.length === 0 ? this.#find(count) : -1;
    if (block >= 0) {
      this.#blocks.fill(1, block, block + count);
      return block;
    }
    let waiting: Waiting | undefined;
    const granted = new Promise<number>((resolve) => {
      waiting = { blocks: count, grant: resolve };
      this.#waiting.push(waiting);
    });
    try {
      return await within(deadline, granted);
    } catch (error) {
      const left = this.#waiting.filter((entry) => entry !== waiting);
      // What was granted in the moment of giving up goes back.
      if (left.length === this.#waiting.length) granted.then((late) => this.#free(late, count));
      this.#waiting = left;
      this.#serve();
      throw error;
    }
  }

  #free(block: number, count: number): void {
    this.#blocks.fill(0, block, block + count);
    this.#serve();
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const block = this.#find(first.blocks);
      if (block < 0) return;
      this.#blocks.fill(1, block, block + first.blocks);
      this.#waiting.shift();
      first.grant(block);
    }
  }

  #find(count: number): number {
    let run = 0;
    for (let block = this.#firstBlock; block < this.#blocks.length; block++) {
      run = this.#blocks[block] === 0 ? run + 1 : 0;
      if (run === count) return block - count + 1;
    }
    return -1;
  }
}
