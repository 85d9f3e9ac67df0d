/** Redis through node-redis, as its users would for binary values: bulk strings as Buffers, otherwise defaults. */
import { createClient, RESP_TYPES } from "redis";
import { type KvStore, type StoreTarget, targetNumber } from "./kv-store.ts";

export async function openNodeRedis(target: StoreTarget): Promise<KvStore> {
  const client = createClient({ socket: { host: "127.0.0.1", port: targetNumber(target, "port") } });
  const redis = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
  await client.connect();
  return {
    put: (key, data) => redis.set(key, data),
    async get(key) {
      const value = await redis.get(key);
      if (!Buffer.isBuffer(value)) throw new Error(`Redis has no key ${key}`);
      return value;
    },
    async close() {
      client.destroy();
    },
  };
}
