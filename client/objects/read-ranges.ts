/**
 * Reading ranges of objects: data shards straight into the caller's memory, all nodes at once, each frame verified
 * against its checksum. A shard that is missing, damaged or late is replaced by parity (recover-range.ts).
 */
import { shardSeed } from "../../src/checksum/frame-checksums.ts";
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, objectIdBytes } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import {
  frameBytes,
  frameCount,
  type Stripe,
  storedBytes,
  stripeAt,
  stripeBytesMax,
} from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import { checkDeadline, type Deadline } from "../transport/deadline.ts";
import { recoverRange } from "./recover-range.ts";

export interface RangeRead {
  /** With a location hint. */
  readonly ref: Ref;
  readonly offset: number;
  readonly length: number;
  /** At least `length` bytes. */
  readonly into: Uint8Array;
}

/** A run of whole frames of one shard. */
export interface FrameRun {
  readonly ref: Ref;
  readonly stripe: Stripe;
  readonly shard: number;
  readonly offset: number;
  readonly length: number;
  readonly into: Uint8Array;
}

/** A run, and which part of it the caller wants where (`undefined`: it was received in place). */
interface WantedRun extends FrameRun {
  readonly copy: { readonly from: number; readonly to: Uint8Array } | undefined;
}

const batchBytesMax = 1024 * 1024;
const batchRunsMax = 64;
const batchesInFlight = 2;
const hedgeMsMin = 200;

/**
 * Fills the `into` of every read.
 * @throws MayflyError LOST (with the refs) when more shards of a stripe are gone than parity replaces, UNAVAILABLE
 * when nodes do not answer but may come back, DEADLINE_EXCEEDED, ABORTED
 */
export async function readRanges(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
): Promise<void> {
  const lanes = new Map<NodeId, WantedRun[]>();
  for (const read of reads) {
    for (const run of runsOf(read)) {
      const node = run.ref.stripes![run.stripe.index]![run.shard]!;
      const lane = lanes.get(node);
      if (lane === undefined) lanes.set(node, [run]);
      else lane.push(run);
    }
  }
  await Promise.all([...lanes].map(([node, runs]) => readLane(context, node, batchesOf(runs), deadline)));
}

/** Cuts a read at stripes, shards and frames: whole frames go in place, edges through a buffer of their own. */
function* runsOf(read: RangeRead): Generator<WantedRun> {
  const { ref, into } = read;
  const end = read.offset + read.length;
  for (let at = read.offset; at < end; ) {
    const stripe = stripeAt(ref.sizeBytes, ref.code, Math.floor(at / stripeBytesMax(ref.code)));
    const shard = Math.floor((at - stripe.offset) / stripe.shardBytes);
    const stored = storedBytes(stripe, ref.code, shard);
    const shardStart = stripe.offset + shard * stripe.shardBytes;
    const from = at - shardStart;
    const to = Math.min(end - shardStart, stored);
    const target = into.subarray(at - read.offset, at - read.offset + to - from);
    yield* runsOfShard({ ref, stripe, shard }, stored, from, to, target);
    at = shardStart + to;
  }
}

function* runsOfShard(
  of: { ref: Ref; stripe: Stripe; shard: number },
  stored: number,
  from: number,
  to: number,
  target: Uint8Array,
): Generator<WantedRun> {
  for (let at = from; at < to; ) {
    const frameStart = at - (at % frameBytes);
    const frameEnd = Math.min(frameStart + frameBytes, stored);
    if (at === frameStart && to >= frameEnd) {
      const wholeEnd = to === stored ? to : to - (to % frameBytes);
      const into = target.subarray(at - from, wholeEnd - from);
      yield { ...of, offset: at, length: wholeEnd - at, into, copy: undefined };
      at = wholeEnd;
    } else {
      const end = Math.min(to, frameEnd);
      const into = Buffer.allocUnsafe(frameEnd - frameStart);
      const copy = { from: at - frameStart, to: target.subarray(at - from, end - from) };
      yield { ...of, offset: frameStart, length: into.length, into, copy };
      at = end;
    }
  }
}

function batchesOf(runs: readonly WantedRun[]): WantedRun[][] {
  const batches: WantedRun[][] = [];
  let bytes = 0;
  for (const run of runs) {
    const last = batches.at(-1);
    if (last === undefined || bytes + run.length > batchBytesMax || last.length >= batchRunsMax) {
      batches.push([run]);
      bytes = run.length;
    } else {
      last.push(run);
      bytes += run.length;
    }
  }
  return batches;
}

async function readLane(
  context: ClientContext,
  node: NodeId,
  batches: readonly WantedRun[][],
  deadline: Deadline,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let batch = batches[next++]; batch !== undefined; batch = batches[next++]) {
      checkDeadline(deadline);
      const missing = await tryRead(context, node, batch, deadline);
      await Promise.all(missing.map((run) => recoverRange(context, run, deadline)));
      for (const run of batch) if (run.copy !== undefined) copyOut(run.into, run.copy);
    }
  };
  await Promise.all(Array.from({ length: Math.min(batchesInFlight, batches.length) }, worker));
}

function copyOut(frame: Uint8Array, copy: { readonly from: number; readonly to: Uint8Array }): void {
  copy.to.set(frame.subarray(copy.from, copy.from + copy.to.length));
}

/** Reads a batch from its node, giving up early where parity can help; returns the runs that did not come. */
async function tryRead(
  context: ClientContext,
  node: NodeId,
  batch: readonly WantedRun[],
  deadline: Deadline,
): Promise<readonly WantedRun[]> {
  const canRecover = batch.every((run) => run.ref.code.p > 0);
  const hedgeMs = Math.max(hedgeMsMin, 4 * context.view.latencyMs(node));
  const atMs = canRecover ? Math.min(deadline.atMs, context.clock.now() + hedgeMs) : deadline.atMs;
  try {
    const startMs = context.clock.now();
    const came = await fetchRuns(context, node, batch, { ...deadline, atMs });
    context.view.observeLatency(node, context.clock.now() - startMs);
    return batch.filter((_, index) => came[index] !== true);
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (error.code === "DEADLINE_EXCEEDED") context.view.observeLatency(node, hedgeMs);
    checkDeadline(deadline, error);
    if (error.kind === "unavailable" || error.kind === "busy" || error.code === "CLOSED") return batch;
    throw error;
  }
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
