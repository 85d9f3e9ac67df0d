import { expect, test } from "vitest";
import { createLimiter } from "../../../src/controller/provisioners/limiter.ts";

test("so much work runs at a time, in order, also after some of it failed", async () => {
  const limit = createLimiter(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const work = (n: number): Promise<number> =>
    limit(
      () =>
        new Promise((resolve, reject) => {
          begun.push(n);
          ends[n] = () => (n === 1 ? reject(new Error("no")) : resolve(n));
        }),
    );
  const all = Promise.allSettled([0, 1, 2, 3].map(work));
  expect(begun).toEqual([0, 1]);
  for (const n of [1, 0, 2, 3]) {
    ends[n]!();
    await new Promise(setImmediate);
  }
  expect(begun).toEqual([0, 1, 2, 3]);
  expect((await all).map(({ status }) => status)).toEqual([
    "fulfilled",
    "rejected",
    "fulfilled",
    "fulfilled",
  ]);
});
