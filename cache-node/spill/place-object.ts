/** Brings an object from the object store back to memory: reads it, verifies its frames, codes it, and writes its shards to nodes. */
import { checkDeadline, startDeadline } from "../../client/transport/deadline.ts";
import type { StopSignal } from "../../client/transport/stop.ts";
import { shardSeed } from "../../src/checksum/frame-checksums.ts";
import type { Rng } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import { type JobNumber, type NodeId, objectIdBytes } from "../../src/ids.ts";
import { drawNodes } from "../../src/placement/draw-nodes.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Ref, StoredPlace } from "../../src/wire/ref.ts";
import { sumBytes } from "../../src/wire/stored-layout.ts";
import { frameBytes, type Stripe, storedBytes, stripeAt, stripeCount } from "../../src/wire/stripe-layout.ts";
import { writeAll } from "../relocation/move-shards.ts";
import { type ScratchPlace, type ShardPlace, sumShard } from "../relocation/shard-transfer.ts";
import type { LeftShard } from "../relocation/superseded-shards.ts";
import type { GatherOptions } from "./gather-stripe.ts";
import { stripeSpan } from "./write-pack.ts";

export interface PlaceOptions extends GatherOptions {
  readonly rng: Rng;
  readonly store: () => Promise<ObjectStore>;
}

export interface Placement {
  /** Of all stripes, where their shards lie now; undefined when some found no node. */
  readonly stripes: readonly (readonly NodeId[])[] | undefined;
  /** What was written. */
  readonly written: readonly LeftShard[];
  readonly failure: MayflyError | undefined;
}

const getTimeoutMs = 30_000;
const stripeTimeoutMs = 20_000;
/** Stripes that lie one behind the other are read in one request. */
const getBytesMax = 8 * 2 ** 20;

/** Never rejects. @param stored framed */
export async function placeObject(
  options: PlaceOptions,
  job: JobNumber,
  ref: Ref,
  stored: StoredPlace,
  signal: StopSignal,
): Promise<Placement> {
  const count = stripeCount(ref.sizeBytes, ref.code);
  const stripes: (readonly NodeId[])[] = [];
  const written: LeftShard[] = [];
  try {
    const store = await options.store();
    while (stripes.length < count) {
      const first = stripes.length;
      const { start } = stripeSpan(ref, first, count);
      let [last, end] = [first, stripeSpan(ref, first, count).end];
      while (last + 1 < count && stripeSpan(ref, last + 1, count).end - start <= getBytesMax) {
        last += 1;
        end = stripeSpan(ref, last, count).end;
      }
      const range = { start: stored.offset + start, end: stored.offset + end };
      const bytes = await store.get(stored.name, { range, timeoutMs: getTimeoutMs });
      if (bytes.length !== end - start) throw damaged(stored);
      for (let index = first; index <= last; index++) {
        const span = stripeSpan(ref, index, count);
        const frames = bytes.subarray(span.start - start, span.end - start);
        const stripe = stripeAt(ref.sizeBytes, ref.code, index);
        const { nodes, shards } = await placeStripe(options, job, ref, stripe, frames, stored, signal);
        written.push(...shards);
        if (nodes === undefined) throw new MayflyError("BUSY", "Nodes have no memory for what was spilled.");
        stripes.push(nodes);
      }
    }
    return { stripes, written, failure: undefined };
  } catch (thrown) {
    return { stripes: undefined, written, failure: MayflyError.from(thrown) };
  }
}

async function placeStripe(
  options: PlaceOptions,
  job: JobNumber,
  ref: Ref,
  stripe: Stripe,
  frames: Uint8Array,
  stored: StoredPlace,
  signal: StopSignal,
): Promise<{ readonly nodes: readonly NodeId[] | undefined; readonly shards: readonly LeftShard[] }> {
  const { code, object } = ref;
  const map = mapOf(options.map());
  const placed = drawNodes(map, code.d + code.p, options.rng);
  const memory = options.scratch.of(code);
  const deadline = startDeadline(options.clock, stripeTimeoutMs, signal, "bringing a stripe back to memory");
  const lease = await memory.lease(code, stripe.shardBytes, deadline);
  try {
    const shard = (at: number): ShardPlace => ({ job, object, code, stripe, index: at, node: placed[at]! });
    const place = (at: number): ScratchPlace => ({
      ...{ memory, at: lease.base + at * lease.stride, sumsAt: lease.sumsAt(at) },
    });
    let from = 0;
    for (let at = 0; at < code.d; at++) {
      from = unframe(place(at), stripe, storedBytes(stripe, code, at), frames, from);
      const seed = shardSeed(job, objectIdBytes(object), stripe.index, at);
      memory.checksums.setSeed(seed.lo, seed.hi);
      const { at: begin, sumsAt } = place(at);
      const wrong = memory.checksums.verifyFrames(begin, storedBytes(stripe, code, at), frameBytes, sumsAt);
      if (wrong !== -1) throw damaged(stored);
    }
    memory.codec(code).encode(lease.base, lease.stride, stripe.shardBytes);
    for (let at = code.d; at < code.d + code.p; at++) sumShard(shard(at), place(at));
    checkDeadline(deadline);
    const wanted = placed.map((to, index) => ({ index, to, place: place(index) }));
    const move = { job, ref, stripe, placed, moves: [] };
    const moved = await writeAll(options, move, wanted, deadline);
    return {
      nodes: moved.failed > 0 ? undefined : moved.placed,
      shards: moved.written.map(({ node, index }) => ({ node, stripe: stripe.index, index })),
    };
  } finally {
    lease.release();
  }
}

/** Copies a shard's frames to one place and their checksums to another. Returns where the next shard begins. */
function unframe(
  { memory, at, sumsAt }: ScratchPlace,
  stripe: Stripe,
  length: number,
  frames: Uint8Array,
  from: number,
): number {
  let next = from;
  for (let offset = 0; offset < length; offset += frameBytes) {
    const bytes = Math.min(frameBytes, length - offset);
    memory.buffer.set(frames.subarray(next, next + bytes), at + offset);
    const sum = frames.subarray(next + bytes, next + bytes + sumBytes);
    memory.buffer.set(sum, sumsAt + (offset / frameBytes) * sumBytes);
    next += bytes + sumBytes;
  }
  memory.buffer.fill(0, at + length, at + stripe.shardBytes);
  return next;
}

function mapOf(map: FleetMap | undefined): FleetMap {
  if (map === undefined) throw new MayflyError("UNAVAILABLE", "no map yet");
  return map;
}

function damaged({ name }: StoredPlace): MayflyError {
  return new MayflyError("DAMAGED", `What was spilled to ${name} is not what lies there now.`);
}
