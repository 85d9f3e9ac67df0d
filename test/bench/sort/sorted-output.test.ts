import { appendFile, mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RecordsFile, writeAsciiRecords } from "../../../bench/sort/ascii-input.ts";
import { checkSorted } from "../../../bench/sort/sorted-output.ts";
import { referenceChecksum, referenceRecords, referenceSort } from "../../../src/sort/record-reference.ts";

/** More than the validator reads at once. */
const records = 100_000;
const { signal } = new AbortController();
let dir = "";
let input: RecordsFile;
let sorted: Uint8Array;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "mayfly-sorted-"));
  input = await writeAsciiRecords(join(dir, "input"), records, signal);
  sorted = referenceSort(await readFile(input.path));
});
afterAll(() => rm(dir, { recursive: true }));

async function output(bytes: Uint8Array, name = "output"): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, bytes);
  return path;
}

test("the input has the records of the sort benchmark, lines that end in CRLF, and their checksum", async () => {
  const few = await writeAsciiRecords(join(dir, "few"), 250, signal);
  const expected = referenceRecords(0, 250, { ascii: true });
  expect(await readFile(few.path)).toEqual(expected);
  expect(few).toMatchObject({ records: 250, bytes: 25_000, checksum: referenceChecksum(expected) });
});

test("what is sorted passes, in one file or in parts", async () => {
  await checkSorted([await output(sorted)], input, signal);
  const parts = [sorted.subarray(0, 300), sorted.subarray(300, 300), sorted.subarray(300)];
  const paths = await Promise.all(parts.map((part, at) => output(part, `part-${at}`)));
  await checkSorted(paths, input, signal);
  await expect(checkSorted(paths.toReversed(), input, signal)).rejects.toThrow(/^record \d+ is below/);
});

test("records out of order are found, also where one block or part ends and the next begins", async () => {
  for (const at of [1, 40_000, records - 1]) {
    const path = await output(sorted);
    const file = await open(path, "r+");
    await file.write(sorted, at * 100, 100, (at - 1) * 100);
    await file.write(sorted, (at - 1) * 100, 100, at * 100);
    await file.close();
    await expect(checkSorted([path], input, signal)).rejects.toThrow(`record ${at} is below`);
  }
});

test("a changed byte, a record twice instead of another, and missing bytes are found", async () => {
  const path = await output(sorted);
  const file = await open(path, "r+");
  await file.write("?", 5_000_050);
  await expect(checkSorted([path], input, signal)).rejects.toThrow("the checksum of what came out is");
  await file.write(sorted, 5_000_000, 100, 5_000_000);
  await checkSorted([path], input, signal);
  await file.write(sorted, 5_000_000, 100, 5_000_100);
  await file.close();
  await expect(checkSorted([path], input, signal)).rejects.toThrow("the checksum of what came out is");
  await truncate(path, sorted.length - 100);
  await expect(checkSorted([path], input, signal)).rejects.toThrow("99999 records came out, and 100000");
  await appendFile(path, "x\n");
  await expect(checkSorted([path], input, signal)).rejects.toThrow("2 bytes too many");
});
