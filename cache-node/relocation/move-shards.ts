/**
 * Moves shards of one stripe: copies what a draining node still has, rebuilds the rest from any `d` shards, and writes
 * them to their new nodes straight from the scratch memory. Which ref names them is not decided here.
 */

import type { StripeLease, StripeMemory } from "../../client/stripe-memory.ts";
import { checkDeadline, type Deadline, startDeadline } from "../../client/transport/deadline.ts";
import type { StopSignal } from "../../client/transport/stop.ts";
import type { Clock, Rng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber, NodeId } from "../../src/ids.ts";
import { drawNodes } from "../../src/placement/draw-nodes.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { type Stripe, storedBytes } from "../../src/wire/stripe-layout.ts";
import { gatherShards } from "./gather-shards.ts";
import { fateOf, type ShardMove, statesOf } from "./plan-relocation.ts";
import type { ScratchMemory } from "./scratch-memory.ts";
import {
  type Fetched,
  fetchShard,
  type ScratchPlace,
  type ShardPlace,
  sumShard,
  type TransferOptions,
  writeShard,
} from "./shard-transfer.ts";

export interface MoveOptions extends TransferOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly scratch: ScratchMemory;
  readonly map: () => FleetMap | undefined;
}

export interface StripeMove {
  readonly job: JobNumber;
  readonly ref: Ref;
  readonly stripe: Stripe;
  /** Where its shards lie now. */
  readonly placed: readonly NodeId[];
  readonly moves: readonly ShardMove[];
}

export interface StripeMoved {
  /** Where they lie after it, all on distinct nodes. */
  readonly placed: readonly NodeId[];
  /** What was written, also in the place of damaged ones. */
  readonly written: readonly { readonly index: number; readonly node: NodeId; readonly bytes: number }[];
  /** Moves that found no node to take the shard. */
  readonly failed: number;
  readonly lost: boolean;
}

const leaseTimeoutMs = 60_000;
const stripeTimeoutMs = 20_000;
const fetchTimeoutMs = 4000;
const writeTimeoutMs = 5000;
const targetsMax = 3;

/**
 * @throws MayflyError UNAVAILABLE when too few nodes of the stripe answer now; ABORTED, JOB_ENDED. What was written
 * by then is named by no ref, and left to the collection of orphans.
 */
export async function moveStripe(
  options: MoveOptions,
  move: StripeMove,
  signal: StopSignal,
): Promise<StripeMoved> {
  const copies = move.moves.filter(({ how }) => how === "copy");
  if (copies.length < move.moves.length) return await rebuild(options, move, signal);
  const copied = await copyOnly(options, move, signal);
  if (copied.uncopied.length === 0) return copied.moved;
  // What the draining node cannot give is rebuilt; what it gave is written already, and moves no more.
  const rest = { ...move, placed: copied.moved.placed, moves: copied.uncopied };
  const rebuilt = await rebuild(options, rest, signal);
  const failed = copied.moved.failed + rebuilt.failed;
  return { ...rebuilt, failed, written: [...copied.moved.written, ...rebuilt.written] };
}

async function copyOnly(
  options: MoveOptions,
  move: StripeMove,
  signal: StopSignal,
): Promise<{ moved: StripeMoved; uncopied: readonly ShardMove[] }> {
  // Room for the shards that move, not for the whole stripe.
  const width = { d: move.moves.length, p: 0 };
  const memory = options.scratch.of(width);
  const lease = await leaseOf(options, memory, width, move.stripe, signal);
  try {
    const deadline = startDeadline(options.clock, stripeTimeoutMs, signal, "relocation of a stripe");
    const places = move.moves.map((_, at) => scratchPlace(memory, lease, at));
    const fetched = await settled(
      move.moves.map(({ index, from }, at) =>
        fetchShard(options, shardPlace(move, index, from), places[at]!, shorter(deadline, fetchTimeoutMs)),
      ),
    );
    const wanted = move.moves.flatMap((each, at) =>
      fetched[at] === "came" ? [{ index: each.index, to: each.to, place: places[at]! }] : [],
    );
    const moved = await writeAll(options, move, wanted, deadline);
    return { moved, uncopied: move.moves.filter((_, at) => fetched[at] !== "came") };
  } finally {
    lease.release();
  }
}

async function rebuild(options: MoveOptions, move: StripeMove, signal: StopSignal): Promise<StripeMoved> {
  const { ref, stripe, placed } = move;
  const { code } = ref;
  const memory = options.scratch.of(code);
  const lease = await leaseOf(options, memory, code, stripe, signal);
  try {
    const deadline = startDeadline(options.clock, stripeTimeoutMs, signal, "relocation of a stripe");
    const states = statesOf(options.map()?.nodes ?? []);
    const indexes = [...placed.keys()];
    const there = indexes.filter((index) => fateOf(states, placed[index]!) !== "gone");
    const own = there.filter((index) => placed[index] === options.self());
    const candidates = [...own, ...there.filter((index) => placed[index] !== options.self())];
    const fetch = (index: number, part: Deadline): Promise<Fetched> =>
      fetchShard(
        options,
        shardPlace(move, index, placed[index]!),
        scratchPlace(memory, lease, index),
        shorter(part, fetchTimeoutMs),
      );
    const { came, gone } = await gatherShards(candidates, code.d, fetch, deadline);
    checkDeadline(deadline);
    if (came.length < code.d) {
      const lost = placed.length - there.length + gone.length > code.p;
      if (lost) return { placed, written: [], failed: 0, lost };
      throw new MayflyError("UNAVAILABLE", `Too few nodes of stripe ${stripe.index} answer to rebuild it.`);
    }
    const rebuilt = indexes.filter((index) => !came.includes(index));
    memory.codec(code).reconstruct(lease.base, lease.stride, stripe.shardBytes, rebuilt);
    const moving = new Set(move.moves.map(({ index }) => index));
    // Damaged and missing shards of nodes that stay are put back where they belong.
    const repairs = gone.filter((index) => !moving.has(index) && fateOf(states, placed[index]!) === "stays");
    const wanted = [
      ...move.moves.map(({ index, to }) => ({ index, to })),
      ...repairs.map((index) => ({ index, to: placed[index]! })),
    ].map((each) => ({ ...each, place: scratchPlace(memory, lease, each.index) }));
    for (const { index, place } of wanted) {
      if (rebuilt.includes(index)) sumShard(shardPlace(move, index, placed[index]!), place);
    }
    return await writeAll(options, move, wanted, deadline);
  } finally {
    lease.release();
  }
}

/**
 * Writes shards to their nodes, or to others where those do not take them. All have settled when it returns.
 * @throws MayflyError DEADLINE_EXCEEDED, ABORTED, JOB_ENDED
 */
export async function writeAll(
  options: MoveOptions,
  move: StripeMove,
  wanted: readonly { readonly index: number; readonly to: NodeId; readonly place: ScratchPlace }[],
  deadline: Deadline,
): Promise<StripeMoved> {
  const placed = [...move.placed];
  const taken = new Set([...placed, ...move.moves.map(({ to }) => to)]);
  const landed = await settled(
    wanted.map(({ index, to, place }) => write(options, move, index, to, place, taken, deadline)),
  );
  const written: { index: number; node: NodeId; bytes: number }[] = [];
  for (const [at, { index }] of wanted.entries()) {
    const node = landed[at];
    if (node === undefined) continue;
    placed[index] = node;
    written.push({ index, node, bytes: storedBytes(move.stripe, move.ref.code, index) });
  }
  return { placed, written, failed: wanted.length - written.length, lost: false };
}

/** The node that has the shard now; undefined when none would take it. */
async function write(
  options: MoveOptions,
  move: StripeMove,
  index: number,
  first: NodeId,
  place: ScratchPlace,
  taken: Set<NodeId>,
  deadline: Deadline,
): Promise<NodeId | undefined> {
  let node: NodeId | undefined = first;
  for (let tries = 1; node !== undefined; tries++) {
    try {
      await writeShard(options, shardPlace(move, index, node), place, shorter(deadline, writeTimeoutMs));
      return node;
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      checkDeadline(deadline, error);
      if (error.kind !== "busy" && error.kind !== "unavailable") throw error;
      node = tries === targetsMax ? undefined : anotherNode(options, taken);
    }
  }
  return undefined;
}

function anotherNode({ map, rng }: MoveOptions, taken: Set<NodeId>): NodeId | undefined {
  const now = map();
  if (now === undefined) return undefined;
  const open = now.nodes.some(({ id, state, weight }) => state === "active" && weight > 0 && !taken.has(id));
  const node = open ? drawNodes(now, 1, rng, taken)[0] : undefined;
  if (node !== undefined) taken.add(node);
  return node;
}

async function leaseOf(
  { clock }: MoveOptions,
  memory: StripeMemory,
  width: { readonly d: number; readonly p: number },
  stripe: Stripe,
  signal: StopSignal,
): Promise<StripeLease> {
  const deadline = startDeadline(clock, leaseTimeoutMs, signal, "wait for scratch memory");
  return await memory.lease(width, stripe.shardBytes, deadline);
}

function scratchPlace(memory: StripeMemory, lease: StripeLease, at: number): ScratchPlace {
  return { memory, at: lease.base + at * lease.stride, sumsAt: lease.sumsAt(at) };
}

function shardPlace({ job, ref, stripe }: StripeMove, index: number, node: NodeId): ShardPlace {
  return { job, object: ref.object, code: ref.code, stripe, index, node };
}

function shorter(deadline: Deadline, ms: number): Deadline {
  return { ...deadline, atMs: Math.min(deadline.atMs, deadline.clock.now() + ms) };
}

/** All of them, once the last has settled: their memory is in use until then. @throws the first failure */
async function settled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
}
