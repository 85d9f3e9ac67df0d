/**
 * Lists of a Redis with two replicas as mailboxes, through ioredis: RPUSH goes out with `WAIT 2` in one write, and BLPOP blocks a
 * connection of its own. A message that was popped is gone, whatever becomes of its receiver.
 */
import { Redis } from "ioredis";
import type { Mailboxes } from "./mailboxes.ts";

export interface ReplicatedRedis {
  readonly host: string;
  readonly port: number;
}

const replicas = 2;
const waitTimeoutMs = 10_000;
const receiveSeconds = 30;

export async function openRedisMailboxes({ host, port }: ReplicatedRedis): Promise<Mailboxes> {
  const all: Redis[] = [];
  const connection = async (): Promise<Redis> => {
    const redis = new Redis({ host, port, lazyConnect: true });
    all.push(redis);
    await redis.connect();
    return redis;
  };
  const sender = await connection();
  return {
    async send(name, data) {
      const answers = await sender.pipeline().rpush(name, data).wait(replicas, waitTimeoutMs).exec();
      for (const [error] of answers ?? []) if (error !== null) throw error;
      const copies = answers?.[1]?.[1];
      if (copies !== replicas) throw new Error(`WAIT ${replicas} answered ${String(copies)} for ${name}`);
    },
    receiver(name) {
      const blocked = connection();
      return {
        async next() {
          const popped = await (await blocked).blpopBuffer(name, receiveSeconds);
          if (popped === null) throw new Error(`nothing came to ${name} in ${receiveSeconds} s`);
          return popped[1];
        },
      };
    },
    async close() {
      for (const redis of all) redis.disconnect();
    },
  };
}
