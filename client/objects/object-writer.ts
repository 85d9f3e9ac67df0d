/**
 * One object under way: its stripes are sent one by one, and it is there when it is committed through its key's primary. What
 * was sent for an object that is not committed is freed by the primary.
 */
import { MayflyError } from "../../src/errors.ts";
import { type NodeId, newObjectId, type ObjectId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import { encodeRef, Ref } from "../../src/wire/ref.ts";
import { checkObjectSize, type Stripe, stripeBytesMax, stripeOf } from "../../src/wire/stripe-layout.ts";
import { abortObject, type Condition, writeCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { type Deadline, startDeadline } from "../transport/deadline.ts";
import { readRanges } from "./read-ranges.ts";
import { rewriteShards, writeStripe } from "./write-stripe.ts";

export interface ObjectCommit {
  readonly condition: Condition;
  readonly ttlMs: number;
  /** All bytes, where they stay at hand: what must be written again is taken from here, and else read back. */
  readonly whole?: Uint8Array;
  /** Instead of `writeCell`. */
  readonly commit?: typeof writeCell;
}

const commitTriesMax = 5;
const abortTimeoutMs = 5000;

export class ObjectWriter {
  readonly object: ObjectId;
  readonly #context: ClientContext;
  readonly #key: Uint8Array;
  readonly #placed: { readonly stripe: Stripe; readonly nodes: NodeId[] }[] = [];
  #sizeBytes = 0;
  /** Where its shards lie since some of them were written again. */
  #moved: Ref | undefined;

  constructor(context: ClientContext, key: Uint8Array) {
    this.#context = context;
    this.#key = key;
    this.object = newObjectId(groupOf(key), context.rng.bytes(16));
  }

  /** Of all stripes that were sent. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /**
   * Sends the next stripe, as long as a stripe may be but for the last one; several may be under way at a time. The bytes must not
   * change before it resolves.
   * @throws MayflyError TOO_LARGE, NOT_ENOUGH_NODES, QUOTA_EXCEEDED, JOB_ENDED, UNAVAILABLE, DEADLINE_EXCEEDED
   */
  async send(bytes: Uint8Array, deadline: Deadline): Promise<void> {
    const { code } = this.#context;
    const stripe = stripeOf(bytes.length, code, this.#placed.length, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
    checkObjectSize(this.#sizeBytes, code);
    const nodes: NodeId[] = [];
    this.#placed.push({ stripe, nodes });
    await writeStripe(this.#context, { object: this.object, stripe, code, bytes }, nodes, deadline);
  }

  /** To be called once all stripes have arrived. @throws MayflyError KEY_EXISTS, VERSION_MISMATCH, FREED, and as `send` */
  async commit(
    { condition, ttlMs, whole, commit = writeCell }: ObjectCommit,
    deadline: Deadline,
  ): Promise<Ref> {
    const context = this.#context;
    let current = this.#ref();
    for (let tries = 1; ; tries++) {
      try {
        const cell = { key: this.#key, kind: "ref" as const, value: encodeRef(current), condition, ttlMs };
        return new Ref({ ...current, version: await commit(context, cell, deadline) });
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        if (error.code !== "PLACEMENT_REFUSED" || tries === commitTriesMax) throw error;
        await context.view.refresh(deadline).catch(() => undefined);
        // A refused placement names nodes that are gone or draining: their shards are written again elsewhere.
        current = await placeAgain(context, whole, current, deadline);
        this.#moved = current;
      }
    }
  }

  /** Best effort: what it cannot reach, the collection of orphans frees later. */
  async abort(): Promise<void> {
    const context = this.#context;
    const ref = this.#moved ?? this.#ref();
    const somewhere = ref.stripes?.find((nodes) => nodes.length > 0);
    if (somewhere === undefined) return;
    // A ref names nodes for every stripe. For one that got none any will do: to free what is not there does no harm.
    const stripes = ref.stripes?.map((nodes) => (nodes.length > 0 ? nodes : somewhere));
    const deadline = startDeadline(context.clock, abortTimeoutMs, undefined, "abort of an unfinished object");
    await abortObject(context, this.#key, encodeRef({ ...ref, stripes }), deadline).catch(() => undefined);
  }

  #ref(): Ref {
    const { code } = this.#context;
    const stripes = this.#placed.map(({ nodes }) => nodes);
    return new Ref({ object: this.object, key: this.#key, sizeBytes: this.#sizeBytes, code, stripes });
  }
}

async function placeAgain(
  context: ClientContext,
  whole: Uint8Array | undefined,
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
