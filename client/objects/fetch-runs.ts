/** One request for runs of frames to one node: received in place, verified against their checksums. */
import { shardSeed } from "../../src/checksum/frame-checksums.ts";
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, objectIdBytes } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { frameBytes, frameCount, type Stripe } from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import type { Deadline } from "../transport/deadline.ts";

const hedgeMsMin = 200;
const hedgeMsMax = 1000;

/** A run of whole frames of one shard. */
export interface FrameRun {
  readonly ref: Ref;
  readonly stripe: Stripe;
  readonly shard: number;
  /** Within the shard; a multiple of the frame size. */
  readonly offset: number;
  readonly length: number;
  /** `length` bytes. */
  readonly into: Uint8Array;
}

/** The node that holds the run's shard, by the hint of its ref. */
export function nodeOf(run: { readonly ref: Ref; readonly stripe: Stripe; readonly shard: number }): NodeId {
  const node = run.ref.stripes?.[run.stripe.index]?.[run.shard];
  if (node === undefined) throw new RangeError(`the ref does not say where stripe ${run.stripe.index} lies`);
  return node;
}

/**
 * How long an answer of the node may take before other nodes are asked as well: a few times what is usual. The bound
 * above is for nodes that stopped answering, whose usual time would grow with each attempt.
 */
export function hedgeMsOf(context: ClientContext, node: NodeId): number {
  return Math.min(hedgeMsMax, Math.max(hedgeMsMin, 4 * context.view.latencyMs(node)));
}

/**
 * Fetches runs from one node; true for each that came and whose checksums are right. Nothing is written to a run's
 * memory after this settles.
 */
export async function fetchRuns(
  context: ClientContext,
  node: NodeId,
  runs: readonly FrameRun[],
  deadline: Deadline,
): Promise<boolean[]> {
  const entry = context.view.node(node);
  if (entry === undefined || entry.state === "dead") {
    throw new MayflyError("NODE_UNREACHABLE", `node ${node} is dead or gone.`);
  }
  const args = runs.flatMap((run) => [
    ...[objectIdBytes(run.ref.object), run.stripe.index, run.shard, run.offset, run.length],
    ...[run.offset / frameBytes, frameCount(run.length)],
  ]);
  const reply = await context.pool.connection(entry, "bulk").request("MF.SHARD.GET", args, {
    deadline,
    targetOf: (length, path) => {
      const run = path[1] === 1 ? runs[path[0]!] : undefined;
      return run?.length === length ? run.into.subarray(0, length) : undefined;
    },
  });
  if (!Array.isArray(reply) || reply.length !== runs.length) {
    throw new MayflyError("PROTOCOL", `node ${node} answered MF.SHARD.GET with the wrong number of runs.`);
  }
  return runs.map((run, index) => accept(context, run, reply[index]));
}

function accept(context: ClientContext, run: FrameRun, item: RespValue | undefined): boolean {
  if (!Array.isArray(item)) return false;
  const [sums, payload] = item;
  if (!(sums instanceof Uint8Array) || !(payload instanceof Uint8Array)) return false;
  if (payload.length !== run.length || sums.length !== frameCount(run.length) * 8) return false;
  if (payload.buffer !== run.into.buffer || payload.byteOffset !== run.into.byteOffset) run.into.set(payload);
  const { checksums } = context.memory();
  const seed = shardSeed(context.job, objectIdBytes(run.ref.object), run.stripe.index, run.shard);
  checksums.setSeed(seed.lo, seed.hi);
  return checksums.verifyBytes(run.into.subarray(0, run.length), frameBytes, sums) === -1;
}
