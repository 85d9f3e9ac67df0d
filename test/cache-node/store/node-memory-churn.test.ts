import fc from "fast-check";
import { expect, test } from "vitest";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import type { Block } from "../../../cache-node/store/segment.ts";
import { ShardStore } from "../../../cache-node/store/shard-store.ts";
import { seededRng } from "../../../src/clock.ts";
import { jobNumber, type ObjectId } from "../../../src/ids.ts";
import { frameCount, shardBytesMax } from "../../../src/wire/stripe-layout.ts";
import { fakeHeap, manualClock, mebibyte } from "./fakes.ts";

const limitBytes = 128 * mebibyte;
/** A block of 1 MiB to a node of 4 GiB is one of 32 KiB to this one; a few are larger. */
const scaled = (length: number): number => Math.ceil(length / 32);

const sizes: Record<string, (random: number) => number> = {
  "as many small as large": (random) => scaled(3200 * 2 ** (random * Math.log2(2 ** 20 / 3200))),
  "mostly large": (random) => scaled(3200 + random * (2 ** 20 - 3200)),
  "unscaled, mostly large": (random) => Math.ceil(100 + random * (2 ** 20 - 100)),
};

test.each(Object.entries(sizes))("after ten times its memory, a node still fills: %s", (_name, lengthOf) => {
  const memory = createNodeMemory({ limitBytes, clock: manualClock(), heap: fakeHeap() });
  const rng = seededRng(11);
  const job = memory.job(jobNumber(1));
  const live: Block[] = [];
  const freeOne = (): void => {
    const at = Math.floor(rng.random() * live.length);
    const block = live[at]!;
    live[at] = live[live.length - 1]!;
    live.pop();
    job.free(block);
  };

  // No timer runs: all cleaning is done by the allocations that need it.
  let fullShareMin = 1;
  for (let written = 0; written < 10 * limitBytes; ) {
    const block = job.allocate(lengthOf(rng.random()));
    if (block !== undefined) {
      live.push(block);
      written += block.length;
      continue;
    }
    fullShareMin = Math.min(fullShareMin, job.liveBytes / limitBytes);
    for (let count = live.length / 5; count > 0; count--) freeOne();
  }
  expect(fullShareMin).toBeGreaterThan(0.85);
});

interface StoredObject {
  readonly id: ObjectId;
  readonly shards: number;
}

/** Objects as the node stores them: cut in shards, each with its checksums. */
function objectsIn(shards: ShardStore) {
  let made = 0;
  const objects: StoredObject[] = [];
  const freeShards = ({ id, shards: count }: StoredObject): void => {
    for (let stripe = 0; stripe < count; stripe++)
      shards.free(jobNumber(1), { object: id, stripe, index: 0 });
  };
  return {
    /** False when there is no memory: what was stored of the object stays until `dropPart`. */
    put(bytes: number, onRefused: () => void): boolean {
      const id = String(made++).padStart(16, "0") as ObjectId;
      for (let stripe = 0, left = bytes; left > 0; stripe++, left -= shardBytesMax) {
        const payloadBytes = Math.min(left, shardBytesMax);
        const reservation = shards.reserve(jobNumber(1), payloadBytes + 8 * frameCount(payloadBytes));
        if (reservation === undefined) {
          onRefused();
          freeShards({ id, shards: stripe });
          return false;
        }
        shards.keep({ object: id, stripe, index: 0 }, reservation, payloadBytes);
      }
      objects.push({ id, shards: Math.ceil(bytes / shardBytesMax) });
      return true;
    },
    freeOne(random: number): void {
      const at = Math.floor(random * objects.length);
      const object = objects[at]!;
      objects[at] = objects[objects.length - 1]!;
      objects.pop();
      freeShards(object);
    },
  };
}

/** Sizes are those of a node of 1 GiB, in proportion; but shards have their real size, to which segments are fitted. */
function churn(limitBytes: number, seed: number, mix: "log-uniform" | "uniform"): number {
  const memory = createNodeMemory({ limitBytes, clock: manualClock(), heap: fakeHeap() });
  const job = memory.job(jobNumber(1));
  const objects = objectsIn(new ShardStore(memory));
  const rng = seededRng(seed);
  const sizeMin = 100;
  const sizeMax = limitBytes / 64;
  let liveShareMin = 1;
  for (let written = 0; written < 10 * limitBytes; ) {
    const at = rng.random();
    const bytes = Math.ceil(
      mix === "uniform" ? sizeMin + at * (sizeMax - sizeMin) : sizeMin * (sizeMax / sizeMin) ** at,
    );
    const refused = (): void => {
      liveShareMin = Math.min(liveShareMin, job.liveBytes / limitBytes);
    };
    // Always at the limit: no more is deleted than this object needs.
    while (!objects.put(bytes, refused)) objects.freeOne(rng.random());
    written += bytes;
  }
  memory.close();
  return liveShareMin;
}

test("a node that is always full keeps more than 85 % of its memory for objects, whatever its size and theirs", () => {
  const limitBytes = fc.integer({ min: 64 * mebibyte, max: 160 * mebibyte });
  const mix = fc.constantFrom("log-uniform" as const, "uniform" as const);
  fc.assert(
    fc.property(limitBytes, fc.nat(), mix, (limit, seed, sizes) => {
      expect(churn(limit, seed, sizes)).toBeGreaterThan(0.85);
    }),
    { numRuns: 12, endOnFailure: true, examples: [[96 * mebibyte, 7, "log-uniform"]] },
  );
});
