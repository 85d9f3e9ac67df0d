/**
 * Writing an object: stripes in flight at once, then one commit through the key's primary. A reader sees all of it or
 * nothing; what was sent for an object that is not committed is freed by the primary.
 */
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, newObjectId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import { encodeRef, Ref } from "../../src/wire/ref.ts";
import { checkObjectSize, type Stripe, stripeBytesMax, stripeOf } from "../../src/wire/stripe-layout.ts";
import { abortObject, type Condition, writeCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { type Deadline, startDeadline, within } from "../transport/deadline.ts";
import { readRanges } from "./read-ranges.ts";
import { rewriteShards, writeStripe } from "./write-stripe.ts";

export interface ObjectWrite {
  readonly key: Uint8Array;
  /** The bytes in pieces of exactly one stripe each, but for the last. */
  readonly stripes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  /** All of them, where they stay at hand: what must be written again is taken from here, and else read back. */
  readonly whole?: Uint8Array;
  readonly condition: Condition;
  readonly ttlMs: number;
}

const stripesInFlight = 4;
const commitTriesMax = 5;
const abortTimeoutMs = 5000;

export async function writeObject(
  context: ClientContext,
  write: ObjectWrite,
  deadline: Deadline,
): Promise<Ref> {
  const object = newObjectId(groupOf(write.key), context.rng.bytes(16));
  const placed: { stripe: Stripe; nodes: NodeId[] }[] = [];
  const refOf = (): Ref => {
    const stripes = placed.map(({ nodes }) => nodes);
    const sizeBytes = placed.reduce((sum, { stripe }) => sum + stripe.bytes, 0);
    return new Ref({ object, key: write.key, sizeBytes, code: context.code, stripes });
  };
  let moved: Ref | undefined;
  try {
    await sendStripes(context, write, object, placed, deadline);
    return await commit(context, write, refOf(), deadline, (ref) => {
      moved = ref;
    });
  } catch (error) {
    // Who has time left can count on the memory being free again; nobody is kept beyond that.
    await within(deadline, abort(context, write.key, moved ?? refOf())).catch(() => undefined);
    throw error;
  }
}

async function sendStripes(
  context: ClientContext,
  write: ObjectWrite,
  object: Ref["object"],
  placed: { stripe: Stripe; nodes: NodeId[] }[],
  deadline: Deadline,
): Promise<void> {
  const { code } = context;
  const inFlight = new Set<Promise<void>>();
  let failure: unknown;
  let offset = 0;
  try {
    for await (const bytes of write.stripes) {
      const stripe = stripeOf(bytes.length, code, placed.length, offset);
      offset += bytes.length;
      checkObjectSize(offset, code);
      const nodes: NodeId[] = [];
      placed.push({ stripe, nodes });
      const sending = writeStripe(context, { object, stripe, code, bytes }, nodes, deadline)
        .catch((error: unknown) => {
          failure ??= error;
        })
        .finally(() => inFlight.delete(sending));
      inFlight.add(sending);
      if (inFlight.size >= stripesInFlight) await Promise.race(inFlight);
      if (failure !== undefined) break;
    }
  } finally {
    // Also when the source fails: what is on its way must have arrived before it can be freed.
    await Promise.all(inFlight);
  }
  if (failure !== undefined) throw failure;
}

/** A refused placement names nodes that are gone or draining: their shards are written again elsewhere. */
async function commit(
  context: ClientContext,
  write: ObjectWrite,
  ref: Ref,
  deadline: Deadline,
  onMoved: (ref: Ref) => void,
): Promise<Ref> {
  let current = ref;
  for (let tries = 1; ; tries++) {
    try {
      const cell = { ...write, kind: "ref" as const, value: encodeRef(current) };
      return new Ref({ ...current, version: await writeCell(context, cell, deadline) });
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code !== "PLACEMENT_REFUSED" || tries === commitTriesMax) throw error;
      await context.view.refresh(deadline).catch(() => undefined);
      current = await placeAgain(context, write, current, deadline);
      onMoved(current);
    }
  }
}

async function placeAgain(
  context: ClientContext,
  { whole }: ObjectWrite,
  ref: Ref,
  deadline: Deadline,
): Promise<Ref> {
  const usable = (node: NodeId): boolean => context.view.node(node)?.state === "active";
  const stripes: NodeId[][] = [];
  let offset = 0;
  for (const [index, nodes] of (ref.stripes ?? []).entries()) {
    const length = Math.min(stripeBytesMax(ref.code), ref.sizeBytes - offset);
    const stripe = stripeOf(length, ref.code, index, offset);
    const wrong = nodes.flatMap((node, shard) => (usable(node) ? [] : [shard]));
    const placed = [...nodes];
    if (wrong.length > 0) {
      const bytes = whole?.subarray(offset, offset + length) ?? Buffer.allocUnsafe(length);
      if (whole === undefined) await readRanges(context, [{ ref, offset, length, into: bytes }], deadline);
      const write = { object: ref.object, stripe, code: ref.code, bytes };
      const moved = await rewriteShards(context, write, wrong, new Set(nodes), deadline);
      for (const [shard, node] of moved) placed[shard] = node;
    }
    stripes.push(placed);
    offset += length;
  }
  return new Ref({ ...ref, stripes });
}

/** Best effort: what it cannot reach, the collection of orphans frees later. */
async function abort(context: ClientContext, key: Uint8Array, ref: Ref): Promise<void> {
  const somewhere = ref.stripes?.find((nodes) => nodes.length > 0);
  if (somewhere === undefined) return;
  // A ref names nodes for every stripe. For one that got none any will do: to free what is not there does no harm.
  const stripes = ref.stripes?.map((nodes) => (nodes.length > 0 ? nodes : somewhere));
  const deadline = startDeadline(context.clock, abortTimeoutMs, undefined, "abort of an unfinished object");
  const encoded = encodeRef({ ...ref, stripes });
  await abortObject(context, key, encoded, deadline).catch(() => undefined);
}
