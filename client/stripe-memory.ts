/**
 * The SDK's one fixed wasm memory: the coder, the checksum kernel and the stripes that are being written or repaired
 * share it, so that bytes are coded, summed and sent from one place. Stripes are leased; who finds no room waits.
 */
import { createFrameChecksums, type FrameChecksums, scratchBytes } from "../src/checksum/frame-checksums.ts";
import { createStripeCodec, type StripeCodec, strideFor } from "../src/erasure/codec.ts";
import { MayflyError } from "../src/errors.ts";
import type { Code } from "../src/placement/types.ts";
import { frameBytes, shardBytesMax } from "../src/wire/stripe-layout.ts";
import { checkDeadline, type Deadline, pause } from "./transport/deadline.ts";

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

export class StripeMemory {
  readonly buffer: Buffer;
  readonly checksums: FrameChecksums;
  readonly #memory: WebAssembly.Memory;
  readonly #codecs = new Map<string, StripeCodec>();
  /** One entry for each 64-KiB block: leased or not. */
  readonly #blocks: Uint8Array;
  readonly #firstBlock: number;
  #waiting: (() => void)[] = [];

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

  /** Room for a stripe of `code` with shards of `shardBytes`; waits until there is some. */
  async lease(code: Code, shardBytes: number, deadline: Deadline): Promise<StripeLease> {
    if (shardBytes > shardBytesMax) throw new RangeError(`a shard of ${shardBytes} bytes`);
    const shards = code.d + code.p;
    const stride = strideFor(shardBytes);
    const sumsBytes = Math.ceil(shardBytes / frameBytes) * sumBytes;
    const count = Math.ceil((shards * (stride + sumsBytes)) / blockBytes);
    if (count > this.#blocks.length - this.#firstBlock) {
      throw new MayflyError(
        "TOO_LARGE",
        `A stripe of code ${code.d}+${code.p} needs ${count * blockBytes} bytes and the stripe memory has ${this.buffer.length}.`,
      );
    }
    for (;;) {
      checkDeadline(deadline);
      const block = this.#find(count);
      if (block >= 0) return this.#take(block, count, shards, stride, sumsBytes);
      await this.#roomOr(deadline);
    }
  }

  /** Has the kernels optimised before the first stripe, in free memory if there is some. */
  #prewarm(codec: StripeCodec): void {
    const stride = strideFor(warmShardBytes);
    const block = this.#find(Math.ceil(((codec.d + codec.p) * stride) / blockBytes));
    if (block >= 0) codec.prewarm(block * blockBytes, stride, warmShardBytes);
  }

  #take(block: number, count: number, shards: number, stride: number, sumsBytes: number): StripeLease {
    this.#blocks.fill(1, block, block + count);
    const base = block * blockBytes;
    let released = false;
    return {
      base,
      stride,
      sumsAt: (shard) => base + shards * stride + shard * sumsBytes,
      release: () => {
        if (released) return;
        released = true;
        this.#blocks.fill(0, block, block + count);
        const waiting = this.#waiting;
        this.#waiting = [];
        for (const wake of waiting) wake();
      },
    };
  }

  #find(count: number): number {
    let run = 0;
    for (let block = this.#firstBlock; block < this.#blocks.length; block++) {
      run = this.#blocks[block] === 0 ? run + 1 : 0;
      if (run === count) return block - count + 1;
    }
    return -1;
  }

  /** Until a lease ends; a long pause as well, so that the deadline is seen. */
  #roomOr(deadline: Deadline): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      pause(deadline, 1000).then(resolve, reject);
    });
  }
}
