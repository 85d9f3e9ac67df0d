/** The map function of a sort: takes its part of the input, partitions it by the splits, stores it as one object. */
import { open } from "node:fs/promises";
import { MayflyError } from "../../errors.ts";
import type { FunctionContext } from "../../executor/executor.ts";
import type { Ref } from "../../wire/ref.ts";
import { frameCount, storedBytes, stripeAt } from "../../wire/stripe-layout.ts";
import { encodePartitionIndex } from "../partition-index.ts";
import { createRecordKernel, type RecordKernel } from "../record-kernel.ts";
import { mapRegions, recordBytes } from "../record-memory.ts";
import { type MapEvent, type MapResult, mapIndexKey, mapOutputKey, splitsKey } from "../sort-events.ts";

type MapKernel = RecordKernel<keyof ReturnType<typeof mapRegions>>;

/** Kept for the next call of this process: fresh memory is slow when first touched. */
let kept: { readonly kernel: MapKernel; readonly recordsMax: number } | undefined;

const timeoutMs = 10 * 60_000;

export async function mapRecords(event: MapEvent, context: FunctionContext): Promise<MapResult> {
  const { map, task, partitions } = event;
  const { job } = context;
  const splits = await job.get(splitsKey);
  const kernel = kernelFor(Math.max(event.recordsMax, task.records));
  await readInput(kernel, event);
  const { input, output, ids } = kernel.regions;
  const counts = kernel.partition({
    from: input.at,
    records: task.records,
    to: output.at,
    ids: ids.at,
    splits,
  });
  const sums = sumPartitions(kernel, counts);
  if (counts.length !== partitions)
    throw new RangeError(`${counts.length} partitions instead of ${partitions}`);
  const bytes = kernel.bytes.subarray(output.at, output.at + task.records * recordBytes);
  const ref = await job.put(mapOutputKey(map), bytes, { timeoutMs });
  await job.put(mapIndexKey(map), encodePartitionIndex({ counts, sums }), { timeoutMs });
  context.progress({ mapped: bytes.length });
  const rssBytes = process.resourceUsage().maxRSS * 1024;
  return { records: task.records, storedBytes: bytesOnNodes(ref), rssBytes };
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

function sumPartitions(kernel: MapKernel, counts: Uint32Array): BigUint64Array {
  let at = kernel.regions.output.at;
  return BigUint64Array.from(counts, (count) => {
    const sum = kernel.checksum(at, count);
    at += count * recordBytes;
    return sum;
  });
}

function bytesOnNodes(ref: Ref): number {
  let bytes = 0;
  for (const [index, nodes] of (ref.stripes ?? []).entries()) {
    const stripe = stripeAt(ref.sizeBytes, ref.code, index);
    for (const shard of nodes.keys()) {
      const stored = storedBytes(stripe, ref.code, shard);
      bytes += stored + 8 * frameCount(stored);
    }
  }
  return ref.inline ? ref.sizeBytes : bytes;
}
