/** Brings the data of one stripe from its nodes, verified, framed as it lies in the object store (src/wire/stored-layout.ts). */
import { checkDeadline, type Deadline, startDeadline } from "../../client/transport/deadline.ts";
import type { StopSignal } from "../../client/transport/stop.ts";
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber } from "../../src/ids.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { sumBytes } from "../../src/wire/stored-layout.ts";
import { frameBytes, type Stripe, storedBytes, stripeAt } from "../../src/wire/stripe-layout.ts";
import { gatherShards } from "../relocation/gather-shards.ts";
import { fateOf, statesOf } from "../relocation/plan-relocation.ts";
import type { ScratchMemory } from "../relocation/scratch-memory.ts";
import {
  type Fetched,
  fetchShard,
  type ScratchPlace,
  type ShardPlace,
  sumShard,
  type TransferOptions,
} from "../relocation/shard-transfer.ts";

export interface GatherOptions extends TransferOptions {
  readonly clock: Clock;
  readonly scratch: ScratchMemory;
  readonly map: () => FleetMap | undefined;
}

const stripeTimeoutMs = 20_000;
const fetchTimeoutMs = 4000;

/**
 * Writes the frames of the stripe's data shards and their checksums into `into`, which has room for exactly those. Missing data
 * shards are rebuilt from parity.
 * @throws MayflyError LOST when too few shards are left; UNAVAILABLE when too few nodes answer now; ABORTED, JOB_ENDED
 */
export async function gatherStripe(
  options: GatherOptions,
  job: JobNumber,
  ref: Ref,
  index: number,
  into: Uint8Array,
  signal: StopSignal,
): Promise<void> {
  const { code, object } = ref;
  const stripe = stripeAt(ref.sizeBytes, code, index);
  const placed = ref.stripes![index]!;
  const memory = options.scratch.of(code);
  const deadline = startDeadline(options.clock, stripeTimeoutMs, signal, "gathering a stripe to spill it");
  const lease = await memory.lease(code, stripe.shardBytes, deadline);
  try {
    const shard = (at: number): ShardPlace => ({ job, object, code, stripe, index: at, node: placed[at]! });
    const place = (at: number): ScratchPlace => ({
      ...{ memory, at: lease.base + at * lease.stride, sumsAt: lease.sumsAt(at) },
    });
    const states = statesOf(options.map()?.nodes ?? []);
    // Data first: parity is fetched only in the place of something.
    const there = [...placed.keys()].filter((at) => fateOf(states, placed[at]!) !== "gone");
    const fetch = (at: number, part: Deadline): Promise<Fetched> => {
      const atMs = Math.min(part.atMs, options.clock.now() + fetchTimeoutMs);
      return fetchShard(options, shard(at), place(at), { ...part, atMs });
    };
    const { came, gone } = await gatherShards(there, code.d, fetch, deadline);
    checkDeadline(deadline);
    if (came.length < code.d) throw tooFew(stripe, placed.length - there.length + gone.length > code.p);
    const missing = [...placed.keys()].filter((at) => !came.includes(at));
    if (missing.some((at) => at < code.d)) {
      memory.codec(code).reconstruct(lease.base, lease.stride, stripe.shardBytes, missing);
      for (const at of missing) if (at < code.d) sumShard(shard(at), place(at));
    }
    let to = 0;
    for (let at = 0; at < code.d; at++) to = frame(place(at), storedBytes(stripe, code, at), into, to);
  } finally {
    lease.release();
  }
}

/** Copies a shard's frames, each with its checksum behind it. Returns where the next one goes. */
function frame({ memory, at, sumsAt }: ScratchPlace, length: number, into: Uint8Array, from: number): number {
  let to = from;
  for (let offset = 0; offset < length; offset += frameBytes) {
    const bytes = Math.min(frameBytes, length - offset);
    into.set(memory.view(at + offset, bytes), to);
    into.set(memory.view(sumsAt + (offset / frameBytes) * sumBytes, sumBytes), to + bytes);
    to += bytes + sumBytes;
  }
  return to;
}

function tooFew({ index }: Stripe, lost: boolean): MayflyError {
  if (lost) return new MayflyError("LOST", `Too few shards of stripe ${index} are left to spill it.`);
  return new MayflyError("UNAVAILABLE", `Too few nodes of stripe ${index} answer to spill it now.`);
}
