import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { seededRng, systemClock } from "../../../src/clock.ts";
import { directBytesMin, Stage, stageBytes } from "../../../src/durable/files/direct-io.ts";
import { openObjectStore } from "../../../src/durable/open-store.ts";

/** The folder of the project is on a disk; temporary folders may be in memory, where nothing is written directly. */
const dirs = [process.cwd(), tmpdir()].map((parent) => mkdtempSync(join(parent, ".direct-io-")));
afterAll(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});
const open = (dir: string) =>
  openObjectStore(pathToFileURL(dir).href, { clock: systemClock, rng: seededRng(1) });
const patternOf = (bytes: number): Uint8Array =>
  Uint8Array.from({ length: bytes }, (_, at) => (at * 31 + (at >> 8) * 7) & 0xff);

/** Around what is written at once, and around what is worth it. */
const lengths = fc.oneof(
  fc.integer({ min: stageBytes - 5000, max: stageBytes + 5000 }),
  fc.integer({ min: directBytesMin - 5000, max: directBytesMin + 5000 }),
  fc.integer({ min: 0, max: 3 * stageBytes }),
);

test.each(dirs)("bytes of any length come back, whole and in ranges, in %s", async (dir) => {
  const store = await open(dir);
  await fc.assert(
    fc.asyncProperty(lengths, fc.array(fc.nat(), { maxLength: 3 }), fc.nat(), async (bytes, cuts, from) => {
      const wanted = patternOf(bytes);
      const places = [0, ...cuts.map((cut) => cut % (bytes + 1)).sort((a, b) => a - b), bytes];
      const pieces = places.slice(1).map((end, at) => wanted.subarray(places[at], end));
      await store.put("object", pieces);
      expect(Buffer.compare(await store.get("object"), wanted)).toBe(0);
      const start = from % (bytes + 1);
      const range = await store.get("object", { range: { start, end: bytes } });
      expect(Buffer.compare(range, wanted.subarray(start))).toBe(0);
    }),
    { numRuns: 25 },
  );
  store.close();
});

test("when all buffers are in use bytes are written and read all the same", async () => {
  const taken: Stage[] = [];
  for (let stage = Stage.take(); stage !== undefined; stage = Stage.take()) taken.push(stage);
  expect(taken).toHaveLength(8);
  try {
    const store = await open(dirs[0]!);
    const wanted = patternOf(stageBytes + 12_345);
    await store.put("crowded", wanted);
    expect(Buffer.compare(await store.get("crowded"), wanted)).toBe(0);
    store.close();
  } finally {
    for (const stage of taken) stage.giveBack();
  }
});
