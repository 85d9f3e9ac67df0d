/**
 * The map function of a sort: takes its part of the input, keeps what belongs to the wave, partitions it by the
 * splits, and writes it to the shuffle as one run.
 */
import { type FileHandle, open } from "node:fs/promises";
import { MayflyError } from "../../errors.ts";
import type { FunctionContext } from "../../executor/executor.ts";
import { createRecordKernel, type KeyRange, type RecordKernel } from "../record-kernel.ts";
import { keyBytes, mapRegions, recordBytes } from "../record-memory.ts";
import type { MapEvent, MapResult, SortShuffle, Wave } from "../sort-events.ts";
import type { MapTask } from "../sort-plan.ts";

type MapKernel = RecordKernel<keyof ReturnType<typeof mapRegions>>;

/** Kept for the next call of this process: fresh memory is slow when first touched. */
let kept: { readonly kernel: MapKernel; readonly capacity: number } | undefined;

const timeoutMs = 10 * 60_000;
/** Some MiB: a read at a time, which is looked at while it is in the cache. */
const readRecords = 20_000;

export function mapRecords(event: MapEvent, context: FunctionContext): Promise<MapResult> {
  const { name, maps, wave } = event.shuffle;
  return mapTo(context.job.shuffle(name, { maps, partitions: wave.count }), event, context);
}

/** The same on any shuffle. */
export async function mapTo(
  shuffle: SortShuffle,
  event: MapEvent,
  { attempt, progress }: FunctionContext,
): Promise<MapResult> {
  const { map, task } = event;
  const { wave } = event.shuffle;
  const kernel = kernelFor(event.capacity);
  const splits = Buffer.from(event.splits, "base64");
  const range = rangeOf(wave, splits);
  const { input, output, ids } = kernel.regions;
  const counts = new Array<number>(wave.count).fill(0);
  let checksum = 0n;
  const writer = shuffle.writer(map, { attempt, timeoutMs });
  const source = await openInput(event);
  try {
    // One run, unless the range has more of this input than of others.
    for (let passed = 0; passed < task.records; ) {
      const found = await source.read(kernel, passed, range);
      passed += found.passed;
      if (found.kept === 0) continue;
      const all = kernel.partition({
        from: input.at,
        records: found.kept,
        to: output.at,
        ids: ids.at,
        splits,
      });
      const run = all.subarray(wave.first, wave.first + wave.count);
      const bytes = kernel.bytes.subarray(output.at, output.at + found.kept * recordBytes);
      checksum += kernel.checksum(output.at, found.kept);
      await writer.writeRun(
        bytes,
        Float64Array.from(run, (count) => count * recordBytes),
        run,
      );
      for (const [place, count] of run.entries()) counts[place]! += count;
    }
    await writer.commit();
  } catch (thrown) {
    await writer.abort();
    throw thrown;
  } finally {
    await source.close();
  }
  progress({ mapped: counts.reduce((sum, count) => sum + count, 0) * recordBytes });
  return { counts, checksum: checksum.toString(), rssBytes: process.resourceUsage().maxRSS * 1024 };
}

/** Undefined when the wave has all keys. */
function rangeOf({ first, count }: Wave, splits: Uint8Array): KeyRange | undefined {
  const split = (partition: number): Uint8Array | undefined => {
    const at = (partition - 1) * keyBytes;
    return at < 0 || at >= splits.length ? undefined : splits.subarray(at, at + keyBytes);
  };
  const [lower, upper] = [split(first), split(first + count)];
  return lower === undefined && upper === undefined ? undefined : { lower, upper };
}

function kernelFor(capacity: number): MapKernel {
  if (kept === undefined || kept.capacity < capacity)
    kept = { kernel: createRecordKernel({ regions: mapRegions(capacity) }), capacity };
  return kept.kernel;
}

interface MapInput {
  /** Fills the kernel's input from the task's record `passed` on with what is in the range, as far as there is room. */
  read(kernel: MapKernel, passed: number, range: KeyRange | undefined): Promise<Found>;
  close(): Promise<void>;
}

interface Found {
  readonly kept: number;
  /** Records that were looked at. */
  readonly passed: number;
}

async function openInput({ input, task, capacity }: MapEvent): Promise<MapInput> {
  if ("file" in input) return openFile(input.file, task, capacity);
  return {
    async read(kernel, passed, range) {
      const to = kernel.regions.input.at;
      const firstRecord = task.firstRecord + passed;
      const records = task.records - passed;
      const format = input.generate;
      if (range !== undefined)
        return kernel.generateRange({ to, capacity, firstRecord, records, range, format });
      const count = Math.min(capacity, records);
      kernel.generate(to, firstRecord, count, format);
      return { kept: count, passed: count };
    },
    async close() {},
  };
}

async function openFile(path: string, task: MapTask, capacity: number): Promise<MapInput> {
  const file = await open(path, "r");
  return {
    async read(kernel, before, range) {
      let [kept, passed] = [0, 0];
      while (before + passed < task.records && kept < capacity) {
        const at = kernel.regions.input.at + kept * recordBytes;
        // Without a range everything stays: one read. With one most of it goes at once, while it is in the cache.
        const most = range === undefined ? capacity : readRecords;
        const count = Math.min(most, capacity - kept, task.records - before - passed);
        const bytes = kernel.bytes.subarray(at, at + count * recordBytes);
        await readFully(file, path, bytes, (task.firstRecord + before + passed) * recordBytes);
        kept += range === undefined ? count : kernel.keepRange(at, count, range);
        passed += count;
      }
      return { kept, passed };
    },
    close: () => file.close(),
  };
}

async function readFully(file: FileHandle, path: string, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, position + done);
    if (bytesRead === 0) {
      const message = `${path} became shorter while it was read: ${position + done} bytes are left.`;
      throw new MayflyError("INPUT_INVALID", message);
    }
    done += bytesRead;
  }
}
