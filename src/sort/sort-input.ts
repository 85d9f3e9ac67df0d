/** What is sorted: a file of records or generated ones; its size, and a sample of its keys for the split points. */
import { open, stat } from "node:fs/promises";
import type { Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { createRecordKernel } from "./record-kernel.ts";
import { keyBytes, recordBytes } from "./record-memory.ts";
import type { SortInput } from "./sort-events.ts";

/** Of single keys, for a sample. */
const readsAtOnce = 64;

/** Records of a file. @throws MayflyError INPUT_INVALID when it cannot be read or does not consist of whole records */
export async function recordsOfFile(path: string): Promise<number> {
  const facts = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new MayflyError(
      "INPUT_INVALID",
      `Input ${path} cannot be read: ${error.code === "ENOENT" ? "there is no such file" : error.message}.`,
    );
  });
  if (!facts.isFile())
    throw new MayflyError("INPUT_INVALID", `Input ${path} is no regular file; give a file of records.`);
  const over = facts.size % recordBytes;
  if (over !== 0) {
    throw new MayflyError(
      "INPUT_INVALID",
      `Input ${path} has ${facts.size} bytes, which are no whole records of ${recordBytes} bytes: ${over} are left over. ` +
        "It is truncated, or its records have another size.",
    );
  }
  // Opened as well: a file that may not be read should fail here and not in the maps.
  await (
    await open(path, "r").catch((error: Error) => {
      throw new MayflyError("INPUT_INVALID", `Input ${path} cannot be read: ${error.message}.`);
    })
  ).close();
  return facts.size / recordBytes;
}

/** Keys of `count` records at random places, 10 bytes each. */
export async function sampleKeys(
  input: SortInput,
  records: number,
  count: number,
  rng: Rng,
): Promise<Uint8Array> {
  if (records === 0) return new Uint8Array(0);
  const wanted = Math.min(count, records);
  const places = Array.from({ length: wanted }, () => Math.floor(rng.random() * records));
  return "file" in input ? sampleFile(input.file, places) : sampleGenerator(input.generate, places);
}

async function sampleFile(path: string, places: readonly number[]): Promise<Uint8Array> {
  const keys = new Uint8Array(places.length * keyBytes);
  const file = await open(path, "r");
  try {
    const readKey = async (i: number): Promise<void> => {
      const { bytesRead } = await file.read(keys, i * keyBytes, keyBytes, places[i]! * recordBytes);
      if (bytesRead !== keyBytes)
        throw new MayflyError("INPUT_INVALID", `Input ${path} became shorter while it was read.`);
    };
    for (let first = 0; first < places.length; first += readsAtOnce) {
      const count = Math.min(readsAtOnce, places.length - first);
      await Promise.all(Array.from({ length: count }, (_, i) => readKey(first + i)));
    }
  } finally {
    await file.close();
  }
  return keys;
}

function sampleGenerator(format: { ascii?: boolean; skew?: boolean }, places: readonly number[]): Uint8Array {
  const kernel = createRecordKernel({ regions: { record: recordBytes + 64 } });
  const { at } = kernel.regions.record;
  const keys = new Uint8Array(places.length * keyBytes);
  for (const [i, place] of places.entries()) {
    kernel.generate(at, place, 1, format);
    keys.set(kernel.keyAt(at), i * keyBytes);
  }
  return keys;
}
