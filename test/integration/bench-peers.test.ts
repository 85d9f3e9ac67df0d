/** Peers of the benchmark, with their real servers: what they are measured at is what they do. */
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { findProgram } from "../../bench/harness/processes.ts";
import type { KvServer, KvStore } from "../../bench/peers/kv-store.ts";
import { openRawTcp } from "../../bench/peers/raw-tcp.ts";
import { openIoredis } from "../../bench/peers/redis-ioredis.ts";
import { openNodeRedis } from "../../bench/peers/redis-node-redis.ts";
import { type RedisServer, startRedisServer, startReplicatedRedis } from "../../bench/peers/redis-server.ts";
import { openRedisWait2 } from "../../bench/peers/redis-wait2.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { isRunning } from "../support/child-output.ts";
import { ownTmpdir } from "../support/own-tmpdir.ts";

ownTmpdir();

/** Ends with the test. */
async function opened(opening: Promise<KvStore>): Promise<KvStore> {
  const store = await opening;
  onTestFinished(() => store.close());
  return store;
}

async function redis(starting: Promise<RedisServer | { absent: string }>): Promise<RedisServer> {
  const server = await starting;
  if ("absent" in server) throw new Error(server.absent);
  onTestFinished(() => server.stop());
  return server;
}

test("plain TCP gives back the value that was put last, in one piece and in order", async () => {
  const { startRawTcpServer } = (await import(builtModuleUrl("bench/peers/raw-tcp.js"))) as {
    startRawTcpServer(): Promise<KvServer>;
  };
  const server = await startRawTcpServer();
  onTestFinished(() => server.stop());
  const store = await opened(openRawTcp(server.target));
  for (const bytes of [1, 8, 65_535, 65_536, 65_537, 3_000_000]) {
    const value = randomBytes(bytes);
    await Promise.all([store.put("a", randomBytes(bytes)), store.put("a", value)]);
    expect(value.equals(await store.get("a"))).toBe(true);
    const buffers = Array.from({ length: 4 }, () => Buffer.alloc(bytes));
    const read = await Promise.all(buffers.map((into) => store.getInto!("a", into)));
    expect(read.map((each) => value.equals(each))).toEqual([true, true, true, true]);
  }
  await server.stop();
  expect(server.pids.filter(isRunning)).toEqual([]);
});

test.runIf(findProgram("redis-server"))("Redis keeps binary values through both clients", async () => {
  const server = await redis(startRedisServer());
  for (const open of [openIoredis, openNodeRedis]) {
    const store = await opened(open(server.target));
    const value = randomBytes(100_000);
    await store.put("a", value);
    expect(value.equals(await store.get("a"))).toBe(true);
    await expect(store.get("nothing")).rejects.toThrow("no key");
  }
});

test.runIf(findProgram("redis-server"))("two replicas have what WAIT 2 says they have", async () => {
  const server = await redis(startReplicatedRedis(2));
  const store = await opened(openRedisWait2(server.target));
  expect(server.pids).toHaveLength(3);
  const values = Array.from({ length: 8 }, () => randomBytes(200_000));
  await Promise.all(values.map((value, index) => store.put(`${index}`, value)));
  for (const [index, value] of values.entries()) expect(value.equals(await store.get(`${index}`))).toBe(true);
});

test.runIf(findProgram("redis-server"))("a put that the replicas do not have fails", async () => {
  const server = await redis(startRedisServer());
  const store = await opened(openRedisWait2(server.target, 20));
  await expect(store.put("a", randomBytes(100))).rejects.toThrow("WAIT 2 answered 0");
});

test.runIf(findProgram("redis-server"))("a Redis that cannot start leaves no folder behind", async () => {
  const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith("mayfly-redis-"));
  const before = folders();
  await expect(startRedisServer({ args: ["--no-such-option"] })).rejects.toThrow("redis-server ended");
  expect(folders()).toEqual(before);
});
