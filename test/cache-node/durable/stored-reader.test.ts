import fc from "fast-check";
import { expect, test } from "vitest";
import { blockBytes } from "../../../cache-node/durable/block-cache.ts";
import { StoreUse } from "../../../cache-node/durable/store-use.ts";
import { StoredReader } from "../../../cache-node/durable/stored-reader.ts";
import { seededRng, systemClock } from "../../../src/clock.ts";
import { jobNumber } from "../../../src/ids.ts";
import type { StoredRange } from "../../../src/wire/stored-spans.ts";
import { MemoryObjectStore } from "../../support/memory-object-store.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";

const mebibyte = 2 ** 20;
const job = jobNumber(3);

function begin(cacheBytes = 64 * mebibyte) {
  const store = new MemoryObjectStore();
  const use = new StoreUse();
  const reader = new StoredReader({ clock: systemClock, open: async () => store, use, cacheBytes });
  const read = (ranges: readonly StoredRange[], options: { timeoutMs?: number; fresh?: boolean } = {}) =>
    reader.read({ job, ranges, timeoutMs: 10_000, ...options });
  const readOne = async (name: string, offset: number, length: number): Promise<Buffer> =>
    Buffer.concat((await read([{ name, offset, length }]))[0]!);
  return { store, use, reader, read, readOne };
}

test("ranges are what the store has, whatever was read before, and those behind the end are short", async () => {
  const sizes = { a: 5 * blockBytes + 77, b: 3 * blockBytes, c: 5 };
  const bytes = Object.fromEntries(Object.entries(sizes).map(([name, size]) => [name, anyBytes(size)]));
  const range = fc.constantFrom(...(["a", "b", "c"] as const)).chain((name) =>
    fc.record({
      name: fc.constant(name),
      offset: fc.integer({ min: 0, max: sizes[name] - 1 }),
      length: fc.integer({ min: 1, max: 4 * blockBytes }),
    }),
  );
  const requests = fc.array(fc.array(range, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(requests, fc.integer({ min: 0, max: 8 }), async (all, cacheBlocks) => {
      const { store, read } = begin(cacheBlocks * blockBytes);
      for (const [name, body] of Object.entries(bytes)) await store.put(name, body);
      const answers = await Promise.all(all.map((ranges) => read(ranges)));
      for (const [at, ranges] of all.entries())
        for (const [index, { name, offset, length }] of ranges.entries()) {
          const found = Buffer.concat(answers[at]![index]!);
          expect(found.equals(bytes[name]!.subarray(offset, offset + length))).toBe(true);
        }
    }),
    { numRuns: 50 },
  );
});

test("what is kept, or on its way, is not asked for again; what is damaged is, past what is kept", async () => {
  const { store, read, readOne, use } = begin();
  await store.put("a", anyBytes(mebibyte));
  await Promise.all([readOne("a", 2 * blockBytes, 10), readOne("a", 5, 1000), readOne("a", 900, 70_000)]);
  expect(store.reads.length).toBe(3);
  await readOne("a", 0, 3 * blockBytes - 20);
  expect(store.reads.length).toBe(3);
  await read([{ name: "a", offset: 0, length: 1 }], { fresh: true });
  expect(store.reads.length).toBe(4);
  expect(use.of(job)).toEqual({ gets: 4, bytesRead: 4 * blockBytes, puts: 0, bytesWritten: 0 });
});

test("many small ranges of one object are one request to the store", async () => {
  const { store, read } = begin();
  const body = anyBytes(3 * mebibyte);
  await store.put("a", body);
  const ranges = Array.from({ length: 100 }, (_, at) => ({ name: "a", offset: at * 30_000, length: 500 }));
  const found = await read(ranges);
  expect(
    found.every((pieces, at) => Buffer.concat(pieces!).equals(body.subarray(at * 30_000, at * 30_000 + 500))),
  ).toBe(true);
  expect(store.reads.length).toBe(1);
});

test("reading in order reads ahead, in windows that grow, and within the part of 4 MiB", async () => {
  const { store, readOne } = begin();
  const body = anyBytes(9 * mebibyte);
  await store.put("a", body);
  const step = 128 * 1024;
  for (let at = 0; at < body.length; at += step) {
    expect((await readOne("a", at, step)).equals(body.subarray(at, at + step))).toBe(true);
  }
  // Of each part two by themselves, and then 0.5, 1 and 2 MiB, and what is left.
  expect(store.reads.length).toBeLessThan(25);
  for (const { start, end } of store.reads) {
    expect(Math.floor(start / (4 * mebibyte))).toBe(Math.floor((end - 1) / (4 * mebibyte)));
  }
});

test("objects of 1 MiB that are read at random cost at most 1.05 requests each", async () => {
  const { store, readOne, use } = begin(16 * mebibyte);
  const size = mebibyte + 512;
  const perPack = 16;
  const packs = 32;
  const pack = Buffer.alloc(perPack * size);
  for (let n = 0; n < packs; n++) store.objects.set(`pack${n}`, pack);
  const rng = seededRng(5);
  const count = 1500;
  for (let n = 0; n < count; n++) {
    const object = Math.floor(rng.random() * perPack * packs);
    await readOne(`pack${Math.floor(object / perPack)}`, (object % perPack) * size, size);
  }
  await until("nothing is under way", () => use.of(job)!.bytesRead > 0);
  expect(store.reads.length).toBeLessThan(1.05 * count);
});

test("nothing of the name: undefined, beside what is there", async () => {
  const { store, read } = begin();
  await store.put("a", anyBytes(100));
  const [missing, there] = await read([
    { name: "b", offset: 0, length: 10 },
    { name: "a", offset: 90, length: 50 },
  ]);
  expect(missing).toBe(undefined);
  expect(Buffer.concat(there!).length).toBe(10);
});

test("a store that does not answer is told of in time, the request is called off, and the next one asks again", async () => {
  const { store, readOne, read } = begin();
  await store.put("a", anyBytes(100));
  let calledOff = 0;
  const callOff = (): void => {
    calledOff += 1;
  };
  store.beforeGet = (_, signal) =>
    new Promise(() => signal?.addEventListener("abort", callOff, { once: true }));
  const one = { name: "a", offset: 0, length: 10 };
  await expect(read([one], { timeoutMs: 20 })).rejects.toMatchObject({ code: "STORE_UNAVAILABLE" });
  expect(calledOff).toBe(1);
  store.beforeGet = () => undefined;
  expect((await readOne("a", 0, 10)).length).toBe(10);
});

test("whoever comes while too much is under way is told to come again, and nothing more is asked of the store", async () => {
  const { store, read } = begin();
  let answer = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  store.beforeGet = () => held;
  const part = 4 * mebibyte;
  const names = Array.from({ length: 17 }, (_, n) => `n${n}`);
  for (const name of names) store.objects.set(name, Buffer.alloc(part));
  const settled = Promise.allSettled(names.map((name) => read([{ name, offset: 0, length: part }])));
  await until("they have asked", () => store.reads.length >= 16);
  answer();
  const outcomes = await settled;
  const refused = outcomes.filter(({ status }) => status === "rejected");
  expect(refused).toEqual([
    { status: "rejected", reason: expect.objectContaining({ code: "BUSY", retryAfterMs: 50 }) },
  ]);
  expect(store.reads.length).toBe(16);
});
