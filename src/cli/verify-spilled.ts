/** Reads all that was spilled to a store, and checks each frame with the checksum behind it. */
import { StripeMemory } from "../../client/stripe-memory.ts";
import { shardSeed } from "../checksum/frame-checksums.ts";
import type { ObjectStore, StoredObject } from "../durable/object-store.ts";
import { MayflyError } from "../errors.ts";
import { objectIdBytes } from "../ids.ts";
import {
  decodePackIndex,
  type PackedObject,
  packExtents,
  packIndexBytes,
  packTailBytes,
} from "../wire/pack-index.ts";
import { framedAt, framedBytes, sumBytes } from "../wire/stored-layout.ts";
import { spilledFor } from "../wire/stored-names.ts";
import { frameBytes, storedBytes, stripeAt, stripeCount } from "../wire/stripe-layout.ts";

export interface VerifiedSpill {
  readonly packs: number;
  readonly objects: number;
  readonly bytes: number;
  readonly damaged: readonly { readonly name: string; readonly why: string }[];
}

const memoryBytes = 8 * 2 ** 20;

export async function verifySpilled(store: ObjectStore): Promise<VerifiedSpill> {
  const { checksums } = new StripeMemory(memoryBytes);
  let [packs, objects, bytes] = [0, 0, 0];
  const damaged: { name: string; why: string }[] = [];
  for await (const stored of store.list("")) {
    const job = spilledFor(stored.name)?.job;
    if (job === undefined) continue;
    packs += 1;
    try {
      const index = await readIndex(store, stored);
      for (const { object, start, end } of packExtents(index)) {
        const wrong = await damagedFrame(object, start);
        if (wrong !== undefined) throw new MayflyError("DAMAGED", wrong);
        objects += 1;
        bytes += end - start;
      }
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      // Deleted meanwhile, as its objects were.
      if (error.code === "NOT_FOUND") packs -= 1;
      else if (error.code === "DAMAGED") damaged.push({ name: stored.name, why: error.message });
      else throw error;
    }

    /** A stripe at a time: what is wrong with the first frame that is not what it was. */
    async function damagedFrame(packed: PackedObject, offset: number): Promise<string | undefined> {
      const { object, code, sizeBytes } = packed;
      const count = stripeCount(sizeBytes, code);
      for (let at = 0; at < count; at++) {
        const first = framedAt(sizeBytes, code, at, 0, 0);
        const end = at + 1 < count ? framedAt(sizeBytes, code, at + 1, 0, 0) : framedBytes(sizeBytes, code);
        const range = { start: offset + first, end: offset + end };
        const framed = await store.get(stored.name, { range });
        const stripe = stripeAt(sizeBytes, code, at);
        let next = 0;
        for (let shard = 0; shard < code.d; shard++) {
          const seed = shardSeed(job!, objectIdBytes(object), at, shard);
          checksums.setSeed(seed.lo, seed.hi);
          const length = storedBytes(stripe, code, shard);
          for (let from = 0; from < length; from += frameBytes) {
            const bytesHere = Math.min(frameBytes, length - from);
            const frame = framed.subarray(next, next + bytesHere);
            const sum = framed.subarray(next + bytesHere, next + bytesHere + sumBytes);
            next += bytesHere + sumBytes;
            const isRight = sum.length === sumBytes && checksums.verifyBytes(frame, frameBytes, sum) === -1;
            if (!isRight) return `the frame at byte ${range.start + next - bytesHere - sumBytes} is damaged`;
          }
        }
      }
      return undefined;
    }
  }
  return { packs, objects, bytes, damaged };
}

async function readIndex(store: ObjectStore, { name, sizeBytes }: StoredObject): Promise<PackedObject[]> {
  const end = sizeBytes - packTailBytes;
  if (end < 0) throw new MayflyError("DAMAGED", `${sizeBytes} bytes are no pack.`);
  const length = packIndexBytes(await store.get(name, { range: { start: end, end: sizeBytes } }));
  if (length > end) throw new MayflyError("DAMAGED", `An index of ${length} bytes does not fit in it.`);
  return decodePackIndex(await store.get(name, { range: { start: end - length, end } }));
}
