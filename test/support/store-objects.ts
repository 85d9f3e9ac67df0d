/** Puts objects of a job into the object store and changes their refs, as the primaries of their keys do. */
import { relocationCells } from "../../cache-node/relocation-port.ts";
import { cellName } from "../../cache-node/store/cell.ts";
import type { Job } from "../../client/job.ts";
import { createFrameChecksums, scratchBytes, shardSeed } from "../../src/checksum/frame-checksums.ts";
import { jobNumber, objectIdBytes } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import { encodeRef, type Ref, type RefFields, type StoredPlace } from "../../src/wire/ref.ts";
import { framedBytes, sumBytes } from "../../src/wire/stored-layout.ts";
import { frameBytes, storedBytes, stripeAt, stripeCount } from "../../src/wire/stripe-layout.ts";
import type { InProcessFleet } from "./in-process-fleet.ts";

const memory = new WebAssembly.Memory({ initial: 4, maximum: 4 });
const checksums = createFrameChecksums(memory, 0);
if (scratchBytes > memory.buffer.byteLength) throw new Error("the checksums need more memory");

/** The bytes of an object with the checksums of its frames between them. */
export function framed(job: Job, ref: Ref, bytes: Uint8Array): Buffer {
  const pieces: Uint8Array[] = [];
  for (let index = 0; index < stripeCount(ref.sizeBytes, ref.code); index++) {
    const stripe = stripeAt(ref.sizeBytes, ref.code, index);
    for (let shard = 0; shard < ref.code.d; shard++) {
      const seed = shardSeed(job.number, objectIdBytes(ref.object), index, shard);
      const start = stripe.offset + shard * stripe.shardBytes;
      const end = start + storedBytes(stripe, ref.code, shard);
      for (let at = start; at < end; at += frameBytes) {
        const frame = bytes.subarray(at, Math.min(at + frameBytes, end));
        const sum = Buffer.alloc(sumBytes);
        checksums.setSeed(seed.lo, seed.hi);
        checksums.hashByteFrames(frame, frameBytes, sum);
        pieces.push(frame, sum);
      }
    }
  }
  const all = Buffer.concat(pieces);
  if (all.length !== framedBytes(ref.sizeBytes, ref.code)) throw new Error("the frames are wrong");
  return all;
}

/** Changes where the ref of a key leads. */
export async function moveRef(
  fleet: InProcessFleet,
  job: Job,
  ref: Ref,
  place: Pick<RefFields, "stripes" | "stored">,
): Promise<void> {
  const [primary] = fleet.row(ref.key);
  const cells = relocationCells(fleet.core(primary!.id).replicas);
  const { object, key, sizeBytes, code, version } = ref;
  const value = encodeRef({ object, key, sizeBytes, code, version, ...place });
  const group = groupOf(ref.key);
  const changed = await cells.relocate(jobNumber(job.number), group, cellName(ref.key), object, value);
  if (!changed) throw new Error(`the key of the object holds another one`);
}

/** Frees the shards of an object, as its primary does when nothing names them any more. */
export function freeShards(fleet: InProcessFleet, job: Job, ref: Ref): void {
  for (const [stripe, nodes] of (ref.stripes ?? []).entries())
    for (const [index, node] of nodes.entries())
      fleet.core(node).shards.free(jobNumber(job.number), { object: ref.object, stripe, index });
}

/** Where in a stored object something lies. */
export type Layout = StoredPlace["layout"];
