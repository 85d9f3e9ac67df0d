import fc from "fast-check";
import { expect, test } from "vitest";
import type { PartitionReader, ShuffleBlock } from "../../../client/index.ts";
import { watchRequests } from "../../support/watch-requests.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { fleetForFile } from "../exchange/fleet-for-file.ts";

const shared = fleetForFile();

async function blocksOf(reader: PartitionReader): Promise<ShuffleBlock[]> {
  const blocks: ShuffleBlock[] = [];
  for await (const block of reader) blocks.push(block);
  return blocks.sort((a, b) => a.map - b.map);
}

const texts = (blocks: readonly ShuffleBlock[]): string[] =>
  blocks.map(({ map, records, data }) => `${map}: ${records} ${String(data)}`);

test("each partition is read with what every map wrote to it", async () => {
  const [mapper, reducer] = await shared.clients(2);
  const options = { maps: 3, partitions: 4 };
  for (let map = 0; map < 3; map++) {
    await using writer = mapper!.shuffle("by-user", options).writer(map);
    for (let i = 0; i < 8; i++) await writer.write(i % 4, `${map}${i} `);
    expect(await writer.commit()).toEqual({ isFirst: true, records: 8, bytes: 24 });
  }
  const shuffle = reducer!.shuffle("by-user", options);
  expect(texts(await blocksOf(shuffle.reader(1)))).toEqual(["0: 2 01 05 ", "1: 2 11 15 ", "2: 2 21 25 "]);
  expect(texts(await blocksOf(shuffle.reader(3)))).toEqual(["0: 2 03 07 ", "1: 2 13 17 ", "2: 2 23 27 "]);
  expect(await shuffle.progress()).toEqual({ maps: 3, committed: 3, records: 24, bytes: 72 });
});

test("a reader asks once for what hundreds of maps have committed", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("many", { maps: 150, partitions: 2 });
  await Promise.all(
    Array.from({ length: 150 }, async (_, map) => {
      const writer = shuffle.writer(map);
      await writer.write(1, `of ${map}`);
      await writer.commit();
    }),
  );
  const reads = watchRequests("MF.CELL.READ");
  expect((await blocksOf(shuffle.reader(1))).map(({ data }) => String(data))).toEqual(
    Array.from({ length: 150 }, (_, map) => `of ${map}`),
  );
  // The notices, and a row of each table.
  expect(reads).toHaveLength(2);
});

test("readers begin before the maps, and get what was committed meanwhile", async () => {
  const [mapper, reducer] = await shared.clients(2);
  const options = { maps: 2, partitions: 2 };
  const reader = reducer!.shuffle("early", options).reader(0, { timeoutMs: 20_000 });
  const first = reader.next();
  const write = async (map: number): Promise<void> => {
    const writer = mapper!.shuffle("early", options).writer(map);
    await writer.write(0, `of ${map}`);
    await writer.commit();
  };
  await write(1);
  expect((await first).value).toMatchObject({ map: 1, records: 1 });
  const second = reader.next();
  await write(0);
  expect(String((await second).value?.data)).toBe("of 0");
  expect(await reader.next()).toEqual({ done: true, value: undefined });
  expect(await reader.next()).toEqual({ done: true, value: undefined });
});

test("a reader that waits too long says which maps have not committed, and can go on", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("late", { maps: 3, partitions: 1 });
  const reader = shuffle.reader(0, { timeoutMs: 2000 });
  const write = async (map: number): Promise<void> => {
    const writer = shuffle.writer(map);
    await writer.write(0, "x");
    await writer.commit();
  };
  await write(1);
  expect((await reader.next()).value?.map).toBe(1);
  await expect(reader.next()).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
    message: expect.stringContaining("1 of 3 maps"),
  });
  await write(0);
  await write(2);
  expect((await blocksOf(reader)).map(({ map }) => map)).toEqual([0, 2]);
});

test("of several attempts of a map one counts, whoever writes what when; the others are freed", async () => {
  const [one, two, reducer] = await shared.clients(3);
  const options = { maps: 1, partitions: 2 };
  const first = one!.shuffle("dup", options).writer(0, { attempt: "first" });
  const second = two!.shuffle("dup", options).writer(0, { attempt: "second" });
  const [a, b] = [anyBytes(300_000), anyBytes(300_000)];
  await first.write(0, a);
  await second.write(0, b);
  const results = await Promise.all([first.commit(), second.commit()]);
  expect(results.filter(({ isFirst }) => isFirst)).toHaveLength(1);
  const winner = results[0]!.isFirst ? a : b;
  const [block, ...others] = await blocksOf(reducer!.shuffle("dup", options).reader(0));
  expect(others).toEqual([]);
  expect(winner.equals(block!.data)).toBe(true);
  const third = one!.shuffle("dup", options).writer(0);
  await third.write(1, "late");
  expect((await third.commit()).isFirst).toBe(false);
  expect(await blocksOf(reducer!.shuffle("dup", options).reader(1))).toEqual([]);
  await expect(third.write(0, "x")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(third.commit()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("what was not committed is never seen", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("aborted", { maps: 1, partitions: 1 });
  {
    await using writer = shuffle.writer(0, { bufferBytes: 65_536 });
    for (let i = 0; i < 20; i++) await writer.write(0, anyBytes(50_000));
  }
  expect((await shuffle.progress()).committed).toBe(0);
  const writer = shuffle.writer(0);
  await writer.write(0, "real");
  await writer.commit();
  expect(texts(await blocksOf(shuffle.reader(0)))).toEqual(["0: 1 real"]);
});

test("a map that dies after its commit and before it told anybody is told of by the next attempt", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("untold", { maps: 1, partitions: 600 });
  const writer = shuffle.writer(0, { bufferBytes: 65_536 });
  for (let i = 0; i < 600; i++) await writer.write(i, `of ${i} ${"x".repeat(400)}`);
  await writer.commit();
  // As if it had died there.
  await job!.delete("mf:shuffle/untold");
  expect((await shuffle.progress()).committed).toBe(0);
  const again = shuffle.writer(0);
  await again.write(0, "another");
  expect((await again.commit()).isFirst).toBe(false);
  for (const partition of [0, 511, 512, 599]) {
    const blocks = await blocksOf(shuffle.reader(partition));
    expect(blocks.map(({ data }) => String(data).trimEnd().split(" x")[0])).toEqual([`of ${partition}`]);
  }
  expect(await job!.shuffle("untold", { maps: 1, partitions: 600 }).progress()).toMatchObject({
    records: 600,
  });
});

test("a map that wrote nothing counts", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("empty", { maps: 2, partitions: 3 });
  expect(await shuffle.writer(0).commit()).toEqual({ isFirst: true, records: 0, bytes: 0 });
  expect((await shuffle.writer(0).commit()).isFirst).toBe(false);
  const writer = shuffle.writer(1);
  await writer.write(2, "");
  await writer.write(1, "a");
  await writer.commit();
  expect(await blocksOf(shuffle.reader(0))).toEqual([]);
  expect(texts(await blocksOf(shuffle.reader(1)))).toEqual(["1: 1 a"]);
  expect(texts(await blocksOf(shuffle.reader(2)))).toEqual(["1: 1 "]);
});

test("records without bytes are counted, also when a map has no others", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("bare", { maps: 1, partitions: 2 });
  const writer = shuffle.writer(0);
  for (const partition of [0, 1, 1]) await writer.write(partition, "");
  expect(await writer.commit()).toEqual({ isFirst: true, records: 3, bytes: 0 });
  expect(texts(await blocksOf(shuffle.reader(1)))).toEqual(["0: 2 "]);
});

test("calls of a writer that are not awaited take effect in their order", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("unawaited", { maps: 1, partitions: 2 });
  const writer = shuffle.writer(0, { bufferBytes: 65_536 });
  const pieces = Array.from({ length: 200 }, () => anyBytes(20_000));
  const calls = pieces.map((piece, index) =>
    index % 50 === 49 ? writer.writeRun(piece, [0, piece.length], [0, 1]) : writer.write(1, piece),
  );
  const committed = writer.commit();
  await Promise.all(calls);
  expect(await committed).toEqual({ isFirst: true, records: 200, bytes: 4_000_000 });
  const blocks = await blocksOf(shuffle.reader(1));
  expect(Buffer.concat(blocks.map(({ data }) => data)).equals(Buffer.concat(pieces))).toBe(true);
});

test("after a call that failed the attempt is over, and another one can begin", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("failed", { maps: 1, partitions: 1 });
  const stop = new AbortController();
  const writer = shuffle.writer(0, { bufferBytes: 65_536, signal: stop.signal });
  await writer.write(0, anyBytes(60_000));
  stop.abort();
  await expect(writer.write(0, anyBytes(60_000))).rejects.toMatchObject({ code: "ABORTED" });
  await expect(writer.write(0, anyBytes(60_000))).rejects.toMatchObject({ code: "ABORTED" });
  await expect(writer.commit()).rejects.toMatchObject({ code: "ABORTED" });
  const again = shuffle.writer(0);
  await again.write(0, "again");
  expect((await again.commit()).isFirst).toBe(true);
  expect(texts(await blocksOf(shuffle.reader(0)))).toEqual(["0: 1 again"]);
});

test("runs that are sorted already are written as they are", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("runs", { maps: 1, partitions: 3 });
  const writer = shuffle.writer(0);
  await writer.write(1, "before");
  await writer.writeRun(Buffer.from("aabbbcc"), [2, 3, 2], [2, 3, 1]);
  await writer.writeRun(Buffer.from("cc"), [0, 0, 2], [0, 0, 2]);
  await expect(writer.writeRun(Buffer.from("cc"), [0, 0, 1], [0, 0, 2])).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await writer.commit();
  expect(texts(await blocksOf(shuffle.reader(0)))).toEqual(["0: 2 aa"]);
  expect(texts(await blocksOf(shuffle.reader(1)))).toEqual(["0: 1 before", "0: 3 bbb"]);
  expect(texts(await blocksOf(shuffle.reader(2)))).toEqual(["0: 1 cc", "0: 2 cc"]);
});

test("whatever is written comes out, once, in any sizes of runs, stripes and prefetch", {
  timeout: 120_000,
}, async () => {
  const [mapper, reducer] = await shared.clients(2);
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        maps: fc.integer({ min: 1, max: 4 }),
        partitions: fc.integer({ min: 1, max: 40 }),
        bufferBytes: fc.integer({ min: 65_536, max: 400_000 }),
        prefetchBytes: fc.integer({ min: 1, max: 300_000 }),
        records: fc.array(fc.tuple(fc.nat(1000), fc.nat(60_000)), { maxLength: 60 }),
      }),
      async ({ maps, partitions, bufferBytes, prefetchBytes, records }) => {
        const options = { maps, partitions };
        const name = `any ${round++}`;
        const expected = Array.from({ length: partitions }, () => new Map<number, Buffer[]>());
        for (let map = 0; map < maps; map++) {
          const writer = mapper!.shuffle(name, options).writer(map, { bufferBytes });
          for (const [place, length] of records) {
            const partition = (place + map) % partitions;
            const bytes = anyBytes(length % (1 + (place % 7) * 9000));
            await writer.write(partition, bytes);
            const list = expected[partition]!.get(map) ?? [];
            expected[partition]!.set(map, [...list, bytes]);
          }
          await writer.commit();
        }
        for (let partition = 0; partition < partitions; partition++) {
          const found = new Map<number, { bytes: Buffer; records: number }>();
          for await (const block of reducer!.shuffle(name, options).reader(partition, { prefetchBytes })) {
            const before = found.get(block.map) ?? { bytes: Buffer.alloc(0), records: 0 };
            found.set(block.map, {
              bytes: Buffer.concat([before.bytes, block.data]),
              records: before.records + block.records,
            });
          }
          expect([...found.keys()].sort()).toEqual([...expected[partition]!.keys()].sort());
          for (const [map, list] of expected[partition]!) {
            expect(found.get(map)!.records).toBe(list.length);
            expect(Buffer.concat(list).equals(found.get(map)!.bytes)).toBe(true);
          }
        }
        await reducer!.shuffle(name, options).delete();
      },
    ),
    { numRuns: 15 },
  );
  const left: string[] = [];
  for await (const { key } of reducer!.list("mf:shuffle/")) left.push(String(key));
  expect(left).toEqual([]);
});

test("what can be no shuffle, map, partition or buffer is refused", async () => {
  const [job] = await shared.clients(1);
  const refused = { code: "INVALID_ARGUMENT" };
  await expect(job!.shuffle("a", { maps: 0, partitions: 1 }).progress()).rejects.toMatchObject(refused);
  await expect(job!.shuffle("a", { maps: 1, partitions: 1.5 }).progress()).rejects.toMatchObject(refused);
  const shuffle = job!.shuffle("a", { maps: 2, partitions: 2 });
  await expect(shuffle.writer(2).write(0, "x")).rejects.toMatchObject(refused);
  await expect(shuffle.writer(0).write(2, "x")).rejects.toMatchObject(refused);
  await expect(shuffle.writer(0, { bufferBytes: 10 }).commit()).rejects.toMatchObject(refused);
  await expect(shuffle.reader(2).next()).rejects.toMatchObject(refused);
  await expect(shuffle.reader(0, { prefetchBytes: 0 }).next()).rejects.toMatchObject(refused);
});

test("blocks are received in memory of the caller's, of the right size", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("in place", { maps: 3, partitions: 1 });
  const written = Array.from({ length: 3 }, () => anyBytes(200_000));
  for (const [map, bytes] of written.entries()) {
    const writer = shuffle.writer(map);
    await writer.write(0, bytes);
    await writer.commit();
  }
  const memory = Buffer.alloc(600_000);
  let used = 0;
  const allocate = (bytes: number): Uint8Array => {
    used += bytes;
    return memory.subarray(used - bytes, used);
  };
  const blocks = await blocksOf(shuffle.reader(0, { allocate }));
  expect(blocks.map(({ data }) => data.buffer === memory.buffer)).toEqual([true, true, true]);
  for (const { map, data } of blocks) expect(written[map]!.equals(data)).toBe(true);
  const tooSmall = shuffle.reader(0, { allocate: () => Buffer.alloc(10) });
  await expect(tooSmall.next()).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("readers of one shuffle hear of maps together, those that wait and those that come later", async () => {
  const [mapper, reducer] = await shared.clients(2);
  const options = { maps: 3, partitions: 4 };
  const shuffle = reducer!.shuffle("together", options);
  const readers = [0, 1, 2].map((partition) => shuffle.reader(partition, { timeoutMs: 20_000 }));
  const reading = Promise.all(readers.map((reader) => blocksOf(reader)));
  for (let map = 0; map < 3; map++) {
    const writer = mapper!.shuffle("together", options).writer(map);
    for (let partition = 0; partition < 4; partition++) await writer.write(partition, `${map}/${partition}`);
    await writer.commit();
  }
  for (const [partition, blocks] of (await reading).entries())
    expect(texts(blocks)).toEqual([0, 1, 2].map((map) => `${map}: 1 ${map}/${partition}`));
  expect(await blocksOf(shuffle.reader(3))).toHaveLength(3);
  expect(await shuffle.progress()).toMatchObject({ committed: 3, records: 12 });
});
