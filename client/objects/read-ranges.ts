/**
 * Reading ranges of objects: data shards straight into the caller's memory, all nodes at once, each frame verified
 * against its checksum. A shard that is missing, damaged or late is replaced by parity (recover-runs.ts).
 */
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import {
  frameBytes,
  type Stripe,
  storedBytes,
  stripeAt,
  stripeBytesMax,
} from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import { checkDeadline, type Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";
import { type FrameRun, fetchRuns, hedgeMsOf, nodeOf } from "./fetch-runs.ts";
import { inBatches } from "./in-batches.ts";
import { recoverRuns } from "./recover-runs.ts";

export interface RangeRead {
  /** With a location hint. */
  readonly ref: Ref;
  readonly offset: number;
  readonly length: number;
  /** At least `length` bytes. */
  readonly into: Uint8Array;
}

/** A run, and which part of it the caller wants where (`undefined`: it was received in place). */
interface WantedRun extends FrameRun {
  readonly copy: { readonly from: number; readonly to: Uint8Array } | undefined;
}

/**
 * Fills the `into` of every read. Nothing is written there after it settles, also when it fails.
 * @throws MayflyError LOST (with the refs) when more shards of a stripe are gone than parity replaces, UNAVAILABLE
 * when nodes do not answer but may come back, DEADLINE_EXCEEDED, ABORTED
 */
export async function readRanges(
  context: ClientContext,
  reads: readonly RangeRead[],
  deadline: Deadline,
): Promise<void> {
  // Without a map every node of a ref's hint would look gone.
  await context.view.ready(deadline);
  const wanted = reads.flatMap((read) => [...runsOf(read)]);
  if (wanted.some((run) => namesStrangers(context, run)))
    await context.view.refresh(deadline).catch(() => undefined);
  const lanes = new Map<NodeId, WantedRun[]>();
  const broken: { readonly runs: readonly WantedRun[]; readonly failed: readonly WantedRun[] }[] = [];
  for (const runs of byStripe(wanted)) {
    const failed = runs.filter((run) => outOfReach(context, nodeOf(run)));
    if (failed.length > 0) broken.push({ runs, failed });
    else for (const run of runs) addTo(lanes, nodeOf(run), run);
  }
  await together(deadline, (part) => [
    ...[...lanes].map(([node, runs]) => readLane(context, node, runs, part)),
    ...broken.map(({ runs, failed }) => recover(context, runs, failed, part)),
  ]);
}

/** A ref may be newer than the map: then the nodes it names look gone, and are not. */
function namesStrangers(context: ClientContext, { ref, stripe }: FrameRun): boolean {
  return ref.stripes?.[stripe.index]?.some((node) => context.view.node(node) === undefined) ?? false;
}

/** Nobody needs to be asked to know that it will not answer. */
function outOfReach(context: ClientContext, node: NodeId): boolean {
  const entry = context.view.node(node);
  return entry === undefined || entry.state === "dead" || context.pool.failedLately(entry);
}

function byStripe(runs: readonly WantedRun[]): Iterable<WantedRun[]> {
  const stripes = new Map<string, WantedRun[]>();
  for (const run of runs) addTo(stripes, `${run.ref.object} ${run.stripe.index}`, run);
  return stripes.values();
}

function addTo<K>(lists: Map<K, WantedRun[]>, key: K, run: WantedRun): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [run]);
  else list.push(run);
}

/** Fills runs of one stripe with what its other shards tell; those of `failed` are asked last. */
async function recover(
  context: ClientContext,
  runs: readonly WantedRun[],
  failed: readonly WantedRun[],
  deadline: Deadline,
): Promise<void> {
  await recoverRuns(context, runs, new Set(failed.map(({ shard }) => shard)), deadline);
  for (const run of runs) if (run.copy !== undefined) copyOut(run.into, run.copy);
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

async function readLane(
  context: ClientContext,
  node: NodeId,
  runs: readonly WantedRun[],
  deadline: Deadline,
): Promise<void> {
  await inBatches(runs, deadline, async (batch, part) => {
    const missing = await tryRead(context, node, batch, part);
    for (const run of batch) {
      if (run.copy !== undefined && !missing.includes(run)) copyOut(run.into, run.copy);
    }
    if (missing.length === 0) return;
    await together(part, (each) =>
      [...byStripe(missing)].map((failed) => recover(context, failed, failed, each)),
    );
  });
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
  const hedgeMs = hedgeMsOf(context, node);
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
    if (error.kind === "unavailable" || error.kind === "busy") return batch;
    throw error;
  }
}
