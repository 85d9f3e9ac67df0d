/** Split points of a range partition, chosen from a sample of keys: pure. */
import { keyBytes, partitionsMax } from "./record-memory.ts";

/** Some 16 million: far more than 4,096 partitions need. */
const sampleKeysMax = 2 ** 24;

/** Sample this many keys a partition: the fullest is then within 1.5 of even in practice (relative spread 1/sqrt(100)). */
export const sampleKeysPerPartition = 100;

/**
 * The `partitions - 1` sorted split keys of 10 bytes that cut an unsorted sample (keys of 10 bytes, one after another)
 * into equal shares. Without a sample the key space is cut evenly.
 *
 * One key cannot be split: if a key makes up several shares of the sample, it becomes several equal splits. All its
 * records, with those up to the next split, then go to the partition after the last of them, and those between the
 * equal splits stay empty.
 */
export function chooseSplits(sampleKeys: Uint8Array, partitions: number): Uint8Array {
  const count = sampleKeys.length / keyBytes;
  if (!Number.isInteger(count) || count > sampleKeysMax) {
    throw new RangeError(
      `a sample of ${sampleKeys.length} bytes is not 0 to ${sampleKeysMax} keys of 10 bytes`,
    );
  }
  if (!Number.isInteger(partitions) || partitions < 1 || partitions > partitionsMax) {
    throw new RangeError(`${partitions} partitions are not 1 to ${partitionsMax}`);
  }
  const splits = new Uint8Array((partitions - 1) * keyBytes);
  if (count === 0) {
    const view = new DataView(splits.buffer);
    for (let i = 1; i < partitions; i++) {
      view.setUint32((i - 1) * keyBytes, Math.floor((i * 2 ** 32) / partitions));
    }
    return splits;
  }
  const order = sortedOrder(sampleKeys, count);
  for (let i = 1; i < partitions; i++) {
    const at = order[Math.floor((i * count) / partitions)]! * keyBytes;
    splits.set(sampleKeys.subarray(at, at + keyBytes), (i - 1) * keyBytes);
  }
  return splits;
}

/** Indexes of the keys in order. Six key bytes are exact in a double, so one subtraction decides nearly all pairs. */
function sortedOrder(keys: Uint8Array, count: number): Uint32Array {
  const view = new DataView(keys.buffer, keys.byteOffset, keys.length);
  const high = new Float64Array(count);
  const low = new Uint32Array(count);
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    const at = i * keyBytes;
    high[i] = view.getUint32(at) * 2 ** 16 + view.getUint16(at + 4);
    low[i] = view.getUint32(at + 6);
    order[i] = i;
  }
  return order.sort((a, b) => high[a]! - high[b]! || low[a]! - low[b]! || a - b);
}
