/**
 * Fetches blocks of map outputs: exact ranges of data shards straight into their buffers, many in one request to a node, several
 * nodes at a time. Those of outputs that lie in the object store are read there, what lies together with one request. A block whose
 * bytes do not come, or come wrong, is looked for where its map's key says, and read as any range of an object: frame by frame, with
 * parity.
 */
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, objectIdBytes } from "../../src/ids.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { stripeAt, stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import type { ClientContext } from "../context.ts";
import { hedgeMsOf } from "../objects/fetch-runs.ts";
import { findRefs, forgetRef, newestRef } from "../objects/find-refs.ts";
import { inBatches } from "../objects/in-batches.ts";
import { readObject } from "../objects/read-object.ts";
import type { RangeRead } from "../objects/read-ranges.ts";
import { checkDeadline, type Deadline } from "../transport/deadline.ts";
import { together } from "../transport/together.ts";
import { type BlockRow, BlockSums } from "./layout.ts";

export interface BlockRead extends BlockRow {
  readonly map: number;
  readonly run: number;
  readonly partition: number;
  readonly ref: Ref;
  /** Of as many bytes. */
  readonly into: Uint8Array;
}

/** A part of a block that lies in one shard. */
interface Piece {
  readonly read: BlockRead;
  readonly stripe: number;
  readonly shard: number;
  readonly offset: number;
  readonly into: Uint8Array;
}

const slowReadsInFlight = 8;

/** Why some blocks could not be had, by block. */
export type BlockFailures = ReadonlyMap<BlockRead, MayflyError>;

/**
 * Fills the buffers of all blocks but of those that are lost or freed, which are told. Nothing is written to any buffer after this
 * settles.
 * @throws MayflyError UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED, JOB_ENDED; DAMAGED when bytes that all nodes vouch for are not those
 * that the map wrote
 */
export async function fetchBlocks(
  context: ClientContext,
  reads: readonly BlockRead[],
  deadline: Deadline,
): Promise<BlockFailures> {
  await context.view.ready(deadline);
  const sums = new BlockSums(context.memory().checksums, context.job);
  const matches = ({ ref, run, partition, into, sum }: BlockRead): boolean =>
    sums.matches(ref.object, run, partition, into, sum);
  const missing = new Set<BlockRead>();
  const lanes = new Map<NodeId, Piece[]>();
  const stored = new Map<BlockRead, Ref>();
  for (const read of reads) {
    const ref = newestRef(context, read.ref);
    if (ref.stripes === undefined && ref.stored !== undefined) {
      stored.set(read, ref);
      continue;
    }
    for (const piece of piecesOf(read)) {
      const node = read.ref.stripes?.[piece.stripe]?.[piece.shard];
      const entry = node === undefined ? undefined : context.view.node(node);
      if (
        node === undefined ||
        entry === undefined ||
        entry.state === "dead" ||
        context.pool.failedLately(entry)
      ) {
        missing.add(read);
        break;
      }
      const lane = lanes.get(node);
      if (lane === undefined) lanes.set(node, [piece]);
      else lane.push(piece);
    }
  }
  await together(deadline, (part) => [
    fromStore(context, stored, missing, part),
    ...[...lanes].map(([node, pieces]) =>
      inBatches(pieces, part, async (batch, each) => {
        for (const { read } of await fetchBatch(context, node, batch, each)) missing.add(read);
      }),
    ),
  ]);
  for (const read of reads) if (!missing.has(read) && !matches(read)) missing.add(read);
  await readMoved(context, missing, matches, deadline);
  return await readSlowly(context, [...missing], matches, deadline);
}

/** Blocks of outputs that were spilled since their notices were written, all together; what it has read is missing no more. */
async function readMoved(
  context: ClientContext,
  missing: Set<BlockRead>,
  matches: (read: BlockRead) => boolean,
  deadline: Deadline,
): Promise<void> {
  if (missing.size === 0) return;
  const found = await findRefs(context, new Set([...missing].map(({ ref }) => ref)), deadline);
  const stored = new Map<BlockRead, Ref>();
  for (const read of missing) {
    const ref = found.get(read.ref.object);
    if (ref?.stored !== undefined && ref.stripes === undefined) stored.set(read, ref);
  }
  for (const read of stored.keys()) missing.delete(read);
  await fromStore(context, stored, missing, deadline);
  for (const read of stored.keys()) if (!matches(read)) missing.add(read);
}

/** Reads blocks where these refs say, and adds those that are not there. */
async function fromStore(
  context: ClientContext,
  blocks: ReadonlyMap<BlockRead, Ref>,
  missing: Set<BlockRead>,
  deadline: Deadline,
): Promise<void> {
  if (blocks.size === 0) return;
  const { fetchStored } = await import("../objects/read-stored.ts");
  const reads = new Map<RangeRead, BlockRead>();
  for (const [block, ref] of blocks) {
    reads.set({ ref, offset: block.offset, length: block.bytes, into: block.into }, block);
  }
  for (const failed of (await fetchStored(context, [...reads.keys()], deadline)).keys()) {
    forgetRef(context, failed.ref);
    const block = reads.get(failed);
    if (block !== undefined) missing.add(block);
  }
}

/** Blocks may span shards and stripes. */
function* piecesOf(read: BlockRead): Generator<Piece> {
  const { ref, offset, bytes, into } = read;
  for (let at = offset; at < offset + bytes; ) {
    const stripe = stripeAt(ref.sizeBytes, ref.code, Math.floor(at / stripeBytesMax(ref.code)));
    const shard = Math.floor((at - stripe.offset) / stripe.shardBytes);
    const shardStart = stripe.offset + shard * stripe.shardBytes;
    const end = Math.min(offset + bytes, shardStart + stripe.shardBytes, stripe.offset + stripe.bytes);
    yield {
      ...{ read, stripe: stripe.index, shard, offset: at - shardStart },
      into: into.subarray(at - offset, end - offset),
    };
    at = end;
  }
}

/** @returns the pieces that did not come */
async function fetchBatch(
  context: ClientContext,
  node: NodeId,
  batch: readonly Piece[],
  deadline: Deadline,
): Promise<readonly Piece[]> {
  const entry = context.view.node(node);
  if (entry === undefined || entry.state === "dead") return batch;
  const args = batch.flatMap(({ read, stripe, shard, offset, into }) => [
    ...[objectIdBytes(read.ref.object), stripe, shard, offset, into.length, 0, 0],
  ]);
  const hedges = batch.every(({ read }) => read.ref.code.p > 0);
  const hedgeMs = hedgeMsOf(context, node);
  const startMs = context.clock.now();
  const atMs = hedges ? Math.min(deadline.atMs, startMs + hedgeMs) : deadline.atMs;
  try {
    const reply = await context.pool.connection(entry, "bulk").request("MF.SHARD.GET", args, {
      deadline: { ...deadline, atMs },
      targetOf: (length, path) => {
        const piece = path[1] === 1 ? batch[path[0]!] : undefined;
        return piece?.into.length === length ? piece.into : undefined;
      },
    });
    context.view.observeLatency(node, context.clock.now() - startMs);
    if (!Array.isArray(reply)) return batch;
    return batch.filter(({ into }, index) => {
      const item = reply[index];
      const payload = Array.isArray(item) ? item[1] : undefined;
      if (!(payload instanceof Uint8Array) || payload.length !== into.length) return true;
      if (payload.buffer !== into.buffer || payload.byteOffset !== into.byteOffset) into.set(payload);
      return false;
    });
  } catch (thrown) {
    const error = MayflyError.from(thrown);
    if (error.code === "DEADLINE_EXCEEDED") context.view.observeLatency(node, hedgeMs);
    checkDeadline(deadline, error);
    if (error.kind === "unavailable" || error.kind === "busy") return batch;
    throw error;
  }
}

async function readSlowly(
  context: ClientContext,
  reads: readonly BlockRead[],
  matches: (read: BlockRead) => boolean,
  deadline: Deadline,
): Promise<BlockFailures> {
  const failures = new Map<BlockRead, MayflyError>();
  let next = 0;
  const worker = async (part: Deadline): Promise<void> => {
    for (let read = reads[next++]; read !== undefined; read = reads[next++]) {
      const { map, run, partition, ref, offset, bytes, into } = read;
      try {
        await readObject(context, ref, { start: offset, end: offset + bytes }, into, part);
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        if (!["LOST", "FREED", "DAMAGED"].includes(error.code)) throw error;
        failures.set(read, error);
        continue;
      }
      if (matches(read)) continue;
      const block = `The block of partition ${partition} in run ${run} of map ${map}`;
      throw new MayflyError("DAMAGED", `${block} is not what the map wrote; its checksum differs.`);
    }
  };
  if (reads.length > 0)
    await together(deadline, (part) => Array.from({ length: slowReadsInFlight }, () => worker(part)));
  return failures;
}
