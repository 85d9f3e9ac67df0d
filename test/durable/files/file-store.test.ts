import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { systemClock, systemRng } from "../../../src/clock.ts";
import type { ObjectStore } from "../../../src/durable/object-store.ts";
import { openObjectStore } from "../../../src/durable/open-store.ts";
import { bytesOf, listed, testObjectStore } from "../conformance.ts";

const given = { clock: systemClock, rng: systemRng };
let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "mayfly-files-"));
});
afterAll(() => rmSync(root, { recursive: true }));

testObjectStore({
  open: () => openObjectStore(pathToFileURL(join(root, "conformance")).href, given),
  takesNamesOfFolders: true,
  repeatsNothing: true,
});

async function openNew(name: string): Promise<{ store: ObjectStore; folder: string }> {
  const folder = join(root, name);
  const store = await openObjectStore(pathToFileURL(folder).href, given);
  onTestFinished(() => store.close());
  return { store, folder };
}

test("files have the names of their objects", async () => {
  const { store, folder } = await openNew("readable");
  await store.put("results/2026/part-7.parquet", bytesOf("x"));
  expect(readdirSync(join(folder, "results.d", "2026.d"))).toEqual(["part-7.parquet"]);
});

test("what an interrupted write left is not listed, and removed when it is old", async () => {
  const { store, folder } = await openNew("leftovers");
  const [old, young] = ["old", "young"].map((name) => join(folder, "%tmp", name)) as [string, string];
  for (const path of [old, young]) writeFileSync(path, "part of");
  utimesSync(old, 0, 0);
  expect(await listed(store.list(""))).toEqual([]);
  await openNew("leftovers");
  expect(readdirSync(join(folder, "%tmp"))).toEqual(["young"]);
});

test("files of others are no objects", async () => {
  const { store, folder } = await openNew("others");
  writeFileSync(join(folder, "not%escaped"), "x");
  mkdirSync(join(folder, "folder"));
  mkdirSync(join(folder, ".d"));
  await store.put("mine", bytesOf("x"));
  expect(await listed(store.list(""))).toEqual(["mine"]);
});

test("what was deleted leaves no folder, also when another one is writing there", async () => {
  const { store, folder } = await openNew("folders");
  const rounds = Array.from({ length: 50 }, (_, i) => i);
  await Promise.all(
    rounds.map(async (i) => {
      await store.put(`deep/er/${i}`, bytesOf(`${i}`));
      await store.delete([`deep/er/${i}`]);
    }),
  );
  expect(readdirSync(folder)).toEqual(["%tmp"]);
  expect(readdirSync(join(folder, "%tmp"))).toEqual([]);
});

test("a folder that cannot be made is refused", async () => {
  const file = join(root, "a-file");
  writeFileSync(file, "x");
  const opened = openObjectStore(pathToFileURL(join(file, "below")).href, given);
  await expect(opened).rejects.toMatchObject({ code: "STORE_REFUSED" });
});
