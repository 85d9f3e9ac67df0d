/** Redis through ioredis, as its users would for binary values: `getBuffer`, one connection, otherwise defaults. */
import { Redis } from "ioredis";
import { type KvStore, type StoreTarget, targetNumber } from "./kv-store.ts";

export async function openIoredis(target: StoreTarget): Promise<KvStore> {
  const redis = new Redis({ host: "127.0.0.1", port: targetNumber(target, "port"), lazyConnect: true });
  await redis.connect();
  return {
    put: (key, data) => redis.set(key, data),
    async get(key) {
      const value = await redis.getBuffer(key);
      if (value === null) throw new Error(`Redis has no key ${key}`);
      return value;
    },
    async close() {
      redis.disconnect();
    },
  };
}
