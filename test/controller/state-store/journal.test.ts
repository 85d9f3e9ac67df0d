import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { emptyFleet, type FleetState } from "../../../src/controller/fleet-state.ts";
import { openJournal } from "../../../src/controller/state-store/journal.ts";
import { changeLine, readJournal, snapshotLine } from "../../../src/controller/state-store/journal-lines.ts";
import { applyChange, changeBetween } from "../../../src/controller/state-store/state-change.ts";
import { storedHistory } from "../random-history.ts";

function temporaryDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-journal-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const terms = (dir: string): string[] => readdirSync(join(dir, "terms")).sort();
const journals = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.startsWith("journal-"))
    .sort();

/** A journal's text: a snapshot and one line for each further state. */
function journalOf(history: readonly FleetState[]): string[] {
  const changes = history.slice(1).map((next, i) => changeLine(changeBetween(history[i]!, next)));
  return [snapshotLine(1, history[0]!), ...changes];
}

test("any history of a fleet is read back as it was written", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const history = storedHistory(seed, 25);
      expect(readJournal(journalOf(history).join(""), "journal")).toEqual(history.at(-1));
      const replayed = history
        .slice(1)
        .reduce((at, next, i) => applyChange(at, changeBetween(history[i]!, next)), history[0]!);
      expect(replayed).toEqual(history.at(-1));
    }),
    { numRuns: 6 },
  );
});

test("a last line that was cut off anywhere is dropped: nobody was told that it counts", () => {
  const history = storedHistory(5, 4);
  const lines = journalOf(history);
  const whole = lines.slice(0, -1).join("");
  const last = lines.at(-1)!;
  const step = Math.max(1, Math.floor(last.length / 50));
  for (let length = 0; length < last.length; length += length > last.length - 5 ? 1 : step) {
    expect(readJournal(whole + last.slice(0, length), "journal"), `cut at ${length}`).toEqual(history.at(-2));
  }
});

test("any other damage is an error that names the line and what to do", () => {
  const lines = journalOf(storedHistory(6, 5));
  const damage = (index: number, change: (line: string) => string): string =>
    lines.map((line, i) => (i === index ? change(line) : line)).join("");
  for (const index of lines.keys()) {
    const changed = damage(index, (line) =>
      line.replace(/"highest(Job|Node)":\d+|"entry":\{/, (found) => `${found}1`),
    );
    const dropped = damage(index, (line) => line.slice(10));
    for (const text of [changed, dropped]) {
      expect(() => readJournal(text, "dir/journal-1.jsonl"), `line ${index + 1}`).toThrow(
        expect.objectContaining({
          code: "DAMAGED",
          message: expect.stringMatching(
            `line ${index + 1} of dir/journal-1.jsonl.*Restore.*mayfly controller --state`,
          ),
        }),
      );
    }
  }
  expect(() => readJournal("", "journal")).toThrow(/no whole line/);
  expect(() => readJournal(lines[1]!, "journal")).toThrow(/not the first line/);
  expect(() => readJournal(lines[0]! + lines[0]!, "journal")).toThrow(/line 2/);
});

test("a store gives each term away once, however many ask at once", async () => {
  const dir = temporaryDir();
  const stores = await Promise.all(Array.from({ length: 8 }, () => openJournal(dir)));
  const claimed = await Promise.all(stores.map((store) => store.claim(1)));
  expect(claimed.map(({ term }) => term).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect((await stores[0]!.claim(20)).term).toBe(20);
  expect(await stores[3]!.highestTerm()).toBe(20);
});

test("each term goes on from what the one before saved, and does not see what that saves later", async () => {
  const dir = temporaryDir();
  const [start, ...states] = storedHistory(8, 6) as [FleetState, ...FleetState[]];
  const old = await openJournal(dir);
  expect(await old.claim(1)).toEqual({ term: 1, state: undefined });
  let at = start;
  for (const next of states.slice(0, 4)) {
    await old.save(changeBetween(at, next), next);
    at = next;
  }
  const young = await openJournal(dir);
  expect(await young.claim(1)).toEqual({ term: 2, state: at });
  await old.save(changeBetween(at, states[4]!), states[4]!);
  expect(await old.highestTerm()).toBe(2);
  await young.save({}, at);
  const third = await openJournal(dir);
  expect(await third.claim(1)).toEqual({ term: 3, state: at });
  await third.save({}, at);
  expect([terms(dir), journals(dir)]).toEqual([["3"], ["journal-2.jsonl", "journal-3.jsonl"]]);
  for (const store of [old, young, third]) await store.close();
});

test("a crash between claiming a term and saving under it loses nothing", async () => {
  const dir = temporaryDir();
  const state = storedHistory(9, 8).at(-1)!;
  const first = await openJournal(dir);
  await first.claim(1);
  await first.save({}, state);
  await (await openJournal(dir)).claim(1);
  const third = await openJournal(dir);
  expect(await third.claim(1)).toEqual({ term: 3, state });
  await first.close();
});

test("a journal that grows is written anew as one state", async () => {
  const dir = temporaryDir();
  const store = await openJournal(dir, { compactAfterBytes: 4_000 });
  await store.claim(1);
  const history = storedHistory(10, 60);
  let largest = 0;
  for (const [i, next] of history.entries()) {
    await store.save(i === 0 ? {} : changeBetween(history[i - 1]!, next), next);
    largest = Math.max(largest, statSync(join(dir, "journal-1.jsonl")).size);
  }
  const written = journalOf(history).join("").length;
  expect(largest).toBeLessThan(written / 2);
  await store.close();
  expect((await (await openJournal(dir)).claim(1)).state).toEqual(history.at(-1));
});

test("the key is made once, and only this user can read it and the journal", async () => {
  const dir = temporaryDir();
  const stores = await Promise.all([openJournal(dir), openJournal(dir), openJournal(dir)]);
  await Promise.all(stores.map((store) => store.claim(1)));
  const keys = await Promise.all(stores.map((store, i) => store.privateKey(() => `key ${i}`)));
  expect(new Set(keys).size).toBe(1);
  await stores[0]!.save({}, emptyFleet(2));
  expect(statSync(join(dir, "fleet.key")).mode & 0o777).toBe(0o600);
  expect(statSync(join(dir, journals(dir)[0]!)).mode & 0o777).toBe(0o600);
  expect(await (await openJournal(dir)).privateKey(() => "another")).toBe(keys[0]);
  expect(readdirSync(dir).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  await stores[0]!.close();
});

test("a directory that cannot be used is told so, with what to do", async () => {
  const dir = temporaryDir();
  const file = join(dir, "file");
  writeFileSync(file, "");
  const refused = { code: "UNAVAILABLE", message: expect.stringContaining("mayfly controller --state") };
  await expect(openJournal(join(file, "state"))).rejects.toMatchObject(refused);
});

test("a save that failed is made up for by the next", async () => {
  const dir = temporaryDir();
  const store = await openJournal(dir, { compactAfterBytes: 0 });
  const history = storedHistory(11, 5);
  await store.claim(1);
  await store.save({}, history[0]!);
  await store.save({}, history[1]!);
  // The journal cannot be replaced while a directory is in the way of its temporary name.
  mkdirSync(join(dir, "journal-1.jsonl.tmp"));
  await expect(store.save({}, history[2]!)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  rmSync(join(dir, "journal-1.jsonl.tmp"), { recursive: true });
  await store.save(changeBetween(history[2]!, history[3]!), history[3]!);
  expect(readJournal(readFileSync(join(dir, "journal-1.jsonl"), "utf8"), "j")).toEqual(history[3]);
  await store.close();
});
