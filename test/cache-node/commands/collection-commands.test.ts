import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type RespValue, respText } from "../../../src/wire/resp-value.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/until.ts";
import { KeyClient, openAt } from "./key-client.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 3, nodeMemoryBytes: 16 * 2 ** 20 });
});
afterAll(() => fleet.stop());
beforeEach(async () => {
  job = (await fleet.createJob()).job.job;
});

const open = (key: string) => KeyClient.open(fleet, key, job);

/** The second of `[version, result]`, or the last of what a read shows, with texts for bytes. */
function plain(reply: RespValue): unknown {
  const shown = (value: RespValue | undefined): unknown => {
    if (Array.isArray(value)) return value.map(shown);
    return value instanceof Uint8Array ? respText(value) : value;
  };
  return Array.isArray(reply) ? shown(reply.at(-1)) : (errorPrefix(reply) ?? reply);
}

describe("MF.CELL.UPDATE", () => {
  test("answers the version and what it made", async () => {
    const cell = await open("key");
    const reply = (await cell.update("rpush", ["a", "b"])) as RespValue[];
    expect(reply).toEqual([expect.stringMatching(/^\d+\.\d+$/), 2]);
    expect(await cell.read("len")).toEqual([reply[0], "list", -1, 2]);
  });

  test("counts", async () => {
    const cell = await open("key");
    expect(plain(await cell.update("incr", [5]))).toBe(5);
    expect(plain(await cell.update("incr", [-7]))).toBe(-2);
    expect(await cell.value()).toBe("-2");
    expect(plain(await cell.read("len"))).toBe(-2);
    await cell.set("41");
    expect(plain(await cell.update("incr", [1]))).toBe(42);
    expect(plain(await cell.update("incr", [String(Number.MAX_SAFE_INTEGER)]))).toBe("ERR");
    expect(plain(await cell.update("incr", ["9007199254740992"]))).toBe("ERR");
  });

  test("makes lists, from both ends", async () => {
    const cell = await open("key");
    expect(plain(await cell.update("rpush", ["c", "d"]))).toBe(2);
    expect(plain(await cell.update("lpush", ["b", "a"]))).toBe(4);
    expect(plain(await cell.read("lrange", [0, -1]))).toEqual(["a", "b", "c", "d"]);
    expect(plain(await cell.read("lrange", [-2, -1]))).toEqual(["c", "d"]);
    expect(plain(await cell.update("lpop", [1]))).toEqual(["a"]);
    expect(plain(await cell.update("rpop", [2]))).toEqual(["d", "c"]);
    expect(plain(await cell.update("rpush", ["x", "", "z"]))).toBe(4);
    expect(plain(await cell.update("ltrim", [1, 2]))).toBe(2);
    expect(plain(await cell.update("lpop", [9]))).toEqual(["x", ""]);
    expect(await cell.read("len")).toBeNull();
    expect(await cell.update("lpop", [1])).toEqual([null, []]);
  });

  test("makes hashes", async () => {
    const cell = await open("key");
    expect(plain(await cell.update("hset", ["f", "1", "g", "2"]))).toBe(2);
    expect(plain(await cell.update("hset", ["f", "x", "h", "3"]))).toBe(1);
    expect(plain(await cell.update("hincr", ["h", 4]))).toBe(7);
    expect(plain(await cell.update("hincr", ["f", 1]))).toBe("WRONGTYPE");
    expect(plain(await cell.read("hget", ["f", "nothing", "h"]))).toEqual(["x", null, "7"]);
    expect(plain(await cell.read("hgetall", [""]))).toEqual(["", "f", "x", "g", "2", "h", "7"]);
    expect(plain(await cell.update("hdel", ["f", "nothing"]))).toBe(1);
    expect(plain(await cell.read("hgetall", ["g"]))).toEqual(["", "h", "7"]);
  });

  test("makes sets", async () => {
    const cell = await open("key");
    expect(plain(await cell.update("sadd", ["b", "a", "b"]))).toBe(2);
    expect(plain(await cell.update("sadd", ["b"]))).toBe(0);
    expect(plain(await cell.read("smembers", [""]))).toEqual(["", "a", "b"]);
    expect(plain(await cell.read("sismember", ["a", "c"]))).toEqual([1, 0]);
    expect(plain(await cell.update("srem", ["a", "c"]))).toBe(1);
    expect(plain(await cell.read("len"))).toBe(1);
  });

  test("takes place once, under its condition, and expires", async () => {
    const cell = await open("key");
    const first = (await cell.update("lpush", ["a", "b"], {
      condition: "absent",
      sequence: 50,
    })) as RespValue[];
    expect(plain(await cell.update("lpop", [1], { sequence: 51 }))).toEqual(["b"]);
    expect(await cell.update("lpush", ["a", "b"], { condition: "absent", sequence: 50 })).toEqual(first);
    expect(plain(await cell.update("lpop", [1], { sequence: 51 }))).toEqual(["b"]);
    expect(plain(await cell.update("rpush", ["x"], { condition: "absent", sequence: 52 }))).toBe("KEYEXISTS");
    const condition = String(first[0]);
    expect(plain(await cell.update("rpush", ["x"], { condition, sequence: 53 }))).toBe("VERSIONMISMATCH");
    await cell.update("rpush", ["x"], { ttlMs: 60_000, sequence: 54 });
    const [, , ttlLeft] = (await cell.read("len")) as number[];
    expect(ttlLeft).toBeGreaterThan(50_000);
    await cell.update("rpush", ["x"], { ttlMs: 40, sequence: 55 });
    await until("it has expired", async () => plain(await cell.read("len")) === "EXPIRED");
  });

  test.each([
    ["incr"],
    ["incr", "1", "2"],
    ["incr", "one"],
    ["lpop", "-1"],
    ["lpop", "1", "2"],
    ["ltrim", "1"],
    ["hset", "f"],
    ["hset", "", "v"],
    ["hset", "f".repeat(1025), "v"],
    ["hincr", "f"],
    ["sadd", ""],
    ["hdel", "f".repeat(1025)],
    ["rename", "x"],
  ])("refuses %s, case %#", async (operation, ...args) => {
    const cell = await open("key");
    expect(plain(await cell.update(operation, args))).toBe("ERR");
    expect(await cell.read("len")).toBeNull();
  });

  test("refuses what is too large", async () => {
    const cell = await open("key");
    expect(plain(await cell.update("rpush", [Buffer.alloc(17_409)]))).toBe("TOOLARGE");
    expect(plain(await cell.update("hset", ["f", Buffer.alloc(17_409)]))).toBe("TOOLARGE");
    const many = Array.from({ length: 17 }, () => Buffer.alloc(16_384));
    expect(plain(await cell.update("rpush", many))).toBe("TOOLARGE");
    expect(plain(await cell.update("rpush", many.slice(2)))).toBe(15);
  });
});

describe("MF.CELL.READ", () => {
  test("waits until there are enough elements, or the counter is high enough", async () => {
    const [list, counter] = [await open("{t}list"), await open("{t}counter")];
    const [reader, other] = [await open("{t}list"), await open("{t}counter")];
    const waits = [reader.read("lrange", [0, -1], 30_000, 3), other.read("len", [], 30_000, 2)];
    let done = 0;
    for (const wait of waits) void wait.then(() => (done += 1));
    await list.update("rpush", ["a"]);
    await counter.update("incr", [1]);
    await list.update("rpush", ["b"]);
    expect(done).toBe(0);
    await list.update("rpush", ["c", "d"]);
    await counter.update("incr", [4]);
    expect((await Promise.all(waits)).map(plain)).toEqual([["a", "b", "c", "d"], 5]);
    // Level-triggered: what has been reached is answered at once.
    expect(plain(await reader.read("len", [], 30_000, 4))).toBe(4);
  });

  test("answers what there is when its time is over", async () => {
    const cell = await open("key");
    expect(await cell.read("len", [], 20, 1)).toBeNull();
    await cell.update("sadd", ["m"]);
    expect(plain(await cell.read("len", [], 20, 2))).toBe(1);
  });

  test("ends when the job does", async () => {
    const cell = await open("key");
    const wait = cell.read("len", [], 30_000, 1);
    const info = await RawClient.open(fleet.node(fleet.row("key")[0]!.id));
    await until("it waits", async () =>
      /blocked_clients:1\r/.test(String(await info.send("INFO", "clients"))),
    );
    await fleet.client.endJob(job);
    expect(plain(await wait)).toBe("JOBENDED");
  });

  test.each([
    ["len", "x"],
    ["lrange", "0"],
    ["lrange", "0", "x"],
    ["hget"],
    ["hget", ...Array.from({ length: 65 }, String)],
    ["hgetall"],
    ["smembers", "a", "b"],
    ["type"],
  ])("refuses %s, case %#", async (what, ...args) => {
    const cell = await open("key");
    await cell.update("rpush", ["x"]);
    expect(plain(await cell.read(what, args))).toBe("ERR");
  });
});

describe("beside the other commands", () => {
  test("a collection is WRONGTYPE to read as a value, is listed with its bytes, and may be overwritten and deleted", async () => {
    const cell = await open("key");
    const redis = await openAt(fleet, fleet.row("key")[0]!.id, job);
    const [version] = (await cell.update("hset", ["field", "value"])) as [string];
    expect(errorPrefix(await cell.get())).toBe("WRONGTYPE");
    expect(errorPrefix(await cell.get(1000))).toBe("WRONGTYPE");
    expect(errorPrefix(await redis.send("GET", "key"))).toBe("WRONGTYPE");
    const list = await cell.client.tagged("MF.CELL.LIST", cell.epoch, 0, "", 10, "");
    expect((list as RespValue[])[2]).toEqual([Buffer.from("key"), version, "hash", 10]);
    expect(await cell.del()).toBe(1);
    expect(await cell.get()).toBeNull();
    await cell.update("rpush", ["a"]);
    await cell.set("plain");
    expect(await cell.value()).toBe("plain");
    expect(plain(await cell.read("len"))).toBe("WRONGTYPE");
  });

  test("a counter is its decimal text to any reader, and wakes who waits for the key", async () => {
    const [cell, waiting] = [await open("key"), await open("key")];
    const redis = await openAt(fleet, fleet.row("key")[0]!.id, job);
    const wait = waiting.get(30_000);
    const [version] = (await cell.update("incr", [12])) as [string];
    expect(await wait).toEqual([version, "counter", -1, Buffer.from("12")]);
    expect(respText(await redis.send("GET", "key"))).toBe("12");
  });

  test("updates go to the primary", async () => {
    const [, backup] = fleet.row("key");
    const client = await openAt(fleet, backup!.id, job);
    const args = ["0.0", "sessions", 1, 1, "", 0, "key", "incr", 1] as const;
    expect(errorPrefix(await client.tagged("MF.CELL.UPDATE", ...args))).toBe("MOVED");
    expect(errorPrefix(await client.tagged("MF.CELL.READ", "0.0", 0, 0, "key", "len"))).toBe("MOVED");
  });
});
