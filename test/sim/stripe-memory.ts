/** The wasm memory that all simulated processes code and check in: real kernels, made once for all schedules. */
import { ScratchMemory } from "../../cache-node/relocation/scratch-memory.ts";
import { type StripeLease, StripeMemory } from "../../client/stripe-memory.ts";
import { checkDeadline, type Deadline } from "../../client/transport/deadline.ts";
import { strideFor } from "../../src/erasure/codec.ts";
import type { Code } from "../../src/placement/types.ts";
import { frameBytes } from "../../src/wire/stripe-layout.ts";

const mebibyte = 2 ** 20;
const firstByte = 2 * mebibyte;
const endByte = 16 * mebibyte;
const alignBytes = 4096;

/** The codes of simulated jobs. */
export const simCodes: readonly Code[] = [
  { d: 2, p: 1 },
  { d: 1, p: 1 },
  { d: 2, p: 2 },
];

/**
 * Leases are given in a circle and never waited for: processes that crash return none of theirs, and what a schedule does
 * must not depend on those before it. The circle is longer than what one schedule has under way.
 */
class SimStripeMemory extends StripeMemory {
  #next = firstByte;

  constructor() {
    super(endByte);
    // Not later: a new codec warms itself up in memory that it takes to be free.
    for (const code of simCodes) this.codec(code);
  }

  override async lease(code: Code, shardBytes: number, deadline: Deadline): Promise<StripeLease> {
    checkDeadline(deadline);
    const shards = code.d + code.p;
    const stride = strideFor(shardBytes);
    const sumsBytes = Math.ceil(shardBytes / frameBytes) * 8;
    const bytes = Math.ceil((shards * (stride + sumsBytes)) / alignBytes) * alignBytes;
    if (this.#next + bytes > endByte) this.#next = firstByte;
    const base = this.#next;
    this.#next += bytes;
    return {
      base,
      stride,
      sumsAt: (shard) => base + shards * stride + shard * sumsBytes,
      release: () => {},
    };
  }
}

let memory: SimStripeMemory | undefined;

export function simStripeMemory(): StripeMemory {
  memory ??= new SimStripeMemory();
  return memory;
}

/** For the relocations of simulated nodes. */
export class SimScratchMemory extends ScratchMemory {
  override of(): StripeMemory {
    return simStripeMemory();
  }
}
