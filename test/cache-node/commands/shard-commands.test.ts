import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { RespValue } from "../../../src/wire/resp-value.ts";
import { frameCount, shardBytesMax } from "../../../src/wire/stripe-layout.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { askNodeInfo } from "../../support/node-info.ts";
import { errorPrefix, RawClient } from "../../support/raw-client.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";

let fleet: InProcessFleet;
let job: number;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 1 });
});
afterAll(() => fleet.stop());
beforeEach(async () => {
  job = (await fleet.createJob()).job.job;
});
afterEach(async () => {
  for (const { number } of fleet.controller.state.jobs) await fleet.client.endJob(number);
  await until("their memory is free", async () => (await usedBytes()) < 2 ** 20);
});

async function open(of = job, token = fleet.jobToken(of)): Promise<RawClient> {
  const client = await RawClient.open(fleet.nodes[0]!);
  await client.send("HELLO", 3, "AUTH", of, token);
  return client;
}

async function openAsNode(): Promise<RawClient> {
  const client = await RawClient.open(fleet.nodes[0]!);
  await client.send("HELLO", 3, "AUTH", "node-9", fleet.fleetToken(9));
  return client;
}

const usedBytes = async (): Promise<number> => (await askNodeInfo(fleet.nodes[0]!)).usedBytes;

interface TestShard {
  readonly object: Buffer;
  readonly stripe: number;
  readonly index: number;
  readonly payload: Buffer;
  readonly sums: Buffer;
}

function shardOf(length: number, at: Partial<TestShard> = {}): TestShard {
  const payload = at.payload ?? anyBytes(length);
  const sums = at.sums ?? anyBytes(frameCount(length) * 8);
  return {
    object: at.object ?? randomBytes(16),
    stripe: at.stripe ?? 0,
    index: at.index ?? 0,
    payload,
    sums,
  };
}

const put = ({ object, stripe, index, sums, payload }: TestShard) =>
  ["MF.SHARD.PUT", object, stripe, index, sums, payload] as const;

const whole = ({ object, stripe, index, payload }: TestShard) =>
  [object, stripe, index, 0, payload.length, 0, frameCount(payload.length)] as const;

/** Compares by bytes: a deep comparison of half a MiB takes a second. */
function expectRuns(reply: RespValue, expected: readonly (readonly [Buffer, Buffer] | null)[]): void {
  const runs = reply as ([Buffer, Buffer] | null)[];
  const same = (run: readonly Buffer[] | null | undefined, at: number): boolean => {
    const wanted = expected[at];
    if (run === null || run === undefined || wanted === null || wanted === undefined) return run === wanted;
    return run.every((bytes, part) => bytes.equals(wanted[part]!));
  };
  expect(runs).toHaveLength(expected.length);
  expect(runs.map(same)).toEqual(expected.map(() => true));
}

const sizes = [0, 1, 4095, 4096, 16_383, 16_384, 16_385, 100_000, shardBytesMax];

describe("MF.SHARD.PUT and GET", () => {
  test.each(sizes)("%i bytes come back with their sums", async (length) => {
    const client = await open();
    const shard = shardOf(length, { stripe: 8191, index: 254 });
    expect(await client.tagged(...put(shard))).toBe("OK");
    expectRuns(await client.tagged("MF.SHARD.GET", ...whole(shard)), [[shard.sums, shard.payload]]);
  });

  test("a node without private receive gives the same", async () => {
    const plain = await startInProcessFleet({ nodes: 1, plainReceive: true });
    try {
      const { job: info, token } = await plain.createJob();
      const client = await RawClient.open(plain.nodes[0]!);
      await client.send("HELLO", 3, "AUTH", info.job, token);
      for (const length of sizes) {
        const shard = shardOf(length);
        expect(await client.tagged(...put(shard))).toBe("OK");
        expectRuns(await client.tagged("MF.SHARD.GET", ...whole(shard)), [[shard.sums, shard.payload]]);
      }
    } finally {
      await plain.stop();
    }
  });

  test("runs of frames of several shards come in one reply, null for what is not here", async () => {
    const client = await open();
    const shard = shardOf(50_000);
    await client.tagged(...put(shard));
    const { object, stripe, index, payload, sums } = shard;
    const reply = await client.tagged(
      "MF.SHARD.GET",
      ...[object, stripe, index, 16_384, 16_384, 1, 1],
      ...[randomBytes(16), 0, 0, 0, 10, 0, 1],
      ...[object, stripe, index + 1, 0, 10, 0, 1],
      ...[object, stripe, index, 32_768, 17_232, 2, 2],
    );
    expect(reply).toEqual([
      [sums.subarray(8, 16), payload.subarray(16_384, 32_768)],
      null,
      null,
      [sums.subarray(16, 32), payload.subarray(32_768)],
    ]);
  });

  test("a shard of the same name replaces the earlier one, and its memory", async () => {
    const client = await open();
    const first = shardOf(300_000);
    await client.tagged(...put(first));
    const once = await usedBytes();
    const second = shardOf(300_000, { object: first.object });
    for (let i = 0; i < 50; i++) await client.tagged(...put(second));
    expectRuns(await client.tagged("MF.SHARD.GET", ...whole(second)), [[second.sums, second.payload]]);
    await until(
      "no more than a few segments are in use",
      async () => (await usedBytes()) < once + 4 * 2 ** 20,
    );
  });

  test("another job does not see it", async () => {
    const client = await open();
    const shard = shardOf(1000);
    await client.tagged(...put(shard));
    const stranger = await open((await fleet.createJob()).job.job);
    expect(await stranger.tagged("MF.SHARD.GET", ...whole(shard))).toEqual([null]);
  });

  test("what a reader is being sent stays as it is when it is freed meanwhile", async () => {
    const client = await open();
    const shard = shardOf(shardBytesMax);
    await client.tagged(...put(shard));
    client.socket.pause();
    const count = 100;
    for (let i = 0; i < count; i++) client.write("MF.SHARD.GET", i + 1, ...whole(shard));
    const asNode = await openAsNode();
    await until("it is freed", async () => {
      const freed = await asNode.tagged("MF.SHARD.FREE", job, shard.object, shard.stripe, shard.index);
      return freed === 1;
    });
    const other = await open();
    for (let i = 0; i < 10; i++) await other.tagged(...put(shardOf(shardBytesMax)));
    client.socket.resume();
    for (let i = 0; i < count; i++) {
      const reply = (await client.next()) as unknown as {
        items: [string, number, [[Buffer, Buffer] | null]];
      };
      const run = reply.items[2][0];
      // Commands that were read only after it was freed find nothing.
      if (run !== null) expect(run[1].equals(shard.payload)).toBe(true);
    }
  });
});

describe("MF.SHARD.PUT refuses", () => {
  test.each([
    ["an object id that is none", ["short", 0, 0, "", ""], "ERR"],
    ["a stripe above the limit", ["o".repeat(16), 8192, 0, "", ""], "ERR"],
    ["a shard index above the limit", ["o".repeat(16), 0, 255, "", ""], "ERR"],
    ["sums that do not fit a small payload", ["o".repeat(16), 0, 0, "12345678", ""], "ERR"],
    ["missing sums", ["o".repeat(16), 0, 0, "", "x"], "ERR"],
  ] as const)("%s", async (_what, args, prefix) => {
    const client = await open();
    const before = await usedBytes();
    expect(errorPrefix(await client.tagged("MF.SHARD.PUT", ...args))).toBe(prefix);
    expect(await usedBytes()).toBe(before);
  });

  test("large bodies that it cannot take, and stays in step", async () => {
    const client = await open();
    const before = await usedBytes();
    const tooLong = shardOf(shardBytesMax, { payload: anyBytes(shardBytesMax + 1) });
    const wrongSums = shardOf(200_000, { sums: Buffer.alloc(8) });
    const badId = shardOf(200_000, { object: Buffer.from("short") });
    const { object, stripe, index, sums, payload } = shardOf(200_000);
    client.write("MF.SHARD.PUT", 1, ...put(tooLong).slice(1));
    client.write("MF.SHARD.PUT", 2, ...put(wrongSums).slice(1));
    client.write("MF.SHARD.PUT", 3, ...put(badId).slice(1));
    client.write("MF.SHARD.PUT", 4, object, stripe, index, sums, payload, "one too many");
    client.write("MF.SHARD.PUT", "x", object, stripe, index, sums, payload);
    client.write("PING");
    const replies = [];
    for (let i = 0; i < 6; i++) replies.push(await client.next());
    const prefixOf = (reply: unknown) => errorPrefix((reply as { items: never[] }).items[2]);
    expect(replies.slice(0, 4).map(prefixOf)).toEqual(["TOOLARGE", "ERR", "ERR", "ERR"]);
    expect(errorPrefix(replies[4])).toBe("ERR");
    expect(replies[5]).toBe("PONG");
    await until("their memory is free again", async () => (await usedBytes()) <= before);
  });

  test("a body above the quota: discarded, answered, and in step", async () => {
    const { job: info } = await fleet.createJob({ quotaBytes: 600_000 });
    await until("the node knows the quota", async () => {
      const client = await open(info.job);
      const shard = shardOf(shardBytesMax, { payload: Buffer.alloc(shardBytesMax) });
      const replies = [await client.tagged(...put(shard))];
      replies.push(await client.tagged(...put(shardOf(shardBytesMax))));
      client.write("PING");
      expect(await client.next()).toBe("PONG");
      const asNode = await openAsNode();
      await asNode.tagged("MF.SHARD.FREE", info.job, shard.object, shard.stripe, shard.index);
      return errorPrefix(replies[1]) === "QUOTA";
    });
    const client = await open(info.job);
    // A small one comes as a plain argument; the quota holds for it too.
    let last = null;
    for (let i = 0; i < 600 && errorPrefix(last ?? undefined) === undefined; i++) {
      last = await client.tagged(...put(shardOf(2000)));
    }
    expect(errorPrefix(last ?? undefined)).toBe("QUOTA");
  });

  test("a body that finds no memory: BUSY, and in step", async () => {
    const client = await open();
    const kept: TestShard[] = [];
    let reply = null;
    for (let i = 0; i < 100 && reply !== undefined; i++) {
      const shard = shardOf(shardBytesMax);
      const answer = await client.tagged(...put(shard));
      if (errorPrefix(answer) !== undefined) {
        expect(errorPrefix(answer)).toBe("BUSY");
        reply = undefined;
      } else kept.push(shard);
    }
    expect(reply).toBeUndefined();
    expect(kept.length).toBeGreaterThan(20);
    expect(await client.send("PING")).toBe("PONG");
    for (const shard of kept.slice(0, 3)) {
      expectRuns(await client.tagged("MF.SHARD.GET", ...whole(shard)), [[shard.sums, shard.payload]]);
    }
    await fleet.client.endJob(job);
    await until("the job's memory is free again", async () => (await usedBytes()) < 4 * 2 ** 20);
    expect(errorPrefix(await client.tagged(...put(shardOf(100))))).toBe("JOBENDED");
    expect(errorPrefix(await client.tagged(...put(shardOf(100_000))))).toBe("JOBENDED");
    expect(errorPrefix(await client.tagged("MF.SHARD.GET", ...whole(kept[0]!)))).toBe("JOBENDED");
  });
});

test("a connection dropped in the middle of a body gives its memory back", async () => {
  const keeper = await open();
  await keeper.tagged(...put(shardOf(1000)));
  const before = await usedBytes();
  const { object, sums } = shardOf(shardBytesMax);
  const droppers: RawClient[] = [];
  for (let i = 0; i < 20; i++) {
    const client = await open();
    const head = [
      "*7",
      "$12",
      "MF.SHARD.PUT",
      "$1",
      "1",
      "$16",
      object.toString("latin1"),
      "$1",
      "0",
      "$1",
      `${i % 10}`,
    ];
    client.writeRaw(Buffer.from(`${head.join("\r\n")}\r\n$256\r\n`, "latin1"), sums);
    client.writeRaw(`\r\n$${shardBytesMax}\r\n`, anyBytes(1000));
    droppers.push(client);
  }
  await until("memory is set aside", async () => (await usedBytes()) >= before + 8 * 2 ** 20);
  for (const client of droppers) client.socket.destroy();
  await until("it is free again", async () => (await usedBytes()) <= before + 2 ** 20);
  expect(await keeper.tagged("MF.SHARD.GET", object, 0, 0, 0, 10, 0, 1)).toEqual([null]);
});

describe("MF.SHARD.GET refuses", () => {
  test("runs that do not lie in the shard, or are not of whole frames", async () => {
    const client = await open();
    const { object, ...shard } = shardOf(50_000);
    await client.tagged(...put({ object, ...shard }));
    for (const run of [
      [0, 50_001, 0, 4],
      [16_384, 33_617, 1, 3],
      [1, 10, 0, 1],
      [0, 10, 4, 1],
      [0, 10, 0, 5],
    ]) {
      expect(errorPrefix(await client.tagged("MF.SHARD.GET", object, 0, 0, ...run)), `${run}`).toBe("ERR");
    }
  });

  test("half a run, too many runs, and more bytes than one reply may have", async () => {
    const client = await open();
    const shard = shardOf(shardBytesMax);
    await client.tagged(...put(shard));
    expect(errorPrefix(await client.tagged("MF.SHARD.GET", ...whole(shard), "x"))).toBe("ERR");
    const runs = (count: number) => Array.from({ length: count }, () => [...whole(shard)]).flat();
    expect(errorPrefix(await client.tagged("MF.SHARD.GET", ...runs(257)))).toBe("ERR");
    expect(errorPrefix(await client.tagged("MF.SHARD.GET", ...runs(9)))).toBe("TOOLARGE");
    expect(await client.tagged("MF.SHARD.GET", ...runs(8))).toHaveLength(8);
  });
});

describe("MF.SHARD.FREE", () => {
  test("frees what is here and says how much that was", async () => {
    const client = await open();
    const before = await usedBytes();
    const shards = [0, 1, 2].map((index) => shardOf(400_000, { object: Buffer.alloc(16, 1), index }));
    for (const shard of shards) await client.tagged(...put(shard));
    const asNode = await openAsNode();
    const names = shards.slice(0, 2).flatMap(({ object, stripe, index }) => [object, stripe, index]);
    expect(await asNode.tagged("MF.SHARD.FREE", job, ...names, randomBytes(16), 0, 0)).toBe(2);
    expect(await asNode.tagged("MF.SHARD.FREE", job, ...names)).toBe(0);
    const left = shards.flatMap((shard) => [...whole(shard)]);
    const last = shards[2]!;
    expectRuns(await client.tagged("MF.SHARD.GET", ...left), [null, null, [last.sums, last.payload]]);
    await asNode.tagged("MF.SHARD.FREE", job, last.object, 0, 2);
    await until("their memory is free again", async () => (await usedBytes()) <= before + 2 ** 20);
  });

  test("refuses half a name", async () => {
    const asNode = await openAsNode();
    expect(errorPrefix(await asNode.tagged("MF.SHARD.FREE", job, randomBytes(16), 0, 0, "x"))).toBe("ERR");
    expect(errorPrefix(await asNode.tagged("MF.SHARD.FREE", "x", randomBytes(16), 0, 0))).toBe("ERR");
  });
});

describe("MF.SHARD.READ and WRITE", () => {
  const write = ({ object, stripe, index, sums, payload }: TestShard, of = job) =>
    ["MF.SHARD.WRITE", of, object, stripe, index, sums, payload] as const;

  test.each(sizes)("%i bytes that a node writes, nodes and the job's functions read", async (length) => {
    const asNode = await openAsNode();
    const shard = shardOf(length, { stripe: 8191, index: 254 });
    expect(await asNode.tagged(...write(shard))).toBe("OK");
    const expected = [[shard.sums, shard.payload]] as const;
    expectRuns(await asNode.tagged("MF.SHARD.READ", job, ...whole(shard)), expected);
    expectRuns(await (await open()).tagged("MF.SHARD.GET", ...whole(shard)), expected);
  });

  test("are for nodes; PUT and GET are not", async () => {
    const [asJob, asNode] = [await open(), await openAsNode()];
    const before = await usedBytes();
    const shard = shardOf(200_000);
    const refused = [
      await asJob.tagged(...write(shard)),
      await asJob.tagged("MF.SHARD.READ", job, ...whole(shard)),
      await asNode.tagged(...put(shard)),
      await asNode.tagged("MF.SHARD.GET", ...whole(shard)),
    ];
    expect(refused.map(errorPrefix)).toEqual(["NOPERM", "NOPERM", "NOPERM", "NOPERM"]);
    expect(await asNode.send("PING")).toBe("PONG");
    expect(await usedBytes()).toBe(before);
  });

  test("what is written is not held against the quota", async () => {
    const { job: info } = await fleet.createJob({ quotaBytes: 300_000 });
    await until("the node knows the quota", async () => {
      const client = await open(info.job);
      return errorPrefix(await client.tagged(...put(shardOf(shardBytesMax)))) === "QUOTA";
    });
    const asNode = await openAsNode();
    for (const length of [1000, shardBytesMax]) {
      expect(await asNode.tagged(...write(shardOf(length), info.job))).toBe("OK");
    }
  });

  test("nothing of an ended job is read or written", async () => {
    const client = await open();
    const shard = shardOf(100_000);
    await client.tagged(...put(shard));
    await fleet.client.endJob(job);
    await until(
      "the node knows",
      async () => errorPrefix(await client.tagged(...put(shardOf(10)))) === "JOBENDED",
    );
    const asNode = await openAsNode();
    const refused = [
      await asNode.tagged(...write(shardOf(100))),
      await asNode.tagged(...write(shardOf(shardBytesMax))),
      await asNode.tagged("MF.SHARD.READ", job, ...whole(shard)),
    ];
    expect(refused.map(errorPrefix)).toEqual(["JOBENDED", "JOBENDED", "JOBENDED"]);
  });

  test("a job number that is none is refused, and the connection stays in step", async () => {
    const asNode = await openAsNode();
    const before = await usedBytes();
    for (const wrong of ["0", "x", "-1", "4294967296", ""]) {
      const shard = shardOf(shardBytesMax);
      expect(errorPrefix(await asNode.tagged("MF.SHARD.WRITE", wrong, ...write(shard).slice(2))), wrong).toBe(
        "ERR",
      );
    }
    expect(errorPrefix(await asNode.tagged("MF.SHARD.READ", 0, ...whole(shardOf(10))))).toBe("ERR");
    expect(await asNode.send("PING")).toBe("PONG");
    expect(await usedBytes()).toBe(before);
  });
});
