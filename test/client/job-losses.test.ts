/** What reads and writes come to when shards, objects, nodes or jobs are gone. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { Ref } from "../../src/wire/ref.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import { shardBytesMax } from "../../src/wire/stripe-layout.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";
import { StoredShards } from "../support/stored-shards.ts";
import { until } from "../support/until.ts";
import { anyBytes } from "../support/written-keys.ts";

let fleet: InProcessFleet;

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 6, nodeMemoryBytes: 48 * 2 ** 20 });
});
afterAll(() => fleet.stop());

const code = (expected: string) => expect.objectContaining({ code: expected });

async function stored(
  codeText: string,
  size: number,
): Promise<{ job: Job; ref: Ref; bytes: Buffer; shards: StoredShards }> {
  const [d, p] = codeText.split("+").map(Number) as [number, number];
  const job = await fleet.begin({ code: { d, p } });
  onTestFinished(() => job.end());
  const bytes = anyBytes(size);
  const ref = await job.put("key", bytes);
  return { job, ref, bytes, shards: new StoredShards(fleet, job, ref) };
}

async function expectReadable(job: Job, ref: Ref, bytes: Buffer): Promise<void> {
  expect(bytes.equals(await job.get(ref))).toBe(true);
  const cuts = [0, 1, 16_384, 50_000, shardBytesMax - 1, shardBytesMax + 1, bytes.length - 1];
  for (const start of cuts.filter((cut) => cut < bytes.length)) {
    const end = Math.min(start + 40_000, bytes.length);
    expect(bytes.subarray(start, end).equals(await job.get("key", { range: { start, end } }))).toBe(true);
  }
}

describe("shards", () => {
  test.each([
    ["1+1", 20_000],
    ["2+1", 1_500_000],
    ["4+2", 70_001],
    ["4+2", 3_000_000],
  ])(
    "of %s that are damaged or gone, up to p of them, are replaced by parity (%i bytes)",
    async (text, size) => {
      const { job, ref, bytes, shards } = await stored(text, size);
      const width = ref.code.d + ref.code.p;
      for (let first = 0; first < width; first++) {
        const {
          job: own,
          ref: hurt,
          bytes: right,
          shards: at,
        } = first === 0 ? { job, ref, bytes, shards } : await stored(text, size);
        for (let i = 0; i < hurt.code.p; i++) {
          const shard = (first + i) % width;
          if (i % 2 === 0) await at.damage(0, shard);
          else await at.free(0, shard);
        }
        await expectReadable(own, hurt, right);
      }
    },
  );

  test("of every stripe that are damaged are replaced, and those that are right are left alone", async () => {
    const { job, ref, bytes, shards } = await stored("2+1", 3 * 2 * shardBytesMax);
    await shards.damage(0, 0);
    await shards.free(1, 1);
    await shards.damage(2, 2);
    await expectReadable(job, ref, bytes);
  });

  test("more than p gone: LOST, naming the ref", async () => {
    const { job, ref, shards } = await stored("2+1", 300_000);
    await shards.free(0, 0);
    await shards.damage(0, 2);
    for (const from of ["key", ref]) {
      await expect(job.get(from)).rejects.toMatchObject({
        code: "LOST",
        kind: "lost",
        refs: [ref.toString()],
      });
    }
    // What can be read without the lost ones still can.
    const tail = { start: 200_000, end: 300_000 };
    await expect(job.get(ref, { range: tail })).resolves.toHaveLength(100_000);
  });

  test("gone without parity: LOST", async () => {
    const { job, shards } = await stored("1+0", 100_000);
    await shards.free(0, 0);
    await expect(job.get("key")).rejects.toThrow(code("LOST"));
  });
});

describe("refs", () => {
  test.each([10, 200_000])("to what was overwritten or deleted are FREED (%i bytes)", async (size) => {
    const { job, ref } = await stored("2+1", size);
    const bytes = anyBytes(size);
    const newer = await job.put("key", bytes);
    const freed = (from: Ref) =>
      until("the old bytes are gone", () =>
        job.get(from).then(
          () => false,
          (error: { code: string }) => error.code === "FREED",
        ),
      );
    await freed(ref);
    expect(bytes.equals(await job.get(newer))).toBe(true);
    expect(await job.delete("key")).toBe(true);
    await freed(newer);
    await expect(job.get(Ref.parse(newer.toString()))).rejects.toThrow(code("FREED"));
    await expect(job.get("key")).rejects.toThrow(code("NOT_FOUND"));
  });
});

describe("memory", () => {
  const usedBytes = async (job: Job): Promise<number> => {
    const { jobs } = await fleet.client.status();
    return jobs.find((each) => each.job === job.number)!.usedBytes;
  };

  test("is free again after a delete, an overwrite and a refused put", async () => {
    const { job } = await stored("2+1", 4 * 2 ** 20);
    await until("the nodes have reported", async () => (await usedBytes(job)) > 5 * 2 ** 20);
    expect(await job.delete("key")).toBe(true);
    await until("delete has freed it", async () => (await usedBytes(job)) < 3 * 2 ** 20);
    for (let i = 0; i < 8; i++) await job.put("key", anyBytes(4 * 2 ** 20));
    await until("overwrites have freed theirs", async () => (await usedBytes(job)) < 24 * 2 ** 20);
    const refused = job.put("key", anyBytes(4 * 2 ** 20), { ifAbsent: true });
    await expect(refused).rejects.toThrow(code("KEY_EXISTS"));
    await job.delete("key");
    await until("nothing is left", async () => (await usedBytes(job)) < 3 * 2 ** 20);
  });

  test("a job above its quota is told so, and may go on when there is room", async () => {
    const job = await fleet.begin({ code: { d: 2, p: 1 }, quotaBytes: 4 * 2 ** 20 });
    onTestFinished(() => job.end());
    // Usage travels with the heartbeats: until they come, a fast writer gets above its quota.
    let puts = 0;
    await until("a put is refused", async () => {
      try {
        await job.put(`k${puts++ % 12}`, anyBytes(2 ** 20), { timeoutMs: 500 });
        return false;
      } catch (error) {
        expect((error as { code: string }).code).toBe("QUOTA_EXCEEDED");
        return true;
      }
    });
    for (let i = 0; i < 12; i++) await job.delete(`k${i}`);
    await until("there is room again", async () => {
      await job.put("again", anyBytes(300_000), { timeoutMs: 500 });
      return true;
    });
  });
});

describe("overwriting", () => {
  test("is atomic: readers by key get one version or the other, whole, and never an error", async () => {
    const job = await fleet.begin({ code: { d: 4, p: 2 } });
    onTestFinished(() => job.end());
    const sizes = [10_000, 100_000, 2_500_000];
    const versionOf = (bytes: Uint8Array): number => {
      const version = bytes[0]!;
      expect(bytes.length).toBe(sizes[version % sizes.length]);
      expect(Buffer.alloc(bytes.length, version).equals(bytes)).toBe(true);
      return version;
    };
    await job.put("hot", Buffer.alloc(sizes[0]!, 0));
    let newest = 0;
    let done = false;
    const reader = async (): Promise<number> => {
      let reads = 0;
      for (let seen = 0; !done; reads++) {
        const acknowledged = newest;
        const version = versionOf(await job.get("hot"));
        // Linearizable: what was acknowledged before the read began is the least it may return.
        expect(version).toBeGreaterThanOrEqual(Math.max(seen, acknowledged));
        seen = version;
      }
      return reads;
    };
    const readers = [reader(), reader(), reader()];
    for (let version = 1; version <= 40; version++) {
      await job.put("hot", Buffer.alloc(sizes[version % sizes.length]!, version));
      newest = version;
    }
    done = true;
    for (const reads of await Promise.all(readers)) expect(reads).toBeGreaterThan(0);
  });
});

describe("readRanges", () => {
  test("fills many ranges of many objects, small, large, damaged and unlocated ones", async () => {
    const { job, bytes: first, shards } = await stored("4+2", 2_500_000);
    const large = await job.put("large", first);
    await shards.damage(0, 1);
    const second = anyBytes(30_000);
    const small = anyBytes(100);
    await job.put("second", second);
    await job.put("small", small);
    const refs: [Ref, Buffer][] = [
      [shards.ref, first],
      [(await job.stat("second")).ref, second],
      [(await job.stat("small")).ref, small],
      [Ref.parse(new Ref({ ...large, stripes: undefined }).toString()), first],
    ];
    const reads = refs.flatMap(([ref, bytes]) =>
      [0, 0.3, 0.9].map((part) => {
        const offset = Math.floor(part * bytes.length);
        const length = Math.floor((bytes.length - offset) / 2);
        return {
          ref,
          offset,
          length,
          into: Buffer.alloc(length + 3, 0xaa),
          wanted: bytes.subarray(offset, offset + length),
        };
      }),
    );
    await job.readRanges(reads);
    for (const { into, wanted } of reads) {
      expect(wanted.equals(into.subarray(0, wanted.length))).toBe(true);
      expect(into.subarray(wanted.length).equals(Buffer.alloc(3, 0xaa))).toBe(true);
    }
    await job.readRanges([]);
  });

  test("says what became of an object that is not where its ref says", async () => {
    const { job, ref, shards } = await stored("2+1", 200_000);
    const read = (of: Ref) =>
      job.readRanges([{ ref: of, offset: 0, length: 200_000, into: Buffer.alloc(200_000) }]);
    await job.put("key", "other");
    await until(
      "the shards are freed",
      async () => (await shards.read(0, 0)) === null && (await shards.read(0, 2)) === null,
    );
    await expect(read(ref)).rejects.toThrow(code("FREED"));
    const { job: own, ref: lost, shards: at } = await stored("2+1", 200_000);
    await at.free(0, 0);
    await at.free(0, 1);
    const into = Buffer.alloc(200_000);
    await expect(own.readRanges([{ ref: lost, offset: 0, length: 200_000, into }])).rejects.toMatchObject({
      code: "LOST",
      refs: [lost.toString()],
    });
  });

  test("refuses ranges and buffers that do not fit", async () => {
    const { job, ref } = await stored("2+1", 200_000);
    for (const [offset, length, room] of [
      [-1, 10, 10],
      [199_999, 2, 10],
      [200_001, 0, 10],
      [0, 11, 10],
    ] as const) {
      const reads = [{ ref, offset, length, into: Buffer.alloc(room) }];
      await expect(job.readRanges(reads)).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
  });

  test("writes nothing into the buffers once it has failed", async () => {
    const { job, ref, shards } = await stored("4+2", 2_000_000);
    for (const shard of [0, 1, 2]) await shards.free(0, shard);
    const into = Buffer.alloc(2_000_000, 0xaa);
    await expect(job.get(ref, { into })).rejects.toThrow(code("LOST"));
    const atFailure = Buffer.from(into);
    // A read of the same nodes, so that whatever was under way would have arrived.
    await job.put("other", anyBytes(2_000_000));
    await job.get("other");
    expect(into.equals(atFailure)).toBe(true);
  });
});

describe("a job that has ended", () => {
  test("answers JOB_ENDED to everything", async () => {
    const created = await fleet.createJob({ code: { d: 2, p: 1 } });
    const job = await fleet.connect(created.ticket);
    const ref = await job.put("key", anyBytes(100_000));
    const small = await job.put("small", "x");
    const waiting = job.get("never", { waitMs: 20_000 });
    const ended = expect(waiting).rejects.toThrow(code("JOB_ENDED"));
    await fleet.client.endJob(job.number);
    await ended;
    await until("all nodes know", async () => {
      const outcomes = await Promise.allSettled([
        job.get(ref),
        job.get("key"),
        job.get(small),
        job.put("k", "v"),
      ]);
      return outcomes.every(
        (outcome) => outcome.status === "rejected" && outcome.reason.code === "JOB_ENDED",
      );
    });
    const calls: (() => Promise<RespValue | unknown>)[] = [
      () => job.put("key", anyBytes(100_000)),
      () => job.delete("key"),
      () => job.has("key"),
      () => job.stat("key"),
      () => job.list().next(),
      () => job.extend(),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow(code("JOB_ENDED"));
  });
});
