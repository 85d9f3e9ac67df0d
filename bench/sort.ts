/**
 * Sorts of 100-byte records by two workers on two cores: `mayfly sort` by itself, on records that its mappers make; and from
 * file to file beside programs that sort text, all on the same ASCII records. Each sample is a whole process, from its start
 * until its output is on the disk; one validator checks each output afterwards.
 */
import { mkdir, mkdtemp, rm, statfs } from "node:fs/promises";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { MayflyError } from "../src/errors.ts";
import { recordBytes } from "../src/sort/record-memory.ts";
import { type Contender, measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import { coresForBench } from "./harness/processes.ts";
import {
  type Absent,
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { findDuckdbSort } from "./peers/duckdb-sort.ts";
import { type FileSorter, outputFiles } from "./peers/file-sorter.ts";
import { findGnuSort } from "./peers/gnu-sort.ts";
import { mayflyFileSorter, mayflySort } from "./peers/mayfly-sort.ts";
import { findPysparkSort } from "./peers/pyspark-sort.ts";
import { findStoreSort } from "./peers/store-sort.ts";
import { type RecordsFile, warmFile, writeAsciiRecords } from "./sort/ascii-input.ts";
import { runSorter } from "./sort/run-sorter.ts";
import { checkSorted } from "./sort/sorted-output.ts";

const gigabyte = 1e9;
const workers = 2;

interface SortCase {
  readonly name: string;
  readonly bytes: number;
  readonly kind: "binary" | "ASCII";
}

/** The largest first: what does not fit this machine fails before anything has been measured. */
export const sortCases: readonly SortCase[] = [
  ...[10, 4, 2].map(
    (size): SortCase => ({ name: `sort ${size}GB ASCII x2`, bytes: size * gigabyte, kind: "ASCII" }),
  ),
  { name: "sort 4GB binary x2", bytes: 4 * gigabyte, kind: "binary" },
];

/**
 * GNU sort twice: all lines in memory if they fit, and in pieces of 64 MB that are merged from files. The latter took 17 s of
 * CPU time for 1 GB and the former 24, but which ends first depends on the disk.
 */
const findSorters: Readonly<Record<string, () => FileSorter | Absent>> = {
  "gnu-sort": () => findGnuSort(),
  "gnu-sort-64mb": () => findGnuSort(64e6),
  duckdb: findDuckdbSort,
  pyspark: findPysparkSort,
  "sort-on-redis": () => findStoreSort("redis"),
  "sort-on-s3": () => findStoreSort("s3"),
};

/**
 * @param scale of all sizes: 1, or less for a look
 * @throws MayflyError OUTPUT_FAILED when the disk of the temporary folder has no room; the signal's reason; and Error when a
 *   sorter fails or sorts wrongly. Everything has been ended and removed by then.
 */
export async function benchSort(options: BenchOptions, scale = 1): Promise<BenchReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  for (const each of sortCases.filter(({ name }) => isWanted(name, options))) {
    const records = Math.max(1, Math.round((each.bytes * scale) / recordBytes));
    const measure = each.kind === "binary" ? measureBinary : measureFiles;
    cases.push(await measure(each.name, records, options));
  }
  return { scenario: "sort", machine, rounds: options.rounds, cases };
}

/** Records are made by the mappers, validated by the reducers and discarded: what `mayfly sort` says of itself counts. */
function measureBinary(name: string, records: number, options: BenchOptions): Promise<BenchCase> {
  const bytes = records * recordBytes;
  const command = mayflySort(["--generate", String(bytes), "--workers", String(workers)]);
  const { signal } = options;
  const mayfly: Contender = {
    async sample() {
      const run = { name: "mayfly", command, bytes, output: undefined, cores: coresOfSort(), signal };
      const { mbPerSecond: _, sortMbPerSecond, ...figures } = await runSorter(run);
      return { mbPerSecond: sortMbPerSecond!, ...figures };
    },
  };
  const spec = { case: name, compared: "mbPerSecond", better: "higher", warmup: false } as const;
  return measureCase({ ...spec, mayfly, peers: {} }, options);
}

async function measureFiles(name: string, records: number, options: BenchOptions): Promise<BenchCase> {
  const { signal } = options;
  await checkDisk(name, records * recordBytes);
  const dir = await mkdtemp(join(tmpdir(), "mayfly-sort-"));
  try {
    const input = await writeAsciiRecords(join(dir, "input"), records, signal);
    const contender = (who: string, sorter: FileSorter): Contender => ({
      sample: () => sampleFile(who, sorter, input, dir, signal),
    });
    const peers = Object.entries(findSorters).map(([who, find]): [string, Contender | Absent] => {
      const sorter = find();
      return [who, "absent" in sorter ? sorter : contender(who, sorter)];
    });
    const spec = { case: name, compared: "mbPerSecond", better: "higher", warmup: false } as const;
    const mayfly = contender("mayfly", mayflyFileSorter);
    return await measureCase({ ...spec, mayfly, peers: Object.fromEntries(peers) }, options);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function sampleFile(
  name: string,
  sorter: FileSorter,
  input: RecordsFile,
  dir: string,
  signal: AbortSignal,
): Promise<Figures> {
  const [output, scratch] = [join(dir, "output"), join(dir, "scratch")];
  await mkdir(scratch);
  try {
    await warmFile(input.path, signal);
    const command = sorter.command({
      ...{ input: input.path, inputBytes: input.bytes, output, scratch, workers },
      memoryBytes: totalmem() / 2,
    });
    const figures = await runSorter({
      ...{ name, command, bytes: input.bytes, output, cores: coresOfSort(), signal },
    });
    await checkSorted(await outputFiles(output), input, signal).catch((thrown: Error) => {
      signal.throwIfAborted();
      throw new Error(`${name} sorted wrongly: ${thrown.message}`, { cause: thrown });
    });
    return figures;
  } finally {
    for (const path of [output, scratch]) await rm(path, { recursive: true, force: true });
  }
}

/** Two of them, where there are more and processes can be kept on them. */
function coresOfSort(): readonly number[] | undefined {
  const cores = coresForBench();
  return cores === undefined ? undefined : [...cores.clients, ...cores.servers].slice(0, workers);
}

/** Input, output, and what some write in between: pieces or shuffle files, hardly larger than the records. */
const diskPerByte = 3.2;

async function checkDisk(name: string, bytes: number): Promise<void> {
  const dir = tmpdir();
  const disk = await statfs(dir);
  const [neededBytes, freeBytes] = [Math.ceil(bytes * diskPerByte), disk.bavail * disk.bsize];
  if (freeBytes >= neededBytes) return;
  throw new MayflyError(
    "OUTPUT_FAILED",
    `${name} needs ${neededBytes} bytes of disk in ${dir}, and ${freeBytes} are free; ` +
      "set TMPDIR to a folder with more room, or measure smaller sizes, like --only 2GB",
  );
}
