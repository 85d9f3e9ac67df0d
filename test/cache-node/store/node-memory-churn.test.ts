import { expect, test } from "vitest";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import type { Block } from "../../../cache-node/store/segment.ts";
import { seededRng } from "../../../src/clock.ts";
import { jobNumber } from "../../../src/ids.ts";
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
