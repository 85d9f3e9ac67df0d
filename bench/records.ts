/**
 * Speed of the record kernels, one core, memory touched and code warm: the floor under every sort task. GB/s are
 * bytes of records (10^9) per second, medians of the rounds.
 */
import { performance } from "node:perf_hooks";
import { createRecordKernel, type RecordFormat } from "../src/sort/record-kernel.ts";
import { mapRegions, recordBytes, reduceRegions } from "../src/sort/record-memory.ts";
import { chooseSplits } from "../src/sort/split-points.ts";
import { describeMachine, type MachineFacts } from "./machine.ts";

/** 64 MB: about one map chunk or one partition, and far beyond the caches. */
const recordsPerRound = 640_000;
const outputBytes = 1 << 20;

export interface RecordsResult {
  readonly scenario: "records";
  readonly machine: MachineFacts;
  readonly rounds: number;
  readonly cases: readonly {
    readonly case: string;
    readonly mayfly: { readonly gigabytesPerSecond: number };
    readonly peers: Record<string, never>;
    readonly ratios: Record<string, never>;
  }[];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

export async function benchRecords(options: {
  readonly rounds: number;
  readonly log: (line: string) => void;
}): Promise<RecordsResult> {
  const machine = describeMachine();
  const n = recordsPerRound;
  const kernel = createRecordKernel({ regions: { ...reduceRegions(n, outputBytes), ...mapRegions(n) } });
  const { input, output, ids, entries, scratch } = kernel.regions;
  kernel.bytes.fill(1, input.at);
  const cases: RecordsResult["cases"][number][] = [];

  const measure = (name: string, operation: () => void): void => {
    // A first call may run from V8's quick compiler, and touches memory for the first time.
    for (let i = 0; i < 3; i++) operation();
    const gigabytes = Array.from({ length: options.rounds }, () => {
      const startMs = performance.now();
      operation();
      return (n * recordBytes) / 1e6 / (performance.now() - startMs);
    });
    const gigabytesPerSecond = Number(median(gigabytes).toFixed(2));
    options.log(`${name.padEnd(44)} ${gigabytesPerSecond.toFixed(2).padStart(6)} GB/s`);
    cases.push({ case: name, mayfly: { gigabytesPerSecond }, peers: {}, ratios: {} });
  };

  const sample = (format: RecordFormat): Uint8Array => {
    kernel.generate(input.at, 0, n, format);
    return Buffer.concat(Array.from({ length: 25_600 }, (_, i) => kernel.keyAt(input.at + i * 2500)));
  };
  const partition = (splits: Uint8Array): Uint32Array =>
    kernel.partition({ from: input.at, records: n, to: output.at, ids: ids.at, splits });
  const sort = () => kernel.sort({ from: input.at, records: n, entries: entries.at, scratch: scratch.at });

  const formats: readonly (readonly [string, RecordFormat])[] = [
    ["binary", {}],
    ["binary, skewed", { skew: true }],
    ["ascii", { ascii: true }],
    ["ascii, skewed", { ascii: true, skew: true }],
  ];
  for (const [name, format] of formats) {
    measure(`generate, ${name}`, () => kernel.generate(input.at, 7, n, format));
    const keys = sample(format);
    for (const partitions of format.ascii ? [256] : [64, 256, 1024]) {
      const splits = chooseSplits(keys, partitions);
      measure(`partition in ${partitions}, ${name}`, () => partition(splits));
    }
    measure(`sort, ${name}`, sort);
  }
  kernel.generate(input.at, 0, n);
  const sorted = sort();
  const block = Math.floor(outputBytes / recordBytes);
  measure("gather, in blocks of 1 MiB", () => {
    for (let i = 0; i < n; i += block) kernel.gather(sorted, i, Math.min(block, n - i), output.at);
  });
  measure("checksum", () => kernel.checksum(input.at, n));
  kernel.gather(sorted, 0, n, output.at);
  measure("check order", () => kernel.checkOrder(output.at, n));
  kernel.bytes.fill(7, input.at, input.at + n * recordBytes);
  measure("sort, all keys equal", sort);
  const equalSplits = chooseSplits(kernel.keyAt(input.at), 256);
  measure("partition in 256, all keys equal", () => partition(equalSplits));
  kernel.generate(input.at, 0, n);
  for (let i = 0; i < n; i++)
    kernel.bytes.fill(7, input.at + i * recordBytes, input.at + i * recordBytes + 8);
  measure("sort, keys share 8 bytes", sort);
  return { scenario: "records", machine, rounds: options.rounds, cases };
}
