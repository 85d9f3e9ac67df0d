/** What `mayfly sort --state DIR` leaves for `--resume DIR`: the run as it was begun, and the journal of what is done. */
import { stat } from "node:fs/promises";
import { systemRng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { Code } from "../placement/types.ts";
import { chooseSortSplits } from "../sort/run-sort.ts";
import type { SortInput } from "../sort/sort-events.ts";
import { createJournal, resumeJournal, type SortJournal } from "../sort/sort-journal.ts";
import { temporaryNameOf } from "../sort/sort-output.ts";
import type { SortPlan } from "../sort/sort-plan.ts";
import { rngOf, type SortSetup } from "./run-planned-sort.ts";
import type { SortOptions } from "./sort-options.ts";

const version = 1;

/** Plain JSON. */
interface SavedRun {
  readonly version: number;
  /** As they were given. */
  readonly options: Partial<SortOptions>;
  readonly input: SortInput;
  /** Of an input file: another size or time, and it is another file. */
  readonly inputFile?: InputFile | undefined;
  readonly nodes: number;
  readonly code: Code;
  readonly workers: number;
  readonly plan: SortPlan;
  readonly splits: string;
  /** Where the output is written before it gets its name. */
  readonly temporaryPath?: string | undefined;
}

interface InputFile {
  readonly bytes: number;
  readonly modifiedAtMs: number;
}

export interface SortState {
  readonly run: SavedRun;
  readonly journal: SortJournal;
}

/** @throws MayflyError OUTPUT_FAILED */
export async function writeSortState(dir: string, setup: SortSetup): Promise<SortState> {
  const { given, input, nodes, code, workers, plan } = setup;
  const splits = await chooseSortSplits(input, plan, rngOf(given));
  const set = Object.entries(given).filter(([, value]) => value !== undefined && value !== false);
  const run: SavedRun = {
    ...{ version, options: Object.fromEntries(set), input, nodes, code, workers, plan, splits },
    inputFile: await fileOf(input),
    temporaryPath: given.output === undefined ? undefined : temporaryNameOf(given.output, systemRng),
  };
  return { run, journal: await createJournal(dir, run) };
}

/** @throws MayflyError INPUT_INVALID when there is nothing to go on with, or the input file is another; DAMAGED */
export async function readSortState(dir: string): Promise<SortState> {
  const { journal, run: read } = await resumeJournal(dir);
  const run = read as SavedRun;
  const fail = async (why: string): Promise<never> => {
    await journal.close();
    throw new MayflyError("INPUT_INVALID", `The sort in ${dir} cannot go on: ${why}.`);
  };
  if (run.version !== version)
    return fail(`its journal has version ${run.version}, and this is of version ${version}`);
  const file = await fileOf(run.input);
  if (file?.bytes !== run.inputFile?.bytes || file?.modifiedAtMs !== run.inputFile?.modifiedAtMs)
    return fail("its input is not what it was when it was begun; sort it anew");
  return { run, journal };
}

async function fileOf(input: SortInput): Promise<InputFile | undefined> {
  if (!("file" in input)) return undefined;
  const { size, mtimeMs } = await stat(input.file).catch((cause: Error) => {
    throw new MayflyError("INPUT_INVALID", `Input ${input.file} cannot be read: ${cause.message}.`, {
      cause,
    });
  });
  return { bytes: size, modifiedAtMs: mtimeMs };
}
