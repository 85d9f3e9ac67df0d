import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockCache, type BlockRun, blockBytes } from "../../../cache-node/durable/block-cache.ts";

const capacity = 6;

type Step =
  | { put: { name: string; first: number; blocks: number } }
  | { get: { name: string; block: number } };

const name = fc.constantFrom("a", "b");
const block = fc.integer({ min: 0, max: 6 });
const arbitraryStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ put: fc.record({ name, first: block, blocks: fc.integer({ min: 1, max: 4 }) }) }),
  fc.record({ get: fc.record({ name, block }) }),
);

function runOf(name: string, firstBlock: number, blocks: number, round: number): BlockRun {
  const bytes = new Uint8Array(blocks * blockBytes);
  for (let at = 0; at < blocks; at++) bytes[at * blockBytes] = round;
  return { name, firstBlock, bytes };
}

test("it gives what was put last, stays below its bound, and forgets only for want of room", () => {
  fc.assert(
    fc.property(fc.array(arbitraryStep, { maxLength: 30 }), (steps) => {
      const cache = new BlockCache(capacity * blockBytes);
      const last = new Map<string, number>();
      let putBytes = 0;
      for (const [round, step] of steps.entries()) {
        if ("put" in step) {
          const { name, first, blocks } = step.put;
          cache.put(runOf(name, first, blocks, round));
          putBytes += blocks * blockBytes;
          for (let at = first; at < first + blocks; at++) last.set(`${name} ${at}`, round);
          expect(cache.usedBytes <= capacity * blockBytes).toBe(true);
        } else {
          const key = `${step.get.name} ${step.get.block}`;
          const found = cache.get(step.get.name, step.get.block);
          if (found !== undefined) expect(found[0]).toBe(last.get(key));
          else expect(!last.has(key) || putBytes > capacity * blockBytes).toBe(true);
        }
      }
      cache.dropWhere(() => true);
      expect(cache.usedBytes).toBe(0);
      for (const key of last.keys()) expect(cache.get(key.slice(0, 1), Number(key.slice(2)))).toBe(undefined);
    }),
  );
});

test("the run that was used last stays, and the one that nobody asked for goes", () => {
  const cache = new BlockCache(2 * blockBytes);
  cache.put(runOf("a", 0, 1, 1));
  cache.put(runOf("a", 1, 1, 2));
  cache.get("a", 0);
  cache.put(runOf("a", 2, 1, 3));
  expect([0, 1, 2].map((at) => cache.get("a", at)?.[0])).toEqual([1, undefined, 3]);
});

test("the last block of an object is as short as it is", () => {
  const cache = new BlockCache(4 * blockBytes);
  cache.put({ name: "a", firstBlock: 3, bytes: new Uint8Array(blockBytes + 5) });
  expect([3, 4, 5].map((at) => cache.get("a", at)?.length)).toEqual([blockBytes, 5, undefined]);
});

test("what is larger than all the room is not kept", () => {
  const cache = new BlockCache(blockBytes);
  cache.put(runOf("a", 0, 2, 1));
  expect(cache.usedBytes).toBe(0);
});
