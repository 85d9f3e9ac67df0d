/**
 * `mayfly sort` of more than the memory holds, by two workers on two cores: 100 GB as planned, 100 GB in two waves that spill to a
 * folder, and 10 GB within 4 GiB. Records are made by the mappers, validated by the reducers and discarded.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { recordBytes } from "../src/sort/record-memory.ts";
import { describeMachine } from "./harness/machine.ts";
import { repeatCase } from "./harness/repeat-case.ts";
import { type BenchCase, type BenchOptions, type Figures, isWanted } from "./harness/report.ts";
import type { TimedReport, Timeline } from "./harness/timeline.ts";
import type { SortCommand } from "./peers/file-sorter.ts";
import { mayflySort } from "./peers/mayfly-sort.ts";
import { runSorter } from "./sort/run-sorter.ts";

const gigabyte = 1e9;
const gibibyte = 2 ** 30;
const workers = 2;

interface LargeSort {
  readonly name: string;
  readonly bytes: number;
  readonly memoryBytes: number;
  /** So many waves by force, and what does not fit spilled to a temporary folder. */
  readonly spillWaves?: number;
}

const largeSorts: readonly LargeSort[] = [
  { name: "sort 10GB in 4GiB", bytes: 10 * gigabyte, memoryBytes: 4 * gibibyte },
  { name: "sort 100GB in 17GiB", bytes: 100 * gigabyte, memoryBytes: 17 * gibibyte },
  {
    ...{ name: "sort 100GB in 17GiB, 2 waves", bytes: 100 * gigabyte, memoryBytes: 17 * gibibyte },
    spillWaves: 2,
  },
];

/** Of what `mayfly sort --json` prints. */
interface SortReport {
  readonly checksum: string;
  readonly ordered: boolean;
  readonly seconds: number;
  readonly mbPerSecond: number;
  readonly waves: number;
  readonly bytesStored: number;
  readonly rssPeakBytes: number;
  readonly spilledBytes: number;
  readonly storeRequests: number;
  readonly waveFigures: readonly {
    readonly seconds: number;
    readonly mbPerSecond: number;
    readonly mapSeconds: number;
    readonly rssPeakBytes: number;
  }[];
}

/**
 * @param scale of sizes and memory: 1, or less for a look
 * @throws Error when a sort fails; the signal's reason
 */
export async function benchSort100(options: BenchOptions, scale = 1): Promise<TimedReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  const timelines: Timeline[] = [];
  for (const each of largeSorts.filter(({ name }) => isWanted(name, options))) {
    let course: Timeline | undefined;
    const sample = async (): Promise<Figures> => {
      const { figures, report } = await sortOnce(each, scale, options);
      course = courseOf(each.name, report);
      return figures;
    };
    const largest = ["rssPeakGib"];
    cases.push(await repeatCase({ case: each.name, compared: "mbPerSecond", largest, sample }, options));
    if (course !== undefined) timelines.push(course);
  }
  return { scenario: "sort100", machine, rounds: options.rounds, cases, timelines };
}

async function sortOnce(
  { name, bytes, memoryBytes, spillWaves }: LargeSort,
  scale: number,
  { signal }: BenchOptions,
): Promise<{ figures: Figures; report: SortReport }> {
  const records = Math.max(1, Math.round((bytes * scale) / recordBytes));
  const dir = await mkdtemp(join(tmpdir(), "mayfly-sort100-"));
  try {
    const spill = ["--waves", String(spillWaves), "--spill", pathToFileURL(dir).href];
    const args = [
      ...["--generate", String(records * recordBytes), "--workers", String(workers)],
      ...[
        "--memory",
        String(Math.max(Math.round(memoryBytes * scale), memoryBytesMin)),
        ...(spillWaves ? spill : []),
      ],
    ];
    let report: SortReport | undefined;
    const command: SortCommand = {
      ...mayflySort(args),
      result: {
        line: /^\{"records"/,
        figures(line) {
          report = JSON.parse(line) as SortReport;
          return {};
        },
      },
    };
    const run = { name, command, bytes: records * recordBytes, output: undefined, cores: undefined, signal };
    const { cpuSeconds = Number.NaN } = await runSorter(run);
    if (report === undefined || !report.ordered) throw new Error(`${name}: the output is not in order`);
    return { figures: { ...figuresOf(report), cpuSeconds }, report };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Of a small sort, for its processes. */
const memoryBytesMin = 1.5 * gibibyte;

function figuresOf(report: SortReport): Figures {
  const { mbPerSecond, seconds, waves, bytesStored, spilledBytes, storeRequests, rssPeakBytes } = report;
  return {
    ...{ mbPerSecond, seconds, waves },
    rssPeakGib: rssPeakBytes / gibibyte,
    storedGb: bytesStored / gigabyte,
    spilledGb: spilledBytes / gigabyte,
    storeRequests,
  };
}

/** Over the waves: their rates and what was resident. */
function courseOf(name: string, { waveFigures }: SortReport): Timeline {
  const ends = waveFigures.map((_, at) =>
    waveFigures.slice(0, at + 1).reduce((sum, { seconds }) => sum + seconds, 0),
  );
  const starts = [0, ...ends.slice(0, -1)];
  const curve = (title: string, read: (wave: SortReport["waveFigures"][number]) => number) => ({
    ...{ title, isStep: true },
    points: [
      ...waveFigures.map((wave, at) => [starts[at] ?? 0, read(wave)] as const),
      ...waveFigures.slice(-1).map((wave) => [ends.at(-1) ?? 0, read(wave)] as const),
    ],
  });
  return {
    title: name,
    curves: [
      curve("MB/s in each wave", ({ mbPerSecond }) => mbPerSecond),
      curve("resident at the peak of each wave, GiB", ({ rssPeakBytes }) => rssPeakBytes / gibibyte),
    ],
    events: starts.map((seconds, at) => ({ seconds, label: `wave ${at + 1}` })),
  };
}
