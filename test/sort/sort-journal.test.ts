import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MayflyError } from "../../src/errors.ts";
import { createJournal, type JournalEntry, journalFile, resumeJournal } from "../../src/sort/sort-journal.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-journal-"));
  path = join(dir, journalFile);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const reduced = (partition: number): JournalEntry => ({
  ...{ kind: "reduced", partition, records: 3, checksum: "7", duplicateKeys: 0, firstKey: "a", lastKey: "b" },
  ...{ shuffleMs: 1, reduceMs: 2, rssBytes: 3 },
});
const mapped = (wave: number): JournalEntry => ({ kind: "mapped", wave, counts: [3, 3], checksum: "14" });
const waveDone = (wave: number): JournalEntry => ({
  ...{ kind: "wave", wave, bytes: 600, seconds: 2, mapSeconds: 1, reduceSeconds: 1 },
  ...{ storedBytes: 900, rssPeakBytes: 5 },
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => "resolved",
    (error: unknown) => `${MayflyError.from(error).code} ${MayflyError.from(error).message}`,
  );
}

test("what was appended is there for whoever goes on, and it goes on in the same file", async () => {
  const journal = await createJournal(dir, { version: 1, name: "x" });
  expect(journal.done.partitions.size).toBe(0);
  await Promise.all([mapped(0), reduced(1), reduced(0), waveDone(0), mapped(1)].map(journal.append));
  await journal.close();
  const again = await resumeJournal(dir);
  expect(again.run).toMatchObject({ version: 1, name: "x" });
  await again.journal.append(reduced(3));
  await again.journal.close();
  const { journal: last } = await resumeJournal(dir);
  expect([...last.done.mapped.keys()]).toEqual([0, 1]);
  expect(last.done.mapped.get(1)).toEqual({ wave: 1, counts: [3, 3], checksum: "14" });
  expect([...last.done.partitions]).toEqual([1, 0, 3]);
  expect(last.done.waves).toEqual([expect.objectContaining({ wave: 0, seconds: 2 })]);
  await last.close();
});

test("a line that was being written when all was killed does not count, wherever it was cut", async () => {
  const journal = await createJournal(dir, { version: 1 });
  await journal.append(reduced(0));
  await journal.close();
  const whole = readFileSync(path);
  const line = Buffer.from(`${JSON.stringify(reduced(1))}\n`);
  for (const cut of [1, 10, line.length - 1]) {
    writeFileSync(path, Buffer.concat([whole, line.subarray(0, cut)]));
    const again = await resumeJournal(dir);
    expect([...again.journal.done.partitions]).toEqual([0]);
    await again.journal.append(reduced(2));
    await again.journal.close();
    const last = await resumeJournal(dir);
    expect([...last.journal.done.partitions]).toEqual([0, 2]);
    await last.journal.close();
  }
});

test("a folder has one sort, and without one there is nothing to go on with", async () => {
  expect(await codeOf(resumeJournal(dir))).toMatch(/^INPUT_INVALID There is no sort to go on with/);
  await (await createJournal(dir, {})).close();
  expect(await codeOf(createJournal(dir, {}))).toMatch(/^OUTPUT_FAILED .*go on with it by --resume/);
  truncateSync(path, 5);
  expect(await codeOf(resumeJournal(dir))).toMatch(/^INPUT_INVALID .*killed before it began/);
  rmSync(path);
  const journal = await createJournal(dir, {});
  await journal.close();
  appendFileSync(path, "not JSON\n");
  expect(await codeOf(resumeJournal(dir))).toMatch(/^DAMAGED .*line 2/);
});

test("two at a time are refused, and one that was killed is not waited for", async () => {
  await (await createJournal(dir, {})).close();
  const holder = join(dir, "running");
  expect(existsSync(holder)).toBe(false);
  writeFileSync(holder, String(process.ppid));
  expect(await codeOf(resumeJournal(dir))).toMatch(/^INPUT_INVALID Process \d+ is at this sort already/);
  // The child has ended by then: nobody has its number.
  writeFileSync(holder, String(spawnSync(process.execPath, ["--version"]).pid));
  const { journal } = await resumeJournal(dir);
  expect(readFileSync(holder, "utf8")).toBe(String(process.pid));
  await journal.close();
  expect(existsSync(holder)).toBe(false);
});
