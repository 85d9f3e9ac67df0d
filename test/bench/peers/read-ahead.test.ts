import { expect, test } from "vitest";
import { eachOf, readAhead } from "../../../bench/peers/read-ahead.ts";

const items = Array.from({ length: 20 }, (_, at) => at);

/** Ends later the smaller the item is, and tells how many were under way at most. */
function slowly() {
  const seen = { now: 0, most: 0, begun: 0 };
  const run = async (item: number): Promise<number> => {
    seen.begun += 1;
    seen.most = Math.max(seen.most, ++seen.now);
    for (let turn = item; turn < 20; turn += 3) await new Promise(setImmediate);
    seen.now -= 1;
    return item * item;
  };
  return { seen, run };
}

test("answers come in order, so many are asked for at a time", async () => {
  const { seen, run } = slowly();
  const answers: number[] = [];
  for await (const answer of readAhead(items, 4, run)) answers.push(answer);
  expect(answers).toEqual(items.map((item) => item * item));
  expect(seen.most).toBe(4);
});

test("each item is done once, so many at a time", async () => {
  const { seen, run } = slowly();
  await eachOf(items, 3, run);
  expect(seen).toEqual({ now: 0, most: 3, begun: 20 });
});

test("the first failure ends it, when nothing is under way any more", async () => {
  const { seen, run } = slowly();
  const failing = eachOf(items, 3, async (item) => {
    await run(item);
    if (item === 4) throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(seen.now).toBe(0);
  expect(seen.begun).toBeLessThan(20);
});
