/** One shard from a node into the scratch memory, verified; or from there to a node. This node's own without a socket. */

import type { StripeMemory } from "../../client/stripe-memory.ts";
import type { Deadline } from "../../client/transport/deadline.ts";
import { shardSeed } from "../../src/checksum/frame-checksums.ts";
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, type NodeId, type ObjectId, objectIdBytes } from "../../src/ids.ts";
import type { Code } from "../../src/placement/types.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { frameBytes, frameCount, type Stripe, storedBytes } from "../../src/wire/stripe-layout.ts";
import type { JobDirectory } from "../job-directory.ts";
import type { ShardStore } from "../store/shard-store.ts";
import type { AskNode } from "./ask-node.ts";

const sumBytes = 8;

export interface TransferOptions {
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly jobs: Pick<JobDirectory, "ended" | "note">;
  readonly ask: AskNode;
}

export interface ShardPlace {
  readonly job: JobNumber;
  readonly object: ObjectId;
  readonly code: Code;
  readonly stripe: Stripe;
  readonly index: number;
  readonly node: NodeId;
}

/** Where a shard lies in the scratch memory, and behind it its checksums. */
export interface ScratchPlace {
  readonly memory: StripeMemory;
  readonly at: number;
  readonly sumsAt: number;
}

/** `gone`: it is not there, or its bytes are not right. `silent`: nobody knows. */
export type Fetched = "came" | "gone" | "silent";

/**
 * Fetches and verifies a shard; the rest up to the coded length is filled with zeros. Nothing is written to the place
 * after this settles.
 * @throws MayflyError ABORTED, JOB_ENDED, and what else no other shard would mend
 */
export async function fetchShard(
  options: TransferOptions,
  shard: ShardPlace,
  place: ScratchPlace,
  deadline: Deadline,
): Promise<Fetched> {
  const { memory, at } = place;
  const length = storedBytes(shard.stripe, shard.code, shard.index);
  memory.buffer.fill(0, at + length, at + shard.stripe.shardBytes);
  if (length === 0) return "came";
  if (shard.node === options.self()) return copyOwn(options, shard, place, length);
  let reply: RespValue;
  try {
    reply = await options.ask(shard.node, "bulk", "MF.SHARD.READ", readArgs(shard, length), {
      deadline,
      targetOf: (bytes, path) => (path[1] === 1 && bytes === length ? memory.view(at, length) : undefined),
    });
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (error.kind === "unavailable" || error.kind === "busy") return "silent";
    // The shard that is there is shorter than it should be.
    if (error.code === "INVALID_ARGUMENT") return "gone";
    throw error;
  }
  const run = Array.isArray(reply) ? reply[0] : undefined;
  if (!Array.isArray(run)) return "gone";
  const [sums, payload] = run;
  if (!(sums instanceof Uint8Array) || !(payload instanceof Uint8Array)) return "gone";
  return accept(shard, place, sums, payload, length);
}

function readArgs({ job, object, stripe, index }: ShardPlace, length: number): (number | Uint8Array)[] {
  return [job, objectIdBytes(object), stripe.index, index, 0, length, 0, frameCount(length)];
}

function copyOwn(
  { shards }: TransferOptions,
  shard: ShardPlace,
  place: ScratchPlace,
  length: number,
): Fetched {
  const own = shards.get(shard.job, { ...shard, stripe: shard.stripe.index });
  if (own?.payloadBytes !== length) return "gone";
  const view = own.block.view();
  return accept(shard, place, view.subarray(length), view.subarray(0, length), length);
}

function accept(
  shard: ShardPlace,
  { memory, at, sumsAt }: ScratchPlace,
  sums: Uint8Array,
  payload: Uint8Array,
  length: number,
): Fetched {
  if (payload.length !== length || sums.length !== frameCount(length) * sumBytes) return "gone";
  const inPlace = payload.buffer === memory.buffer.buffer && payload.byteOffset === at;
  if (!inPlace) memory.buffer.set(payload, at);
  memory.buffer.set(sums, sumsAt);
  seedFor(memory, shard);
  return memory.checksums.verifyFrames(at, length, frameBytes, sumsAt) === -1 ? "came" : "gone";
}

/** Makes the checksums of a shard that was rebuilt. */
export function sumShard(shard: Omit<ShardPlace, "node">, { memory, at, sumsAt }: ScratchPlace): void {
  seedFor(memory, shard);
  memory.checksums.hashFrames(at, storedBytes(shard.stripe, shard.code, shard.index), frameBytes, sumsAt);
}

function seedFor(memory: StripeMemory, { job, object, stripe, index }: Omit<ShardPlace, "node">): void {
  const seed = shardSeed(job, objectIdBytes(object), stripe.index, index);
  memory.checksums.setSeed(seed.lo, seed.hi);
}

/**
 * Stores a shard with its checksums on its node. The place must not change before this settles.
 * @throws MayflyError BUSY, NODE_UNREACHABLE, DEADLINE_EXCEEDED, ABORTED, JOB_ENDED
 */
export async function writeShard(
  options: TransferOptions,
  shard: ShardPlace,
  { memory, at, sumsAt }: ScratchPlace,
  deadline: Deadline,
): Promise<void> {
  const { job, object, stripe, index, node } = shard;
  const length = storedBytes(stripe, shard.code, index);
  const payload = memory.view(at, length);
  const sums = memory.view(sumsAt, frameCount(length) * sumBytes);
  if (node !== options.self()) {
    const args = [job, objectIdBytes(object), stripe.index, index, sums, payload];
    await options.ask(node, "bulk", "MF.SHARD.WRITE", args, { deadline });
    return;
  }
  const { jobs, shards } = options;
  const ended = new MayflyError("JOB_ENDED", `Job ${job} has ended: nothing of it is relocated.`);
  if (jobs.ended(job)) throw ended;
  jobs.note(job);
  const space = shards.reserve(job, length + sums.length);
  if (space === undefined) {
    throw new MayflyError("BUSY", `This node has no memory for a shard of ${length} bytes now.`);
  }
  const view = space.block.view();
  view.set(payload);
  view.set(sums, length);
  if (!shards.keep({ object, stripe: stripe.index, index }, space, length)) throw ended;
}
