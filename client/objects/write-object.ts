/**
 * Writing an object: stripes in flight at once, then one commit through the key's primary. A reader sees all of it or
 * nothing; what was sent for an object that is not committed is freed by the primary.
 */
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, objectId } from "../../src/ids.ts";
import { encodeRef, Ref } from "../../src/wire/ref.ts";
import { checkObjectSize, type Stripe, stripeBytesMax, stripeOf } from "../../src/wire/stripe-layout.ts";
import { abortObject, type Condition, writeCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { type Deadline, startDeadline } from "../transport/deadline.ts";
import { readRanges } from "./read-ranges.ts";
import { rewriteShards, writeStripe } from "./write-stripe.ts";

export interface ObjectWrite {
  readonly key: Uint8Array;
  /** The bytes in pieces of exactly one stripe each, but for the last. */
  readonly stripes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
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
  const object = objectId(context.rng.bytes(16));
  const placed: { stripe: Stripe; nodes: NodeId[] }[] = [];
  const refOf = (): Ref => {
    const stripes = placed.map(({ nodes }) => nodes);
    const sizeBytes = placed.reduce((sum, { stripe }) => sum + stripe.bytes, 0);
    return new Ref({ object, key: write.key, sizeBytes, code: context.code, stripes });
  };
  try {
    await sendStripes(context, write, object, placed, deadline);
    return await commit(context, write, refOf(), deadline);
  } catch (error) {
    await abort(context, write.key, refOf());
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
  for await (const bytes of write.stripes) {
    const stripe = stripeOf(bytes.length, code, placed.length, offset);
    offset += bytes.length;
    checkObjectSize(offset, code);
    const place: { stripe: Stripe; nodes: NodeId[] } = { stripe, nodes: [] };
    placed.push(place);
    const sending = writeStripe(context, { object, stripe, code, bytes }, deadline)
      .then((nodes) => {
        place.nodes = nodes;
      })
      .catch((error: unknown) => {
        failure ??= error;
      })
      .finally(() => inFlight.delete(sending));
    inFlight.add(sending);
    if (inFlight.size >= stripesInFlight) await Promise.race(inFlight);
    if (failure !== undefined) break;
  }
  await Promise.all(inFlight);
  if (failure !== undefined) throw failure;
}

/** A refused placement names nodes that are gone or draining: their shards are written again elsewhere. */
async function commit(
  context: ClientContext,
  write: ObjectWrite,
  ref: Ref,
  deadline: Deadline,
): Promise<Ref> {
  let current = ref;
  for (let tries = 1; ; tries++) {
    try {
      const cell = { ...write, kind: "ref" as const, value: encodeRef(current) };
      return new Ref({ ...current, version: await writeCell(context, cell, deadline) });
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code !== "PLACEMENT_REFUSED" || tries === commitTriesMax) throw error;
      await context.view.refresh(deadline);
      current = await placeAgain(context, current, deadline);
    }
  }
}

async function placeAgain(context: ClientContext, ref: Ref, deadline: Deadline): Promise<Ref> {
  const usable = (node: NodeId): boolean => context.view.node(node)?.state === "active";
  const stripes: NodeId[][] = [];
  let offset = 0;
  for (const [index, nodes] of (ref.stripes ?? []).entries()) {
    const length = Math.min(stripeBytesMax(ref.code), ref.sizeBytes - offset);
    const stripe = stripeOf(length, ref.code, index, offset);
    const wrong = nodes.flatMap((node, shard) => (usable(node) ? [] : [shard]));
    const placed = [...nodes];
    if (wrong.length > 0) {
      const bytes = Buffer.allocUnsafe(length);
      await readRanges(context, [{ ref, offset, length, into: bytes }], deadline);
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
  const stripes = (ref.stripes ?? []).filter((nodes) => nodes.length > 0);
  if (stripes.length !== ref.stripes?.length || stripes.length === 0) return;
  const deadline = startDeadline(context.clock, abortTimeoutMs, undefined, "abort of an unfinished object");
  await abortObject(context, key, encodeRef(ref), deadline).catch(() => undefined);
}
