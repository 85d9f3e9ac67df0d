/**
 * The reduce function of a sort: gathers one partition from all map outputs, sorts it, checks it against what the maps
 * said, and writes it to its place in the output, if there is one.
 */
import { type FileHandle, open } from "node:fs/promises";
import type { Job } from "../../../client/job.ts";
import { systemClock } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import type { FunctionContext } from "../../executor/executor.ts";
import type { Ref } from "../../wire/ref.ts";
import { decodePartitionIndex, type PartitionIndex } from "../partition-index.ts";
import { createRecordKernel, type RecordKernel, type SortedRecords } from "../record-kernel.ts";
import { recordBytes, reduceRegions } from "../record-memory.ts";
import { mapIndexKey, mapOutputKey, type ReduceEvent, type ReduceResult } from "../sort-events.ts";
import { reduceOutputBytes } from "../sort-plan.ts";

type ReduceKernel = RecordKernel<keyof ReturnType<typeof reduceRegions>>;

interface MapOutput {
  readonly ref: Ref;
  readonly index: PartitionIndex;
}

/** Kept for the next call of this process. */
let keptKernel: { readonly kernel: ReduceKernel; readonly records: number } | undefined;
let keptOutputs: { readonly job: number; readonly outputs: readonly MapOutput[] } | undefined;

const timeoutMs = 10 * 60_000;
const blockRecords = Math.floor(reduceOutputBytes / 2 / recordBytes);

export async function reducePartition(event: ReduceEvent, context: FunctionContext): Promise<ReduceResult> {
  const { partition } = event;
  const startMs = systemClock.now();
  const outputs = await mapOutputs(context.job, event);
  const records = outputs.reduce((sum, { index }) => sum + index.counts[partition]!, 0);
  const kernel = kernelFor(Math.max(event.recordsExpected, records));
  await fetchPartition(context.job, kernel, outputs, partition);
  const fetchedMs = systemClock.now();
  context.progress({ shuffled: records * recordBytes });
  const { records: from, entries, scratch } = kernel.regions;
  const sorted = kernel.sort({ from: from.at, records, entries: entries.at, scratch: scratch.at });
  const before = outputs.reduce((sum, { index }) => sum + index.offsets[partition]!, 0);
  const checked = await emit(kernel, sorted, event, before);
  const expected = outputs.reduce((sum, { index }) => sum + index.sums[partition]!, 0n);
  if (checked.checksum !== expected) {
    throw new MayflyError(
      "DAMAGED",
      `Partition ${partition} sums up to ${checked.checksum.toString(16)} and the maps said ${expected.toString(16)}.`,
    );
  }
  context.progress({ reduced: records * recordBytes });
  return {
    ...{ partition, records, duplicateKeys: checked.duplicateKeys, checksum: checked.checksum.toString() },
    firstKey: checked.firstKey,
    lastKey: checked.lastKey,
    shuffleMs: fetchedMs - startMs,
    reduceMs: systemClock.now() - fetchedMs,
    rssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

/** Refs and indexes of all map outputs; a process asks for them once a job. */
async function mapOutputs(job: Job, { maps, partitions }: ReduceEvent): Promise<readonly MapOutput[]> {
  if (keptOutputs?.job !== job.number) {
    const outputs = await Promise.all(
      Array.from({ length: maps }, async (_, map): Promise<MapOutput> => {
        const [{ ref }, index] = await Promise.all([job.stat(mapOutputKey(map)), job.get(mapIndexKey(map))]);
        return { ref, index: decodePartitionIndex(index, partitions) };
      }),
    );
    keptOutputs = { job: job.number, outputs };
  }
  return keptOutputs.outputs;
}

function kernelFor(records: number): ReduceKernel {
  if (keptKernel === undefined || keptKernel.records < records) {
    keptKernel = undefined;
    const kernel = createRecordKernel({ regions: reduceRegions(records, reduceOutputBytes) });
    keptKernel = { kernel, records };
  }
  return keptKernel.kernel;
}

async function fetchPartition(
  job: Job,
  kernel: ReduceKernel,
  outputs: readonly MapOutput[],
  partition: number,
): Promise<void> {
  let at = kernel.regions.records.at;
  const reads = [];
  for (const { ref, index } of outputs) {
    const offset = index.offsets[partition]!;
    const length = index.offsets[partition + 1]! - offset;
    const into = kernel.bytes.subarray(at, at + length);
    at += length;
    if (length === 0) continue;
    // Small outputs lie in their cells.
    if (ref.inline) into.set(await job.get(ref, { range: { start: offset, end: offset + length } }));
    else reads.push({ ref, offset, length, into });
  }
  await job.readRanges(reads, { timeoutMs });
}

interface Checked {
  readonly checksum: bigint;
  readonly duplicateKeys: number;
  readonly firstKey: string;
  readonly lastKey: string;
}

/** Gathers the order block by block, validating each; one block is written while the next is gathered. */
async function emit(
  kernel: ReduceKernel,
  sorted: SortedRecords,
  event: ReduceEvent,
  offset: number,
): Promise<Checked> {
  const file = event.output === undefined ? undefined : await open(event.output, "r+");
  let writing: Promise<void> | undefined;
  let [checksum, duplicateKeys, firstKey] = [0n, 0, ""];
  let previous: Uint8Array | undefined;
  try {
    for (let first = 0, block = 0; first < sorted.records; first += blockRecords, block++) {
      const count = Math.min(blockRecords, sorted.records - first);
      const at = kernel.regions.output.at + (block % 2) * blockRecords * recordBytes;
      kernel.gather(sorted, first, count, at);
      checksum += kernel.checksum(at, count);
      const order = kernel.checkOrder(at, count, previous);
      if (order.disorderAt >= 0) {
        throw new MayflyError(
          "DAMAGED",
          `Partition ${event.partition} is out of order at record ${first + order.disorderAt}.`,
        );
      }
      duplicateKeys += order.duplicates;
      if (first === 0) firstKey = Buffer.from(kernel.keyAt(at)).toString("hex");
      previous = kernel.keyAt(at + (count - 1) * recordBytes);
      await writing;
      const bytes = kernel.bytes.subarray(at, at + count * recordBytes);
      writing = file && writeAll(file, bytes, offset + first * recordBytes, event.output!);
      // Its rejection is seen at the next await; until then it must not count as unhandled.
      writing?.catch(() => undefined);
    }
    await writing;
  } finally {
    await writing?.catch(() => undefined);
    await file?.close();
  }
  const lastKey = previous === undefined ? "" : Buffer.from(previous).toString("hex");
  return { checksum, duplicateKeys, firstKey, lastKey };
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MayflyError(
      "OUTPUT_FAILED",
      `Writing ${path} failed: ${why}. Nothing is left under the final name.`,
      { cause },
    );
  }
}
