import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { seededRng } from "../../src/clock.ts";
import { createSortOutput } from "../../src/sort/sort-output.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-sort-output-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test("what is written appears under the final name when it is published, and not before", async () => {
  const path = join(dir, "sorted.bin");
  writeFileSync(path, "old");
  const output = await createSortOutput(path, 300, seededRng(1));
  expect(statSync(output.temporaryPath).size).toBe(300);
  writeFileSync(output.temporaryPath, "new");
  expect(readFileSync(path, "utf8")).toBe("old");
  await output.publish();
  await output.discard();
  expect(readFileSync(path, "utf8")).toBe("new");
  expect(readdirSync(dir)).toEqual(["sorted.bin"]);
});

test("a discarded output leaves what was there before, and nothing else", async () => {
  const path = join(dir, "sorted.bin");
  writeFileSync(path, "old");
  const output = await createSortOutput(path, 300, seededRng(1));
  await output.discard();
  await output.discard();
  expect(readdirSync(dir)).toEqual(["sorted.bin"]);
  expect(readFileSync(path, "utf8")).toBe("old");
});

test("a disk without room, and a folder that is not there, are refused before anything is written", async () => {
  const rng = seededRng(1);
  await expect(createSortOutput(join(dir, "big"), 2 ** 52, rng)).rejects.toMatchObject({
    ...{
      code: "OUTPUT_FAILED",
      message: expect.stringMatching(/needs 4503599627370496 bytes and the disk has \d+ free/),
    },
  });
  await expect(createSortOutput(join(dir, "no", "x"), 1, rng)).rejects.toMatchObject({
    ...{ code: "OUTPUT_FAILED", message: expect.stringContaining("there is no folder") },
  });
  expect(readdirSync(dir)).toEqual([]);
});
