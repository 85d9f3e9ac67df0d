/**
 * What a sort has done, in a file of a folder of its own: one line of JSON each, appended and synced before the work counts as done. A
 * last line without its end was being written when the process was killed, and does not count.
 *
 *     {"kind":"run", ...}       once, first: everything that a resumed run needs to go on in the same way
 *     {"kind":"mapped", ...}    all maps of a wave have written: records of each partition, and the checksum of what went in
 *     {"kind":"reduced", ...}   a partition is sorted, checked, and in the output if there is one
 *     {"kind":"wave", ...}      all partitions of a wave are: its figures
 */
import { type FileHandle, mkdir, open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../errors.ts";
import type { ReduceResult } from "./sort-events.ts";

export const journalFile = "sort-journal.jsonl";
/** Has the process id of whoever goes on with the sort; of one that is gone it says nothing. */
const holderFile = "running";

/** Of one wave; the counts are those of its partitions. */
export interface MappedWave {
  readonly wave: number;
  readonly counts: readonly number[];
  /** Of all its records, as a decimal text. */
  readonly checksum: string;
}

export interface WaveFigures {
  readonly wave: number;
  /** That were sorted in it. */
  readonly bytes: number;
  readonly seconds: number;
  readonly mapSeconds: number;
  readonly reduceSeconds: number;
  /** Shards, parity and their checksums. */
  readonly storedBytes: number;
  /** Of all processes together, sampled; 0 when nobody looked. */
  readonly rssPeakBytes: number;
}

export type JournalEntry =
  | ({ readonly kind: "mapped" } & MappedWave)
  | ({ readonly kind: "reduced" } & ReduceResult)
  | ({ readonly kind: "wave" } & WaveFigures);

interface RunEntry {
  readonly kind: "run";
}

export interface SortDone {
  readonly mapped: ReadonlyMap<number, MappedWave>;
  readonly reduced: readonly ReduceResult[];
  /** Those that `reduced` has. */
  readonly partitions: ReadonlySet<number>;
  readonly waves: readonly WaveFigures[];
}

export interface SortJournal {
  /** Before this run. */
  readonly done: SortDone;
  /** Resolves when the entry is on the disk. @throws MayflyError OUTPUT_FAILED */
  append(entry: JournalEntry): Promise<void>;
  /** To close twice does nothing. */
  readonly close: () => Promise<void>;
}

const none: SortDone = { mapped: new Map(), reduced: [], partitions: new Set(), waves: [] };

/** Two that go on with one sort would write over one another. @throws MayflyError INPUT_INVALID */
async function hold(dir: string): Promise<() => Promise<void>> {
  const path = join(dir, holderFile);
  const pid = Number(await readFile(path, "utf8").catch(() => ""));
  if (pid > 0 && pid !== process.pid && isRunning(pid)) {
    const message = `Process ${pid} is at this sort already; if it is another one that has the number by now, remove ${path}.`;
    throw new MayflyError("INPUT_INVALID", message);
  }
  await writeFile(path, String(process.pid));
  return () => rm(path, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** @param run what a resumed run is given: plain JSON @throws MayflyError OUTPUT_FAILED when the folder has a journal already, or cannot be written */
export async function createJournal(dir: string, run: object): Promise<SortJournal> {
  const path = join(dir, journalFile);
  const file = await mkdir(dir, { recursive: true })
    .then(() => open(path, "wx"))
    .catch((cause: NodeJS.ErrnoException) => {
      const why =
        cause.code === "EEXIST"
          ? `there is one of another sort; go on with it by --resume ${dir}, or give an empty folder`
          : cause.message;
      throw new MayflyError("OUTPUT_FAILED", `The journal ${path} cannot be made: ${why}.`, { cause });
    });
  const journal = journalOn(file, path, none, await hold(dir));
  await journal.append({ kind: "run", ...run });
  // The name of the file, too.
  const folder = await open(dir, "r");
  await folder.sync().finally(() => folder.close());
  return journal;
}

/** @returns the journal, to go on with, and what it was created with @throws MayflyError INPUT_INVALID */
export async function resumeJournal(dir: string): Promise<{ journal: SortJournal; run: unknown }> {
  const path = join(dir, journalFile);
  const text = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === "ENOENT" ? `there is no ${journalFile} in ${dir}` : cause.message;
    throw new MayflyError("INPUT_INVALID", `There is no sort to go on with: ${why}.`, { cause });
  });
  const wholeBytes = text.lastIndexOf(0x0a) + 1;
  const lines = text.toString("utf8", 0, wholeBytes).split("\n").slice(0, -1);
  const [run, ...entries] = lines.map((line, index) => entryOf(line, `${path}, line ${index + 1}`));
  if (run?.kind !== "run")
    throw new MayflyError(
      "INPUT_INVALID",
      `${path} has nothing to go on with: the sort was killed before it began.`,
    );
  const done = doneOf(entries as readonly JournalEntry[]);
  const release = await hold(dir);
  const file = await open(path, "r+");
  await file.truncate(wholeBytes);
  return { journal: journalOn(file, path, done, release, wholeBytes), run };
}

function entryOf(line: string, where: string): RunEntry | JournalEntry {
  try {
    const entry = JSON.parse(line) as { kind?: unknown };
    if (typeof entry.kind === "string") return entry as RunEntry | JournalEntry;
  } catch {
    // Said below.
  }
  throw new MayflyError(
    "DAMAGED",
    `${where}: this is no entry of a journal. Sort anew, with another folder.`,
  );
}

function doneOf(entries: readonly JournalEntry[]): SortDone {
  const mapped = new Map<number, MappedWave>();
  const reduced = new Map<number, ReduceResult>();
  const waves = new Map<number, WaveFigures>();
  for (const { kind, ...entry } of entries) {
    if (kind === "mapped") mapped.set((entry as MappedWave).wave, entry as MappedWave);
    else if (kind === "reduced") reduced.set((entry as ReduceResult).partition, entry as ReduceResult);
    else waves.set((entry as WaveFigures).wave, entry as WaveFigures);
  }
  const partitions = new Set(reduced.keys());
  return { mapped, reduced: [...reduced.values()], partitions, waves: [...waves.values()] };
}

interface OpenJournal extends SortJournal {
  append(entry: { readonly kind: string }): Promise<void>;
}

/** Entries that come while others are being written are written together after them. */
function journalOn(
  file: FileHandle,
  path: string,
  done: SortDone,
  release: () => Promise<void>,
  sizeBytes = 0,
): OpenJournal {
  let at = sizeBytes;
  let waiting = "";
  let next: Promise<void> | undefined;
  let last: Promise<void> = Promise.resolve();
  let closing: Promise<void> | undefined;
  const write = async (): Promise<void> => {
    next = undefined;
    const bytes = Buffer.from(waiting);
    waiting = "";
    try {
      for (let written = 0; written < bytes.length; )
        written += (await file.write(bytes, written, bytes.length - written, at + written)).bytesWritten;
      await file.datasync();
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new MayflyError("OUTPUT_FAILED", `Writing ${path} failed: ${why}.`, { cause });
    }
    at += bytes.length;
  };
  return {
    done,
    append(entry) {
      waiting += `${JSON.stringify(entry)}\n`;
      next ??= last.then(write);
      last = next;
      return next;
    },
    async close() {
      closing ??= last
        .catch(() => undefined)
        .then(() => file.close())
        .then(release);
      await closing;
    },
  };
}
