import { MayflyError } from "../../src/errors.ts";
import type { PartitionReader } from "../shuffle/interfaces.ts";
import type { BlockDecoder } from "./codec.ts";

/**
 * All records of a partition, block by block; as the reader, this can be iterated again after outputs were lost.
 * @throws MayflyError as the reader; DAMAGED when a block does not have the records that were written to it
 */
export async function* readRecords<T>(reader: PartitionReader, codec: BlockDecoder<T>): AsyncGenerator<T> {
  for (let next = await reader.next(); next.done !== true; next = await reader.next()) {
    const { map, records, data } = next.value;
    const decoded = [...codec.decode(data)];
    if (decoded.length !== records) {
      const message = `A block of map ${map} has ${decoded.length} records, and ${records} were written: is it of another codec?`;
      throw new MayflyError("DAMAGED", message);
    }
    yield* decoded;
  }
}

/** One value for each key of a partition. `merge` may change and return its first argument. */
export async function reduceRecords<T>(
  records: AsyncIterable<T>,
  keyOf: (record: T) => string,
  merge: (first: T, second: T) => T,
): Promise<Map<string, T>> {
  const merged = new Map<string, T>();
  for await (const record of records) {
    const key = keyOf(record);
    const known = merged.get(key);
    merged.set(key, known === undefined ? record : merge(known, record));
  }
  return merged;
}
