/**
 * Speed of the record kernels, one core, memory touched and code warm: the floor under every sort task. GB/s are
 * bytes of records (10^9) per second.
 */
import {
  createRecordKernel,
  type RecordFormat,
  type RecordKernel,
  type SortedRecords,
} from "../src/sort/record-kernel.ts";
import { mapRegions, recordBytes, reduceRegions } from "../src/sort/record-memory.ts";
import { chooseSplits } from "../src/sort/split-points.ts";
import { measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import { type BenchCase, type BenchOptions, type BenchReport, isWanted } from "./harness/report.ts";
import { throughputOf } from "./harness/throughput.ts";

/** 64 MB: about one map chunk or one partition, and far beyond the caches. */
const recordsPerRound = 640_000;
const outputBytes = 1 << 20;
const blockRecords = Math.floor(outputBytes / recordBytes);

type Kernel = RecordKernel<"input" | "output" | "ids" | "entries" | "scratch">;

/** One case: what has to be in memory first, and what is timed. */
interface Step {
  readonly name: string;
  prepare(): void;
  run(): void;
}

/** @throws the signal's reason when it is aborted */
export async function benchRecords(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const n = recordsPerRound;
  const kernel = createRecordKernel({ regions: { ...reduceRegions(n, outputBytes), ...mapRegions(n) } });
  kernel.bytes.fill(1, kernel.regions.input.at);
  const cases: BenchCase[] = [];
  for (const { name, prepare, run } of [...formatSteps(kernel), ...otherSteps(kernel)]) {
    if (!isWanted(name, options)) continue;
    prepare();
    // The first calls may run from V8's quick compiler.
    for (let i = 0; i < 2; i++) run();
    const result = await measureCase(
      {
        case: name,
        compared: "gbPerSecond",
        better: "higher",
        mayfly: throughputOf({ bytes: n * recordBytes, run }),
        peers: {},
      },
      options,
    );
    cases.push(result);
  }
  return { scenario: "records", machine, rounds: options.rounds, cases };
}

const formats: readonly (readonly [name: string, format: RecordFormat])[] = [
  ["binary", {}],
  ["binary skewed", { skew: true }],
  ["ascii", { ascii: true }],
  ["ascii skewed", { ascii: true, skew: true }],
];

function formatSteps(kernel: Kernel): Step[] {
  const { input } = kernel.regions;
  return formats.flatMap(([name, format]): Step[] => {
    const generate = (): void => kernel.generate(input.at, 0, recordsPerRound, format);
    const partitions = format.ascii ? [256] : [64, 256, 1024];
    return [
      {
        name: `generate ${name}`,
        prepare: () => undefined,
        run: () => kernel.generate(input.at, 7, recordsPerRound, format),
      },
      ...partitions.map((count): Step => {
        let splits: Uint8Array = new Uint8Array();
        const prepare = (): void => {
          generate();
          splits = chooseSplits(sampleKeys(kernel), count);
        };
        return { name: `partition in ${count} ${name}`, prepare, run: () => partition(kernel, splits) };
      }),
      { name: `sort ${name}`, prepare: generate, run: () => void sort(kernel) },
    ];
  });
}

function otherSteps(kernel: Kernel): Step[] {
  const { input, output } = kernel.regions;
  const n = recordsPerRound;
  const generate = (): void => kernel.generate(input.at, 0, n);
  const allEqual = (): void => void kernel.bytes.fill(7, input.at, input.at + n * recordBytes);
  let splits: Uint8Array = new Uint8Array();
  let sorted = sort(kernel);
  const generateSorted = (): void => {
    generate();
    sorted = sort(kernel);
  };
  return [
    {
      name: "gather in blocks of 1MiB",
      prepare: generateSorted,
      run() {
        for (let i = 0; i < n; i += blockRecords) {
          kernel.gather(sorted, i, Math.min(blockRecords, n - i), output.at);
        }
      },
    },
    { name: "checksum", prepare: generate, run: () => void kernel.checksum(input.at, n) },
    {
      name: "check order",
      prepare() {
        generateSorted();
        kernel.gather(sorted, 0, n, output.at);
      },
      run: () => void kernel.checkOrder(output.at, n),
    },
    { name: "sort all keys equal", prepare: allEqual, run: () => void sort(kernel) },
    {
      name: "partition in 256 all keys equal",
      prepare() {
        allEqual();
        splits = chooseSplits(kernel.keyAt(input.at), 256);
      },
      run: () => partition(kernel, splits),
    },
    {
      name: "sort keys share 8 bytes",
      prepare() {
        generate();
        for (let i = 0; i < n; i++) {
          const at = input.at + i * recordBytes;
          kernel.bytes.fill(7, at, at + 8);
        }
      },
      run: () => void sort(kernel),
    },
  ];
}

/** Keys of every 25th record. */
function sampleKeys(kernel: Kernel): Uint8Array {
  const { input } = kernel.regions;
  const keys = Array.from({ length: recordsPerRound / 25 }, (_, i) =>
    kernel.keyAt(input.at + i * 25 * recordBytes),
  );
  return Buffer.concat(keys);
}

function partition(kernel: Kernel, splits: Uint8Array): void {
  const { input, output, ids } = kernel.regions;
  kernel.partition({ from: input.at, records: recordsPerRound, to: output.at, ids: ids.at, splits });
}

function sort(kernel: Kernel): SortedRecords {
  const { input, entries, scratch } = kernel.regions;
  return kernel.sort({
    from: input.at,
    records: recordsPerRound,
    entries: entries.at,
    scratch: scratch.at,
  });
}
