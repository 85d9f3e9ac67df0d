/** The bytes of one stripe, read by a node from the nodes that hold it, verified, and rebuilt where shards are gone. */
import { checkDeadline, type Deadline } from "../../client/transport/deadline.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { type Stripe, storedBytes } from "../../src/wire/stripe-layout.ts";
import { gatherShards } from "../relocation/gather-shards.ts";
import type { ScratchMemory } from "../relocation/scratch-memory.ts";
import { type Fetched, fetchShard, type TransferOptions } from "../relocation/shard-transfer.ts";

export interface ReadStripeOptions extends TransferOptions {
  readonly scratch: ScratchMemory;
}

const fetchTimeoutMs = 4000;

/**
 * @param into as many bytes as the stripe has of the object
 * @throws MayflyError UNAVAILABLE when too few nodes of the stripe answer now; LOST when too few shards are left; DEADLINE_EXCEEDED,
 * JOB_ENDED
 */
export async function readStripe(
  options: ReadStripeOptions,
  job: JobNumber,
  ref: Ref,
  stripe: Stripe,
  into: Uint8Array,
  deadline: Deadline,
): Promise<void> {
  const { code, object } = ref;
  const placed = ref.stripes?.[stripe.index] ?? [];
  const memory = options.scratch.of(code);
  const lease = await memory.lease(code, stripe.shardBytes, deadline);
  try {
    const at = (index: number): number => lease.base + index * lease.stride;
    const fetch = (index: number, part: Deadline): Promise<Fetched> => {
      const atMs = Math.min(part.atMs, part.clock.now() + fetchTimeoutMs);
      const shard = { job, object, code, stripe, index, node: placed[index]! };
      const place = { memory, at: at(index), sumsAt: lease.sumsAt(index) };
      return fetchShard(options, shard, place, { ...part, atMs });
    };
    // Data shards first: where they all come nothing has to be computed.
    const { came, gone } = await gatherShards([...placed.keys()], code.d, fetch, deadline);
    checkDeadline(deadline);
    if (came.length < code.d) throw tooFew(ref, stripe, gone.length > code.p);
    const indexes = Array.from({ length: code.d }, (_, index) => index);
    const missing = indexes.filter((index) => !came.includes(index));
    if (missing.length > 0) {
      const wanted = [...placed.keys()].filter((index) => !came.includes(index));
      memory.codec(code).reconstruct(lease.base, lease.stride, stripe.shardBytes, wanted);
    }
    for (const index of indexes) {
      const length = storedBytes(stripe, code, index);
      if (length > 0) into.set(memory.view(at(index), length), index * stripe.shardBytes);
    }
  } finally {
    lease.release();
  }
}

function tooFew(ref: Ref, stripe: Stripe, lost: boolean): MayflyError {
  const what = `stripe ${stripe.index} of the object`;
  if (lost) return new MayflyError("LOST", `Too few shards of ${what} are left.`, { refs: [ref.toString()] });
  return new MayflyError("UNAVAILABLE", `Too few nodes of ${what} answer now.`, { retryAfterMs: 100 });
}
