/**
 * Redis with two replicas, through ioredis: the peer of equal durability. Each SET goes out with `WAIT 2` in one write,
 * and counts when both replicas have it. WAIT blocks its connection, so every caller has one of its own.
 */
import { Redis } from "ioredis";
import { type KvStore, type StoreTarget, targetNumber } from "./kv-store.ts";

const replicas = 2;
const waitTimeoutMsDefault = 10_000;

/** A put fails when the replicas do not have it within `waitTimeoutMs`. */
export async function openRedisWait2(
  target: StoreTarget,
  waitTimeoutMs: number = waitTimeoutMsDefault,
): Promise<KvStore> {
  const port = targetNumber(target, "port");
  const all: Redis[] = [];
  const idle: Redis[] = [];
  const connection = async (): Promise<Redis> => {
    const redis = new Redis({ host: "127.0.0.1", port, lazyConnect: true });
    all.push(redis);
    await redis.connect();
    return redis;
  };
  idle.push(await connection());
  return {
    async put(key, data) {
      const redis = idle.pop() ?? (await connection());
      const answers = await redis.pipeline().set(key, data).wait(replicas, waitTimeoutMs).exec();
      idle.push(redis);
      for (const [error] of answers ?? []) if (error !== null) throw error;
      const copies = answers?.[1]?.[1];
      if (copies !== replicas) throw new Error(`WAIT ${replicas} answered ${String(copies)} for ${key}`);
    },
    async get(key) {
      const value = await idle[0]!.getBuffer(key);
      if (value === null) throw new Error(`Redis has no key ${key}`);
      return value;
    },
    async close() {
      for (const redis of all) redis.disconnect();
    },
  };
}
