/** The map function of a sort: takes its part of the input, partitions it by the splits, writes it to the shuffle as one run. */
import { open } from "node:fs/promises";
import { MayflyError } from "../../errors.ts";
import type { FunctionContext } from "../../executor/executor.ts";
import { createRecordKernel, type RecordKernel } from "../record-kernel.ts";
import { mapRegions, recordBytes } from "../record-memory.ts";
import type { MapEvent, MapResult, SortShuffle } from "../sort-events.ts";

type MapKernel = RecordKernel<keyof ReturnType<typeof mapRegions>>;

/** Kept for the next call of this process: fresh memory is slow when first touched. */
let kept: { readonly kernel: MapKernel; readonly recordsMax: number } | undefined;

const timeoutMs = 10 * 60_000;

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
  const kernel = kernelFor(Math.max(event.recordsMax, task.records));
  await readInput(kernel, event);
  const { input, output, ids } = kernel.regions;
  const all = kernel.partition({
    ...{ from: input.at, records: task.records, to: output.at, ids: ids.at },
    splits: Buffer.from(event.splits, "base64"),
  });
  const counts = all.subarray(wave.first, wave.first + wave.count);
  const [skipped, records] = [sumOf(all.subarray(0, wave.first)), sumOf(counts)];
  const at = output.at + skipped * recordBytes;
  const bytes = kernel.bytes.subarray(at, at + records * recordBytes);
  const checksum = kernel.checksum(at, records);
  const writer = shuffle.writer(map, { attempt, timeoutMs });
  try {
    const lengths = Float64Array.from(counts, (count) => count * recordBytes);
    await writer.writeRun(bytes, lengths, counts);
    await writer.commit();
  } catch (thrown) {
    await writer.abort();
    throw thrown;
  }
  progress({ mapped: bytes.length });
  return {
    ...{ counts: [...counts], checksum: checksum.toString() },
    rssBytes: process.resourceUsage().maxRSS * 1024,
  };
}

function sumOf(counts: Uint32Array): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

function kernelFor(recordsMax: number): MapKernel {
  if (kept === undefined || kept.recordsMax < recordsMax) {
    kept = { kernel: createRecordKernel({ regions: mapRegions(recordsMax) }), recordsMax };
  }
  return kept.kernel;
}

async function readInput(kernel: MapKernel, { input, task }: MapEvent): Promise<void> {
  const { at } = kernel.regions.input;
  if ("generate" in input) {
    kernel.generate(at, task.firstRecord, task.records, input.generate);
    return;
  }
  const file = await open(input.file, "r");
  try {
    const length = task.records * recordBytes;
    const start = task.firstRecord * recordBytes;
    for (let done = 0; done < length; ) {
      const { bytesRead } = await file.read(kernel.bytes, at + done, length - done, start + done);
      if (bytesRead === 0) {
        throw new MayflyError(
          "INPUT_INVALID",
          `${input.file} became shorter while it was read: ${start + done} bytes are left.`,
        );
      }
      done += bytesRead;
    }
  } finally {
    await file.close();
  }
}
