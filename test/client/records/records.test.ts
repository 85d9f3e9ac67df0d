import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type BatchCodec,
  jsonLines,
  partitionOf,
  RecordWriter,
  rawRecords,
  readRecords,
  reduceRecords,
} from "../../../client/records/index.ts";
import { fleetForFile } from "../exchange/fleet-for-file.ts";

const shared = fleetForFile();

interface Word {
  readonly word: string;
  readonly count: number;
}

const merge = (a: Word, b: Word): Word => ({ word: a.word, count: a.count + b.count });
const keyOf = ({ word }: Word): string => word;

test("records of JSON and of bytes come back as they were", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.array(fc.uint8Array()), (values, bytes) => {
      const json = jsonLines<unknown>();
      const expected = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
      expect([...json.decode(Buffer.concat(values.map((value) => json.encode(value))))]).toEqual(expected);
      const raw = rawRecords();
      const decoded = [...raw.decode(Buffer.concat(bytes.map((each) => raw.encode(each))))];
      expect(decoded.map((each) => Buffer.from(each).toString("hex"))).toEqual(
        bytes.map((each) => Buffer.from(each).toString("hex")),
      );
    }),
  );
  expect(() => [...jsonLines().decode(Buffer.from('{"a":1}'))]).toThrow(/middle of a line/);
  expect(() => [...rawRecords().decode(Buffer.from([5, 0, 0, 0, 1]))]).toThrow(/middle of one/);
  expect(() => [...rawRecords().decode(Buffer.from([5, 0]))]).toThrow(/middle of one/);
  expect(() => jsonLines().encode(undefined)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
});

test("keys are spread evenly, and always to the same partition", () => {
  const counts = Array.from({ length: 50 }, () => 0);
  for (let i = 0; i < 100_000; i++) counts[partitionOf(`key ${i}`, 50)]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(1800);
  expect(Math.max(...counts)).toBeLessThan(2200);
  // What is written by one release is read by another.
  expect(partitionOf("a", 1000)).toBe(103);
  expect(partitionOf(Buffer.from("a"), 1000)).toBe(103);
});

test("words are counted once each, combined in the maps", async () => {
  const [mapper, reducer] = await shared.clients(2);
  const texts = ["to be or not to be", "that is the question", "to die to sleep to sleep perchance to dream"];
  const options = { maps: texts.length, partitions: 3 };
  let sent = 0;
  for (const [map, text] of texts.entries()) {
    await using writer = new RecordWriter<Word>(mapper!.shuffle("words", options).writer(map), {
      codec: jsonLines(),
      partitionOf: ({ word }) => partitionOf(word, 3),
      combine: { keyOf, merge, keysMax: 4 },
    });
    for (const word of text.split(" ")) await writer.write({ word, count: 1 });
    sent += (await writer.commit()).records;
  }
  const counts = new Map<string, number>();
  for (let partition = 0; partition < 3; partition++) {
    const records = readRecords(reducer!.shuffle("words", options).reader(partition), jsonLines<Word>());
    for (const [word, { count }] of await reduceRecords(records, keyOf, merge)) {
      expect(counts.has(word)).toBe(false);
      counts.set(word, count);
    }
  }
  const words = texts.join(" ").split(" ");
  expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(words.length);
  expect(counts.get("to")).toBe(words.filter((word) => word === "to").length);
  expect(counts.size).toBe(new Set(words).size);
  expect(sent).toBeLessThan(words.length);
});

test("a codec of many records at once gets each partition's records together, and readers get one batch a block", async () => {
  const [job] = await shared.clients(1);
  const batches: number[] = [];
  const codec: BatchCodec<Word> = {
    encodeBatch(records) {
      batches.push(records.length);
      return Buffer.from(JSON.stringify(records));
    },
    decode: (block) => JSON.parse(Buffer.from(block).toString()) as Word[],
  };
  const shuffle = job!.shuffle("batches", { maps: 2, partitions: 3 });
  const options = { codec, partitions: 3, batchRecords: 4 };
  // Nobody gets partition 1.
  const partitionOf = ({ count }: Word): number => (count % 2) * 2;
  await using plain = new RecordWriter<Word>(shuffle.writer(0), { ...options, partitionOf });
  for (let count = 0; count < 10; count++) await plain.write({ word: "a", count });
  expect(await plain.commit()).toMatchObject({ isFirst: true, records: 10 });
  expect(batches).toEqual([2, 2, 2, 2, 1, 1]);

  await using combined = new RecordWriter<Word>(shuffle.writer(1), {
    ...{ ...options, partitionOf, combine: { keyOf, merge, keysMax: 3 } },
  });
  for (const word of ["b", "c", "b", "b", "d"]) await combined.write({ word, count: 2 });
  expect(await combined.commit()).toMatchObject({ records: 3 });

  const read = async (partition: number): Promise<Word[]> => {
    const records: Word[] = [];
    for await (const record of readRecords(shuffle.reader(partition), codec)) records.push(record);
    return records.sort((x, y) => x.word.localeCompare(y.word) || x.count - y.count);
  };
  const counts = (word: string, ...of: number[]): Word[] => of.map((count) => ({ word, count }));
  expect(await read(0)).toEqual([
    ...[...counts("a", 0, 2, 4, 6, 8), ...counts("b", 6), ...counts("c", 2), ...counts("d", 2)],
  ]);
  expect(await read(1)).toEqual([]);
  expect(await read(2)).toEqual(counts("a", 1, 3, 5, 7, 9));

  const wrong = new RecordWriter<Word>(job!.shuffle("wrong", { maps: 1, partitions: 3 }).writer(0), {
    ...{ ...options, partitionOf: () => 3 },
  });
  await expect(wrong.write({ word: "a", count: 1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await wrong.abort();
});

test("a block that is read with another codec is not taken for what was written", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("codec", { maps: 1, partitions: 1 });
  const writer = new RecordWriter<Uint8Array>(shuffle.writer(0), {
    codec: rawRecords(),
    partitionOf: () => 0,
  });
  for (const text of ["one", "two\n"]) await writer.write(Buffer.from(text));
  await writer.commit();
  const other = { encode: () => new Uint8Array(0), decode: () => ["one"] };
  const read = async (): Promise<void> => {
    for await (const _ of readRecords(shuffle.reader(0), other));
  };
  await expect(read()).rejects.toMatchObject({
    code: "DAMAGED",
    message: expect.stringContaining("2 were written"),
  });
});

test("records that are written without waiting are combined and counted as others are", async () => {
  const [job] = await shared.clients(1);
  const shuffle = job!.shuffle("unawaited", { maps: 1, partitions: 2 });
  const writer = new RecordWriter<Word>(shuffle.writer(0, { bufferBytes: 65_536 }), {
    codec: jsonLines(),
    partitionOf: ({ word }) => partitionOf(word, 2),
    combine: { keyOf, merge, keysMax: 50 },
  });
  const writes = Array.from({ length: 20_000 }, (_, i) =>
    writer.write({ word: `a rather long word ${i % 97}`, count: 1 }),
  );
  const committed = writer.commit();
  await Promise.all(writes);
  await committed;
  let total = 0;
  for (const partition of [0, 1]) {
    for await (const { count } of readRecords<Word>(shuffle.reader(partition), jsonLines())) total += count;
  }
  expect(total).toBe(20_000);
});
