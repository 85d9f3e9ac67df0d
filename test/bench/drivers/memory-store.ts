/** A store in memory that can be told to misbehave. */
import type { KvStore } from "../../../bench/peers/kv-store.ts";

export interface MemoryStore extends KvStore {
  readonly values: Map<string, Buffer>;
  /** Calls by kind, for tests of what is called. */
  readonly calls: { put: number; get: number; getInto: number };
}

export function memoryStore({ into = true, damage = false } = {}): MemoryStore {
  const values = new Map<string, Buffer>();
  const calls = { put: 0, get: 0, getInto: 0 };
  const copyAt = (key: string): Buffer => {
    const value = Buffer.from(values.get(key)!);
    if (damage) value[value.length - 1]! ^= 1;
    return value;
  };
  return {
    values,
    calls,
    async put(key, data) {
      calls.put++;
      values.set(key, Buffer.from(data));
    },
    async get(key) {
      calls.get++;
      return copyAt(key);
    },
    ...(into && {
      async getInto(key: string, buffer: Buffer) {
        calls.getInto++;
        copyAt(key).copy(buffer);
        return buffer;
      },
    }),
    async close() {},
  };
}
