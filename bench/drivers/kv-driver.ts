/**
 * A client process of the kv scenario: `kv-driver.js <contender> <target as JSON>`, started with an IPC channel. It
 * connects, answers requests for samples one after another, and ends with its parent.
 */
import type { KvStore, StoreTarget } from "../peers/kv-store.ts";
import { createKvLoad } from "./kv-load.ts";
import type { KvReply, KvSampleRequest } from "./kv-messages.ts";

/** Each imports its client library only where it is used: heaps shall hold nothing else. */
const openers: Readonly<Record<string, (target: StoreTarget) => Promise<KvStore>>> = {
  mayfly: async (target) => (await import("./mayfly-store.ts")).openMayfly(target),
  "redis-ioredis": async (target) => (await import("../peers/redis-ioredis.ts")).openIoredis(target),
  "redis-node-redis": async (target) => (await import("../peers/redis-node-redis.ts")).openNodeRedis(target),
  "redis-wait2": async (target) => (await import("../peers/redis-wait2.ts")).openRedisWait2(target),
  s3: async (target) => (await import("../peers/s3.ts")).openS3(target),
  "raw-tcp": async (target) => (await import("../peers/raw-tcp.ts")).openRawTcp(target),
  memcpy: async () => (await import("../peers/memcpy.ts")).openMemcpy(),
};

function tell(reply: KvReply): void {
  if (process.connected) process.send?.(reply);
}

const fail = (thrown: unknown): void =>
  tell({ failed: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown) });

process.once("disconnect", () => process.exit(0));
const [name = "", target = "{}"] = process.argv.slice(2);
try {
  const open = openers[name];
  if (open === undefined) throw new RangeError(`there is no contender ${JSON.stringify(name)}`);
  const load = createKvLoad(await open(JSON.parse(target) as StoreTarget), name);
  let last: Promise<void> = Promise.resolve();
  process.on("message", (request: KvSampleRequest) => {
    last = last.then(async () => tell({ sample: await load(request) })).catch(fail);
  });
  tell({ ready: true });
} catch (thrown) {
  fail(thrown);
}
