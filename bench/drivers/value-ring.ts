/**
 * The keys of one size that a client writes and reads over and over, and what each of them holds. All values are slices
 * of one random text that begin at different places, so that they differ and yet need no memory of their own.
 */
import { randomFillSync } from "node:crypto";
import type { KvStore } from "../peers/kv-store.ts";

export interface ValueRing {
  readonly keys: number;
  /** From now on `put` writes other values than before. */
  turn(): void;
  /** Resolves when all keys have been written once. */
  fill(): Promise<void>;
  put(index: number): Promise<unknown>;
  get(index: number): Promise<Uint8Array>;
  /** @throws RangeError when the store cannot */
  getInto(index: number, into: Buffer): Promise<Uint8Array>;
  /** @throws Error when `value` is not what was written at `index` last */
  check(index: number, value: Uint8Array): void;
}

const ringBytesMax = 256 * 1024 * 1024;
const smallBytesMax = 16 * 1024;
/** Many small keys, since their places in the fleet follow from their names; few large ones, for their memory. */
const keysSmall = 1024;
const keysLarge = 32;
const shiftBytes = 64;
const fillOutstanding = 4;

export function ringKeys(valueBytes: number, keysMax = Number.POSITIVE_INFINITY): number {
  const wanted = valueBytes <= smallBytesMax ? keysSmall : keysLarge;
  return Math.min(wanted, Math.max(1, Math.floor(ringBytesMax / valueBytes)), keysMax);
}

/** @param prefix of all keys: clients of one server must not overwrite each other's */
export function createValueRing(store: KvStore, prefix: string, valueBytes: number): ValueRing {
  const keys = ringKeys(valueBytes, store.keysMax);
  const names = Array.from({ length: keys }, (_, index) => `${prefix}/${valueBytes}/${index}`);
  // A key holds one of two values in turn, and none that another key ever holds.
  const text = randomFillSync(Buffer.alloc(valueBytes + 2 * keys * shiftBytes));
  const values = Array.from({ length: 2 * keys }, (_, at) =>
    text.subarray(at * shiftBytes, at * shiftBytes + valueBytes),
  );
  /** By key, which of `values` it holds; -1: nothing yet. */
  const held = new Int32Array(keys).fill(-1);
  let odd = false;
  const ring: ValueRing = {
    keys,
    turn() {
      odd = !odd;
    },
    async fill() {
      let next = held.indexOf(-1);
      const filler = async (): Promise<void> => {
        while (next >= 0 && next < keys) await ring.put(next++);
      };
      await Promise.all(Array.from({ length: fillOutstanding }, filler));
    },
    put(index) {
      const value = odd ? index + keys : index;
      held[index] = value;
      return store.put(names[index]!, values[value]!);
    },
    get: (index) => store.get(names[index]!),
    getInto(index, into) {
      if (store.getInto === undefined) throw new RangeError(`${prefix} cannot read into buffers`);
      return store.getInto(names[index]!, into);
    },
    check(index, value) {
      const written = values[held[index]!];
      if (written?.equals(value)) return;
      throw new Error(`${prefix} read other bytes at ${names[index]} than were written there`);
    },
  };
  return ring;
}
