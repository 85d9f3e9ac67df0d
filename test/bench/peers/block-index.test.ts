import { expect, test } from "vitest";
import { BlockIndex, IndexWriter } from "../../../bench/peers/block-index.ts";

function written(...runs: readonly (readonly [lengths: number[], records: number[]])[]): Buffer {
  const index = new IndexWriter();
  for (const [lengths, records] of runs) index.add(0, lengths, records);
  return index.encode();
}

test("the blocks of a partition, of all runs of all maps, where they lie; what is empty is left out", async () => {
  const encoded = [
    written([
      [5, 0, 7],
      [1, 0, 2],
    ]),
    written(
      [
        [1, 2, 3],
        [1, 1, 1],
      ],
      [
        [0, 4, 0],
        [0, 2, 9],
      ],
    ),
    written(),
  ];
  const index = new BlockIndex(3, async () => encoded);
  const last = { partition: 2, run: 0 };
  expect(await index.blocksOf(2)).toEqual([
    { ...last, map: 0, offset: 5, bytes: 7, records: 2 },
    { ...last, map: 1, offset: 3, bytes: 3, records: 1 },
    { ...last, map: 1, run: 1, offset: 4, bytes: 0, records: 9 },
  ]);
  expect((await index.blocksOf(1)).map(({ run, offset }) => [run, offset])).toEqual([
    [0, 1],
    [1, 0],
  ]);
});

test("it is read once, and again when a map had not committed", async () => {
  let reads = 0;
  const index = new BlockIndex(1, async () => {
    reads += 1;
    if (reads === 1) throw new Error("not yet");
    return [written([[5], [1]])];
  });
  await expect(index.blocksOf(0)).rejects.toThrow("not yet");
  expect(await index.blocksOf(0)).toHaveLength(1);
  expect(await index.blocksOf(0)).toHaveLength(1);
  expect(reads).toBe(2);
});
