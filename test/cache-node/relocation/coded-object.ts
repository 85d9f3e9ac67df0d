import { StripeMemory } from "../../../client/stripe-memory.ts";
import { shardSeed } from "../../../src/checksum/frame-checksums.ts";
import { strideFor } from "../../../src/erasure/codec.ts";
import { type JobNumber, type NodeId, type ObjectId, objectIdBytes } from "../../../src/ids.ts";
import type { Code } from "../../../src/placement/types.ts";
import { decodeRef, encodeRef, type Ref } from "../../../src/wire/ref.ts";
import {
  frameBytes,
  frameCount,
  storedBytes,
  stripeAt,
  stripeCount,
} from "../../../src/wire/stripe-layout.ts";

export interface CodedShard {
  readonly stripe: number;
  readonly index: number;
  readonly payload: Buffer;
  readonly sums: Buffer;
}

export interface CodedObject {
  readonly job: JobNumber;
  readonly ref: Ref;
  readonly shards: readonly CodedShard[];
}

export interface Uncoded {
  readonly job: JobNumber;
  readonly object: ObjectId;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly code: Code;
  readonly stripes: readonly (readonly NodeId[])[];
}

let memory: StripeMemory | undefined;

/** All shards of an object as a writer would send them. */
export function codeObject({ job, object, key, bytes, code, stripes }: Uncoded): CodedObject {
  memory ??= new StripeMemory(16 * 2 ** 20);
  const sizeBytes = bytes.length;
  if (stripeCount(sizeBytes, code) !== stripes.length)
    throw new Error(`${stripes.length} stripes do not fit`);
  const ref = decodeRef(encodeRef({ object, key: Buffer.from(key), sizeBytes, code, stripes }));
  const base = 4 * 2 ** 20;
  const shards: CodedShard[] = [];
  for (const at of stripes.keys()) {
    const stripe = stripeAt(sizeBytes, code, at);
    const stride = strideFor(stripe.shardBytes);
    for (let index = 0; index < code.d; index++) {
      const from = stripe.offset + index * stripe.shardBytes;
      const stored = storedBytes(stripe, code, index);
      memory.buffer.fill(0, base + index * stride, base + index * stride + stripe.shardBytes);
      memory.buffer.set(bytes.subarray(from, from + stored), base + index * stride);
    }
    memory.codec(code).encode(base, stride, stripe.shardBytes);
    for (let index = 0; index < code.d + code.p; index++) {
      const stored = storedBytes(stripe, code, index);
      const payload = Buffer.from(memory.view(base + index * stride, stored));
      const sums = Buffer.alloc(frameCount(stored) * 8);
      const seed = shardSeed(job, objectIdBytes(object), at, index);
      memory.checksums.setSeed(seed.lo, seed.hi);
      memory.checksums.hashByteFrames(payload, frameBytes, sums);
      shards.push({ stripe: at, index, payload, sums });
    }
  }
  return { job, ref, shards };
}
