/** One stripe on its way to the nodes: laid out, coded and summed in wasm memory, then sent shard by shard. */

import { shardSeed } from "../../src/checksum/frame-checksums.ts";
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, type ObjectId, objectIdBytes } from "../../src/ids.ts";
import { drawNodes } from "../../src/placement/draw-nodes.ts";
import type { Code, FleetMap } from "../../src/placement/types.ts";
import { frameBytes, frameCount, type Stripe, storedBytes } from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import type { StripeLease, StripeMemory } from "../stripe-memory.ts";
import { checkDeadline, type Deadline, pause } from "../transport/deadline.ts";

export interface StripeWrite {
  readonly object: ObjectId;
  readonly stripe: Stripe;
  readonly code: Code;
  /** The stripe's bytes; copied before the first await of `writeStripe`'s lease returns, so it may be reused after. */
  readonly bytes: Uint8Array;
}

/** A full node is asked again so often before another one gets the shard. */
const busyTriesMax = 5;
const fewNodesPauseMs = 200;

/**
 * Writes all shards of the stripe to distinct nodes; resolves when all have acknowledged. `nodes` is filled in with
 * where each shard lies, and when it rejects, with where shards may lie all the same.
 * @throws MayflyError NOT_ENOUGH_NODES when fewer than d+p distinct nodes take shards
 */
export async function writeStripe(
  context: ClientContext,
  write: StripeWrite,
  nodes: NodeId[],
  deadline: Deadline,
): Promise<void> {
  const map = await context.view.ready(deadline, true);
  const memory = context.memory();
  const { code, stripe } = write;
  const lease = await memory.lease(code, stripe.shardBytes, deadline);
  try {
    layOut(memory, lease, write);
    const drawn = drawNodes(map, code.d + code.p, context.rng);
    nodes.push(...drawn);
    const taken = new Set(drawn);
    // All settle before the lease ends: the sockets send from its memory.
    const sent = await Promise.allSettled(
      drawn.map(async (node, shard) => {
        nodes[shard] = await sendShard(context, write, shard, node, lease, taken, deadline);
      }),
    );
    for (const result of sent) if (result.status === "rejected") throw result.reason;
  } finally {
    lease.release();
  }
}

/** Writes some shards of a stripe again, to nodes not in `taken`; the others stay where they are. */
export async function rewriteShards(
  context: ClientContext,
  write: StripeWrite,
  shards: readonly number[],
  taken: Set<NodeId>,
  deadline: Deadline,
): Promise<ReadonlyMap<number, NodeId>> {
  const memory = context.memory();
  const lease = await memory.lease(write.code, write.stripe.shardBytes, deadline);
  try {
    layOut(memory, lease, write);
    const sent = await Promise.allSettled(
      shards.map(async (shard): Promise<[number, NodeId]> => {
        const node = drawAnother(context, taken);
        return [shard, await sendShard(context, write, shard, node, lease, taken, deadline)];
      }),
    );
    return new Map(
      sent.map((result) => {
        if (result.status === "rejected") throw result.reason;
        return result.value;
      }),
    );
  } finally {
    lease.release();
  }
}

function layOut(memory: StripeMemory, lease: StripeLease, write: StripeWrite): void {
  const { code, stripe, bytes } = write;
  const { shardBytes } = stripe;
  for (let shard = 0; shard < code.d; shard++) {
    const stored = storedBytes(stripe, code, shard);
    const at = lease.base + shard * lease.stride;
    memory.buffer.set(bytes.subarray(shard * shardBytes, shard * shardBytes + stored), at);
    memory.buffer.fill(0, at + stored, at + shardBytes);
  }
  memory.codec(code).encode(lease.base, lease.stride, shardBytes);
}

function sumShard(context: ClientContext, write: StripeWrite, shard: number, lease: StripeLease): void {
  const { checksums } = context.memory();
  const seed = shardSeed(context.job, objectIdBytes(write.object), write.stripe.index, shard);
  checksums.setSeed(seed.lo, seed.hi);
  const stored = storedBytes(write.stripe, write.code, shard);
  checksums.hashFrames(lease.base + shard * lease.stride, stored, frameBytes, lease.sumsAt(shard));
}

async function sendShard(
  context: ClientContext,
  write: StripeWrite,
  shard: number,
  first: NodeId,
  lease: StripeLease,
  taken: Set<NodeId>,
  deadline: Deadline,
): Promise<NodeId> {
  sumShard(context, write, shard, lease);
  const memory = context.memory();
  const stored = storedBytes(write.stripe, write.code, shard);
  const payload = memory.view(lease.base + shard * lease.stride, stored);
  const sums = memory.view(lease.sumsAt(shard), frameCount(stored) * 8);
  const args = [objectIdBytes(write.object), write.stripe.index, shard, sums, payload];
  let node = first;
  let busyTries = 0;
  for (;;) {
    try {
      const entry = context.view.node(node);
      if (entry === undefined || entry.state === "dead") {
        throw new MayflyError("NODE_UNREACHABLE", `node ${node} is not in the map.`);
      }
      await context.pool.connection(entry, "bulk").request("MF.SHARD.PUT", args, { deadline });
      return node;
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      checkDeadline(deadline, error);
      if (error.code === "BUSY" && ++busyTries % busyTriesMax !== 0) {
        await pause(deadline, (error.retryAfterMs ?? 20 * busyTries) * (0.5 + context.rng.random()), error);
      } else if (error.code === "BUSY" || error.kind === "unavailable") {
        node = await another(context, write.code, taken, node, error, deadline);
      } else {
        throw error;
      }
    }
  }
}

/**
 * Another node for the shard. Where there is no stand-in, a full node is asked again after a while, and so is one that
 * cannot be reached as long as the map does not say that it is dead: it may only have closed a connection.
 */
async function another(
  context: ClientContext,
  code: Code,
  taken: Set<NodeId>,
  node: NodeId,
  error: MayflyError,
  deadline: Deadline,
): Promise<NodeId> {
  if (error.code !== "BUSY") await context.view.refresh(deadline).catch(() => undefined);
  try {
    const next = drawAnother(context, taken);
    // It has nothing of the stripe: when it has room again it may take any shard of it.
    if (error.code === "BUSY") taken.delete(node);
    return next;
  } catch (few) {
    if (context.view.node(node)?.state !== "active") {
      // Says how many nodes a whole stripe needs, not one shard.
      drawNodes(mapOf(context), code.d + code.p, context.rng);
      throw few;
    }
    await pause(deadline, fewNodesPauseMs, error);
    return node;
  }
}

function drawAnother(context: ClientContext, taken: Set<NodeId>): NodeId {
  const node = drawNodes(mapOf(context), 1, context.rng, taken)[0]!;
  taken.add(node);
  return node;
}

function mapOf(context: ClientContext): FleetMap {
  const map = context.view.current;
  if (map === undefined) throw new MayflyError("UNAVAILABLE", "no map yet");
  return map;
}
