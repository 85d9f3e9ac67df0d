/** Streams in and out of the SDK: who waits for whom, and what is left of one that breaks. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";
import { askNodeInfo } from "../support/node-info.ts";
import { until } from "../support/until.ts";
import { watchRequests } from "../support/watch-requests.ts";
import { anyBytes } from "../support/written-keys.ts";

let fleet: InProcessFleet;
let job: Job;
/** Without parity nothing is asked for twice, however late it is. */
const code = { d: 2, p: 0 };
const stripeBytes = stripeBytesMax(code);

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 3 });
  job = await fleet.begin({ code });
});
afterAll(() => fleet.stop());

async function shardCount(): Promise<number> {
  const infos = await Promise.all(fleet.map.nodes.map(askNodeInfo));
  return infos.reduce((sum, { shards }) => sum + shards, 0);
}

/** Time enough for whatever does not wait to be done. */
async function someRoundTrips(): Promise<void> {
  for (let i = 0; i < 20; i++) await job.has("nothing");
}

describe("reading", () => {
  const chunkBytes = 128 * 1024;
  const pieces = 12;
  const bytes = anyBytes(pieces * chunkBytes);

  /** Bytes of shards that were asked for, of all runs of all requests: seven arguments each, the fifth is the length. */
  function watchAskedBytes(): () => number {
    const requests = watchRequests("MF.SHARD.GET");
    const lengths = () => requests.flatMap(({ args }) => args.filter((_, at) => at % 7 === 4).map(Number));
    return () => lengths().reduce((sum, length) => sum + length, 0);
  }

  test("a stream is one piece ahead of its consumer, and no more", async () => {
    const ref = await job.put("ahead", bytes);
    const asked = watchAskedBytes();
    const stream = job.stream(ref, { chunkBytes });
    await someRoundTrips();
    expect(asked()).toBe(0);
    for (let at = 0; at < pieces; at++) {
      const { value } = await stream.next();
      expect(bytes.subarray(at * chunkBytes, (at + 1) * chunkBytes).equals(value as Uint8Array)).toBe(true);
      await someRoundTrips();
      expect(asked()).toBe(Math.min(pieces, at + 2) * chunkBytes);
    }
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(asked()).toBe(bytes.length);
  });

  test("a consumer that leaves has asked for nothing more", async () => {
    await job.put("left", bytes);
    const asked = watchAskedBytes();
    for await (const piece of job.stream("left", { chunkBytes })) {
      expect(bytes.subarray(0, chunkBytes).equals(piece)).toBe(true);
      break;
    }
    await someRoundTrips();
    expect(asked()).toBe(2 * chunkBytes);
  });
});

describe("a source that breaks", () => {
  const broken = new RangeError("the source broke");
  const piece = anyBytes(60_000);

  function* breaking(length: number): Generator<Uint8Array> {
    for (let at = 0; at < length; at += piece.length) yield piece.subarray(0, length - at);
    throw broken;
  }

  async function* later(source: Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for (const each of source) {
      await Promise.resolve();
      yield each;
    }
  }

  test.each([0, 1, 100_000, stripeBytes, 5 * stripeBytes + 1])(
    "after %i bytes is the cause of the put's error, and leaves nothing behind",
    async (length) => {
      const before = await shardCount();
      for (const source of [breaking(length), later(breaking(length))]) {
        await expect(job.put("broken", source)).rejects.toMatchObject({
          ...{ code: "INPUT_INVALID", kind: "invalid", cause: broken },
        });
        expect(await job.has("broken")).toBe(false);
      }
      for await (const { key } of job.list("broken")) expect.unreachable(`${key} is listed`);
      await until("its shards are freed", async () => (await shardCount()) === before);
    },
  );

  test.each([10, 100_000])("does not touch what the key held: %i bytes", async (size) => {
    const bytes = anyBytes(size);
    const { version } = await job.put("held", bytes);
    await expect(job.put("held", breaking(2 * stripeBytes))).rejects.toMatchObject({ cause: broken });
    expect((await job.stat("held")).version).toBe(version);
    expect(bytes.equals(await job.get("held"))).toBe(true);
  });
});

test.each([
  ["is aborted", "ABORTED"],
  ["is given something else than bytes", "INVALID_ARGUMENT"],
])("a source is closed when its put %s", async (_, expected) => {
  const abort = new AbortController();
  const ends: string[] = [];
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield anyBytes(stripeBytes);
      if (expected === "ABORTED") abort.abort();
      yield (expected === "ABORTED" ? anyBytes(9) : "text") as Uint8Array;
      ends.push("was read on");
    } finally {
      ends.push("was closed");
    }
  }
  await expect(job.put("closed", source(), { signal: abort.signal })).rejects.toMatchObject({
    code: expected,
  });
  await until("the source has ended", () => ends.length > 0);
  expect(ends).toEqual(["was closed"]);
  expect(await job.has("closed")).toBe(false);
});
