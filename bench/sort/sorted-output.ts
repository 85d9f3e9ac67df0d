/** Whether an output is what valsort would pass: records in order of their keys, as many and the same as went in. */
import { open } from "node:fs/promises";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { recordBytes } from "../../src/sort/record-memory.ts";
import type { RecordsFile } from "./ascii-input.ts";

const blockBytes = 40_000 * recordBytes;

/**
 * @param paths of the output, in order: one file, or its parts
 * @throws Error that says what is wrong; the signal's reason
 */
export async function checkSorted(
  paths: readonly string[],
  input: Pick<RecordsFile, "records" | "checksum">,
  signal: AbortSignal,
): Promise<void> {
  const kernel = createRecordKernel({ regions: { block: blockBytes } });
  const { at } = kernel.regions.block;
  const block = kernel.bytes.subarray(at, at + blockBytes);
  let records = 0;
  let checksum = 0n;
  let previousKey: Uint8Array | undefined;
  for (const path of paths) {
    const file = await open(path, "r");
    try {
      for (;;) {
        signal.throwIfAborted();
        const bytes = await readWhole(file, block);
        if (bytes % recordBytes !== 0)
          throw new Error(`${path} has ${bytes % recordBytes} bytes too many: records have ${recordBytes}`);
        const count = bytes / recordBytes;
        if (count === 0) break;
        const { disorderAt } = kernel.checkOrder(at, count, previousKey);
        if (disorderAt >= 0) throw new Error(`record ${records + disorderAt} is below the one before it`);
        checksum += kernel.checksum(at, count);
        records += count;
        previousKey = kernel.keyAt(at + bytes - recordBytes);
      }
    } finally {
      await file.close();
    }
  }
  if (records !== input.records) throw new Error(`${records} records came out, and ${input.records} went in`);
  if (checksum !== input.checksum) {
    const sums = [checksum, input.checksum].map((sum) => sum.toString(16));
    throw new Error(`the checksum of what came out is ${sums[0]}, and ${sums[1]} of what went in`);
  }
}

/** Fills the block, or what there is of it. */
async function readWhole(file: Awaited<ReturnType<typeof open>>, block: Uint8Array): Promise<number> {
  let length = 0;
  while (length < block.length) {
    const { bytesRead } = await file.read(block, length, block.length - length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}
