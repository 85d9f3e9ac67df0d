/**
 * The reduce function of a sort: gathers one partition from the shuffle straight into the memory where it is sorted, sorts and checks
 * it, and writes it to its place in the output, if there is one.
 */
import type { Job } from "../../../client/job.ts";
import { systemClock } from "../../clock.ts";
import { MayflyError } from "../../errors.ts";
import type { FunctionContext } from "../../executor/executor.ts";
import { OutputBlocks } from "../output-blocks.ts";
import { createRecordKernel, type RecordKernel, type SortedRecords } from "../record-kernel.ts";
import { recordBytes, reduceRegions } from "../record-memory.ts";
import type { LostMaps, ReduceEvent, ReduceResult, SortShuffle } from "../sort-events.ts";
import { reduceOutputBytes } from "../sort-pieces.ts";

type ReduceKernel = RecordKernel<keyof ReturnType<typeof reduceRegions>>;

/** Kept for the next call of this process. */
let kept: { readonly kernel: ReduceKernel; readonly records: number } | undefined;
let keptShuffle: { readonly job: Job; readonly name: string; readonly shuffle: SortShuffle } | undefined;

const timeoutMs = 10 * 60_000;

export function reducePartition(
  event: ReduceEvent,
  context: FunctionContext,
): Promise<ReduceResult | LostMaps> {
  return reduceFrom(shuffleOf(event, context.job), event, context);
}

/** One for all partitions that a process reads of it: then it hears of each map once. */
function shuffleOf({ shuffle: { name, maps, wave } }: ReduceEvent, job: Job): SortShuffle {
  if (keptShuffle?.job !== job || keptShuffle.name !== name)
    keptShuffle = { job, name, shuffle: job.shuffle(name, { maps, partitions: wave.count }) };
  return keptShuffle.shuffle;
}

/** The same on any shuffle. */
export async function reduceFrom(
  shuffle: SortShuffle,
  event: ReduceEvent,
  { progress }: FunctionContext,
): Promise<ReduceResult | LostMaps> {
  const { partition, records } = event;
  const startMs = systemClock.now();
  const kernel = kernelFor(Math.max(event.recordsExpected, records));
  try {
    await fetchPartition(shuffle, kernel, event);
  } catch (thrown) {
    const lost = lostMapsOf(thrown);
    if (lost === undefined) throw thrown;
    return { lostMaps: lost };
  }
  const fetchedMs = systemClock.now();
  progress({ shuffled: records * recordBytes });
  const { records: from, entries, scratch } = kernel.regions;
  const sorted = kernel.sort({ from: from.at, records, entries: entries.at, scratch: scratch.at });
  const checked = await emit(kernel, sorted, event);
  progress({ reduced: records * recordBytes });
  return {
    ...{ partition, records, duplicateKeys: checked.duplicateKeys, checksum: checked.checksum.toString() },
    firstKey: checked.firstKey,
    lastKey: checked.lastKey,
    shuffleMs: fetchedMs - startMs,
    reduceMs: systemClock.now() - fetchedMs,
    rssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

function kernelFor(records: number): ReduceKernel {
  if (kept === undefined || kept.records < records) {
    kept = undefined;
    kept = { kernel: createRecordKernel({ regions: reduceRegions(records, reduceOutputBytes) }), records };
  }
  return kept.kernel;
}

/** Blocks are received where they stay, one behind the other, but for those that had to be fetched again. */
async function fetchPartition(
  shuffle: SortShuffle,
  kernel: ReduceKernel,
  { partition, records, shuffle: { wave } }: ReduceEvent,
): Promise<void> {
  const { at: start } = kernel.regions.records;
  const totalBytes = records * recordBytes;
  let allocated = 0;
  const allocate = (bytes: number): Uint8Array => {
    if (allocated + bytes > totalBytes) return Buffer.allocUnsafeSlow(bytes);
    allocated += bytes;
    return kernel.bytes.subarray(start + allocated - bytes, start + allocated);
  };
  const options = { allocate, timeoutMs, prefetchBytes: Math.max(1, 2 * totalBytes) };
  const blocks: Uint8Array[] = [];
  for await (const { data } of shuffle.reader(partition - wave.first, options)) blocks.push(data);
  const found = blocks.reduce((sum, { length }) => sum + length, 0);
  if (found !== totalBytes) {
    const message = `Partition ${partition} has ${found} bytes, and its maps wrote ${records} records.`;
    throw new MayflyError("DAMAGED", message);
  }
  gather(blocks, kernel.bytes.subarray(start, start + totalBytes));
}

/** Closes the gaps between blocks that lie in `memory`, and copies the others behind them. */
function gather(blocks: readonly Uint8Array[], memory: Uint8Array): void {
  const inside = blocks.filter(({ buffer }) => buffer === memory.buffer);
  const outside = blocks.filter(({ buffer }) => buffer !== memory.buffer);
  let at = 0;
  for (const block of [...inside.sort((a, b) => a.byteOffset - b.byteOffset), ...outside]) {
    if (block.byteOffset !== memory.byteOffset + at || block.buffer !== memory.buffer) memory.set(block, at);
    at += block.length;
  }
}

/** Of the reader's error, when that is what it says. */
function lostMapsOf(thrown: unknown): readonly number[] | undefined {
  if (!(thrown instanceof MayflyError) || thrown.code !== "LOST" || !("maps" in thrown)) return undefined;
  return thrown.maps as readonly number[];
}

interface Checked {
  readonly checksum: bigint;
  readonly duplicateKeys: number;
  readonly firstKey: string;
  readonly lastKey: string;
}

/** Gathers the order block by block, validating each; one block is written while the next is gathered. */
async function emit(kernel: ReduceKernel, sorted: SortedRecords, event: ReduceEvent): Promise<Checked> {
  const { output: region } = kernel.regions;
  const offset = event.firstRecord * recordBytes;
  const blocks =
    event.output === undefined
      ? undefined
      : await OutputBlocks.open(kernel.bytes, region, event.output, offset);
  const blockRecords = Math.floor((blocks?.bytesMax ?? region.bytes) / recordBytes);
  let [checksum, duplicateKeys, firstKey] = [0n, 0, ""];
  let previous: Uint8Array | undefined;
  try {
    for (let first = 0; first < sorted.records; first += blockRecords) {
      const count = Math.min(blockRecords, sorted.records - first);
      const at = blocks?.at ?? region.at;
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
      await blocks?.take(count * recordBytes);
    }
    await blocks?.end(event.durable === true);
  } finally {
    await blocks?.close();
  }
  const lastKey = previous === undefined ? "" : Buffer.from(previous).toString("hex");
  return { checksum, duplicateKeys, firstKey, lastKey };
}
