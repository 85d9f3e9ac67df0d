import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type ByteRange,
  type ReadAt,
  shareOut,
  textOf,
  wordsOf,
} from "../../../examples/word-count/words.ts";

const readAtOf =
  (file: Uint8Array): ReadAt =>
  async (position, length) =>
    file.subarray(position, position + length);

async function wordsIn(
  file: Uint8Array,
  ranges: readonly ByteRange[],
  chunkBytes?: number,
): Promise<string[]> {
  const words: string[] = [];
  for (const range of ranges)
    for await (const text of textOf(readAtOf(file), range, chunkBytes)) words.push(...wordsOf(text));
  return words;
}

/** Bytes that are often text, with characters of one to four bytes and all kinds of white space, and sometimes none at all. */
const textBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(..."ab'\u2019-éΣß漢😀 \n\r\t\v").map((char) => Buffer.from(char)),
      fc.uint8Array({ maxLength: 3 }).map((bytes) => Buffer.from(bytes)),
    ),
  )
  .map((parts) => Buffer.concat(parts));

test("words are letters, digits and marks, in lower case, with apostrophes inside of them", () => {
  expect(wordsOf("It's 'quoted', co-operate: 3 \u00c9t\u00e9s, don\u2019t!")).toEqual([
    ...["it's", "quoted", "co", "operate", "3", "\u00e9t\u00e9s", "don't"],
  ]);
  expect(wordsOf(" -- \n")).toEqual([]);
});

test("however a file is cut, its parts have the words of the whole, in order", async () => {
  const cuts = fc.array(fc.nat({ max: 200 }), { maxLength: 5 });
  const holds = fc.asyncProperty(textBytes, cuts, fc.integer({ min: 1, max: 9 }), async (file, at, chunk) => {
    const borders = [0, ...at.map((cut) => cut % (file.length + 1)).sort((a, b) => a - b), file.length];
    const ranges = borders.slice(1).map((end, i) => ({ start: borders[i]!, end }));
    expect(await wordsIn(file, ranges, chunk)).toEqual(wordsOf(file.toString("utf8")));
  });
  await fc.assert(holds, { numRuns: 500 });
});

test("what has no white space is no text, and a file that became shorter is told of", async () => {
  const endless = Buffer.alloc(3 * 2 ** 20, "a");
  const half = { start: 0, end: 2 ** 20 };
  await expect(wordsIn(endless, [half])).rejects.toMatchObject({ code: "INPUT_INVALID" });
  const shorter = wordsIn(Buffer.from("a b"), [{ start: 0, end: 8 }]);
  await expect(shorter).rejects.toMatchObject({ code: "INPUT_INVALID" });
});

test("files are shared out evenly, every byte once, in order", () => {
  const sizes = fc.array(fc.nat({ max: 1000 }), { maxLength: 6 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 12 }), (all, maps) => {
      const files = all.map((bytes, i) => ({ path: `${i}`, bytes }));
      const shares = shareOut(files, maps);
      expect(shares).toHaveLength(maps);
      const total = all.reduce((sum, bytes) => sum + bytes, 0);
      for (const share of shares) {
        const bytes = share.reduce((sum, { start, end }) => sum + end - start, 0);
        expect(Math.abs(bytes - total / maps)).toBeLessThan(1);
      }
      for (const { path, bytes } of files) {
        const ranges = shares.flat().filter((range) => range.path === path);
        const starts = ranges.map(({ start }) => start);
        if (bytes > 0) expect([...starts, bytes]).toEqual([0, ...ranges.map(({ end }) => end)]);
      }
    }),
  );
});
