/**
 * A store in a directory:
 *
 *     fleet.key            the fleet's private key, PKCS #8 DER in base64, mode 0600
 *     terms/<term>         one empty file for each claimed term: made exclusively, so that a term is claimed once
 *     journal-<term>.jsonl what the controller of that term saved; see journal-lines.ts
 *
 * Each term writes a journal of its own, which begins with the whole state. So an older controller that is still
 * running cannot spoil the newer one's; the newer one does not see what it writes, and it is told not to count it.
 */
import { constants } from "node:fs";
import { type FileHandle, link, mkdir, open, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../../errors.ts";
import type { FleetState } from "../fleet-state.ts";
import { changeLine, readJournal, snapshotLine } from "./journal-lines.ts";
import type { StateStore } from "./state-store.ts";

export interface JournalOptions {
  /** The journal is written anew as one state when so many bytes of changes follow it. */
  readonly compactAfterBytes?: number;
}

/** @throws MayflyError UNAVAILABLE when the directory cannot be made or written. */
export async function openJournal(dir: string, options: JournalOptions = {}): Promise<StateStore> {
  const compactAfterBytes = options.compactAfterBytes ?? 4 * 1024 * 1024;
  const terms = join(dir, "terms");
  await writing(dir, () => mkdir(terms, { recursive: true, mode: 0o700 }));
  let term = 0;
  /** Undefined until the journal holds a whole state and nothing torn: the next save writes one. */
  let file: FileHandle | undefined;
  let changesBytes = 0;

  async function discard(): Promise<void> {
    const closing = file;
    file = undefined;
    await closing?.close();
  }

  async function writeSnapshot(state: FleetState): Promise<void> {
    await discard();
    const path = journalPath(dir, term);
    await replaceFile(dir, path, snapshotLine(term, state));
    file = await open(path, "a");
    changesBytes = 0;
    await removeOlder(dir, terms, term);
  }

  return {
    async claim(termMin) {
      await discard();
      term = await writing(dir, () => claimTerm(terms, termMin));
      return { term, state: await readNewest(dir, term) };
    },
    async save(change, next) {
      await writing(dir, async () => {
        if (file === undefined || changesBytes > compactAfterBytes) return await writeSnapshot(next);
        const line = changeLine(change);
        try {
          await file.appendFile(line);
          await file.datasync();
        } catch (thrown) {
          // Part of the line may be there: never append behind it.
          await discard();
          throw thrown;
        }
        changesBytes += line.length;
      });
    },
    async highestTerm() {
      return Math.max(0, ...(await writing(dir, () => numbersIn(terms, /^(\d+)$/))));
    },
    privateKey: (create) => writing(dir, () => readOrCreateKey(dir, term, create)),
    close: discard,
  };
}

const journalPath = (dir: string, term: number): string => join(dir, `journal-${term}.jsonl`);

/** Makes the file of the first free term from `termMin` on. Whoever loses a race for one takes the next. */
async function claimTerm(terms: string, termMin: number): Promise<number> {
  for (let term = Math.max(termMin, 1, ...(await numbersIn(terms, /^(\d+)$/)).map((n) => n + 1)); ; term++) {
    try {
      const file = await open(join(terms, String(term)), "wx");
      await file.close();
      await syncDirectory(terms);
      return term;
    } catch (thrown) {
      if (codeOf(thrown) !== "EEXIST") throw thrown;
    }
  }
}

async function readNewest(dir: string, term: number): Promise<FleetState | undefined> {
  const older = (await numbersIn(dir, /^journal-(\d+)\.jsonl$/)).filter((n) => n < term);
  if (older.length === 0) return undefined;
  const path = journalPath(dir, Math.max(...older));
  return readJournal(await readFile(path, "utf8"), path);
}

/** Journals before the last one, and claims below the newest, tell nobody anything. */
async function removeOlder(dir: string, terms: string, term: number): Promise<void> {
  const journals = (await numbersIn(dir, /^journal-(\d+)\.jsonl$/))
    .filter((n) => n < term)
    .sort((a, b) => a - b);
  for (const old of journals.slice(0, -1)) await rm(journalPath(dir, old), { force: true });
  for (const old of await numbersIn(terms, /^(\d+)$/)) {
    if (old < term) await rm(join(terms, String(old)), { force: true });
  }
}

/** The file is the old one or the new one, whole, whenever the machine stops. */
async function replaceFile(dir: string, path: string, content: string): Promise<void> {
  const temporary = `${path}.tmp`;
  await writeWhole(temporary, content);
  await rename(temporary, path);
  await syncDirectory(dir);
}

async function writeWhole(path: string, content: string): Promise<void> {
  const file = await open(path, "w", 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** A link, unlike a rename, does not replace the key that another controller made at the same moment. */
async function readOrCreateKey(dir: string, term: number, create: () => string): Promise<string> {
  const path = join(dir, "fleet.key");
  const temporary = join(dir, `fleet.key.${term}.tmp`);
  if (!(await readdir(dir)).includes("fleet.key")) {
    await writeWhole(temporary, create());
    try {
      await link(temporary, path);
    } catch (thrown) {
      if (codeOf(thrown) !== "EEXIST") throw thrown;
    }
    await rm(temporary);
    await syncDirectory(dir);
  }
  return await readFile(path, "utf8");
}

async function numbersIn(dir: string, pattern: RegExp): Promise<number[]> {
  return (await readdir(dir)).flatMap((name) => {
    const match = pattern.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

/** Makes names in a directory durable. Not every system lets a directory be opened; those do without. */
async function syncDirectory(dir: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(dir, constants.O_RDONLY);
  } catch (thrown) {
    if (["EISDIR", "EPERM", "EACCES"].includes(codeOf(thrown))) return;
    throw thrown;
  }
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Errors of the file system, as what they are to the controller's callers. */
async function writing<T>(dir: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (thrown instanceof MayflyError) throw thrown;
    throw new MayflyError(
      "UNAVAILABLE",
      `the controller cannot use its state directory ${dir} (${MayflyError.from(thrown).message}); make room or ` +
        "give it write access, or choose another: mayfly controller --state <directory>",
      { cause: thrown },
    );
  }
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}
