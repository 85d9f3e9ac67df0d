/** States of a chain through Redis: a list for each link, and BLPOP, which waits on the server. */
import { Redis } from "ioredis";
import type { StateExchange } from "../../examples/excamera-chain/state-exchange.ts";
import { type StoreTarget, targetNumber } from "./kv-store.ts";

/** For one link at a time: who waits has the connection for itself. */
export async function openRedisExchange(target: StoreTarget): Promise<(name: string) => StateExchange> {
  const redis = new Redis({ host: "127.0.0.1", port: targetNumber(target, "port"), lazyConnect: true });
  await redis.connect();
  return (name) => ({
    async send(to, data) {
      await redis.rpush(`${name}-${to}`, Buffer.from(data.buffer, data.byteOffset, data.length));
    },
    async receive(at, timeoutMs) {
      const popped = await redis.blpopBuffer(`${name}-${at}`, timeoutMs / 1000);
      if (popped === null) throw new Error(`no state came for link ${at} within ${timeoutMs} ms`);
      return { data: popped[1], done: async () => undefined };
    },
  });
}
