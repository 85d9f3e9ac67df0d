/** Files of ASCII records of the sort benchmark, 100 bytes each, and what has to come out of them. */
import { open } from "node:fs/promises";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { recordBytes } from "../../src/sort/record-memory.ts";

export interface RecordsFile {
  readonly path: string;
  readonly records: number;
  readonly bytes: number;
  /** Sum of the CRC32s of all records. */
  readonly checksum: bigint;
}

const blockRecords = 100_000;

/** Writes a new file, and has it on the disk when it resolves. @throws the signal's reason, and what writing throws */
export async function writeAsciiRecords(
  path: string,
  records: number,
  signal: AbortSignal,
): Promise<RecordsFile> {
  const kernel = createRecordKernel({ regions: { block: blockRecords * recordBytes } });
  const { at } = kernel.regions.block;
  let checksum = 0n;
  const file = await open(path, "wx");
  try {
    for (let first = 0; first < records; first += blockRecords) {
      signal.throwIfAborted();
      const count = Math.min(blockRecords, records - first);
      kernel.generate(at, first, count, { ascii: true });
      checksum += kernel.checksum(at, count);
      await file.writeFile(kernel.bytes.subarray(at, at + count * recordBytes));
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, records, bytes: records * recordBytes, checksum };
}

/** Reads it through, so that whoever comes next finds as much of it in the page cache as the one before. */
export async function warmFile(path: string, signal: AbortSignal): Promise<void> {
  const buffer = new Uint8Array(4 * 2 ** 20);
  const file = await open(path, "r");
  try {
    while ((await file.read(buffer, 0, buffer.length)).bytesRead > 0) signal.throwIfAborted();
  } finally {
    await file.close();
  }
}
