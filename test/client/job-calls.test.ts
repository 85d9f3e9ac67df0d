/** What the SDK's calls promise besides bytes, against a fleet in this process: conditions, keys, waits, time, signals. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { inlineBytesMax } from "../../src/wire/stripe-layout.ts";
import { type InProcessFleet, startInProcessFleet } from "../support/in-process-fleet.ts";
import { until } from "../support/until.ts";
import { anyBytes } from "../support/written-keys.ts";

let fleet: InProcessFleet;
let shared: Job;
const job = (): Job => shared;
const code = (expected: string) => expect.objectContaining({ code: expected });

beforeAll(async () => {
  fleet = await startInProcessFleet({ nodes: 6 });
  shared = await fleet.begin({ code: { d: 2, p: 1 } });
});
afterAll(() => fleet.stop());

async function gather<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await gather(stream));
}

describe("conditions", () => {
  test.each([10, 100_000])("put-if-absent and compare-and-set, %i bytes", async (size) => {
    const key = `conditions-${size}`;
    const first = await job().put(key, anyBytes(size), { ifAbsent: true });
    await expect(job().put(key, anyBytes(size), { ifAbsent: true })).rejects.toThrow(code("KEY_EXISTS"));
    const bytes = anyBytes(size);
    const second = await job().put(key, bytes, { ifVersion: first.version! });
    await expect(job().put(key, anyBytes(size), { ifVersion: first.version! })).rejects.toThrow(
      code("VERSION_MISMATCH"),
    );
    expect(bytes.equals(await job().get(key))).toBe(true);
    await expect(job().delete(key, { ifVersion: first.version! })).rejects.toThrow(code("VERSION_MISMATCH"));
    expect(await job().delete(key, { ifVersion: second.version! })).toBe(true);
    expect(await job().delete(key)).toBe(false);
  });

  test("of many that put-if-absent at once exactly one wins, and its bytes are there", async () => {
    const rivals = Array.from({ length: 12 }, () => anyBytes(60_000));
    const outcomes = await Promise.allSettled(
      rivals.map((bytes) => job().put("race", bytes, { ifAbsent: true })),
    );
    const won = outcomes.flatMap(({ status }, at) => (status === "fulfilled" ? [at] : []));
    expect(won).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toEqual(code("KEY_EXISTS"));
    }
    expect(rivals[won[0]!]!.equals(await job().get("race"))).toBe(true);
  });

  test("that make no sense are refused before anything is sent", async () => {
    const put = (options: object) => job().put("k", "v", options);
    for (const ifVersion of ["", "absent", "newest", "1"]) {
      await expect(put({ ifVersion })).rejects.toThrow(code("INVALID_ARGUMENT"));
      await expect(job().delete("k", { ifVersion })).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
    await expect(put({ ifAbsent: true, ifVersion: "1.1" })).rejects.toThrow(code("INVALID_ARGUMENT"));
    for (const ttlMs of [0, -1, 1.5, Number.NaN, 400 * 86_400_000]) {
      await expect(put({ ttlMs })).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
    expect(await job().has("k")).toBe(false);
  });
});

describe("keys", () => {
  const odd = [
    "",
    "/",
    "ü€𝄞",
    "a b",
    "line\nbreak",
    "{tag}",
    "{}",
    "\0",
    "x".repeat(1000),
    "%s",
    "__proto__",
  ];

  test("are any bytes, and list gives them back", async () => {
    const own = await fleet.begin();
    const keys = [
      ...odd.map((key) => Buffer.from(`odd/${key}`)),
      Buffer.from([0xff, 0xfe, 0]),
      Buffer.from([0]),
    ];
    for (const [at, key] of keys.entries()) await own.put(key, Buffer.alloc(at));
    for (const [at, key] of keys.entries()) expect(await own.get(key)).toHaveLength(at);
    const all = await gather(own.list());
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
    expect(all.map(({ keyBytes }) => hex(keyBytes)).sort()).toEqual(keys.map(hex).sort());
    for (const { keyBytes, sizeBytes, kind, version, key } of all) {
      expect(sizeBytes).toBe(keys.findIndex((each) => each.equals(keyBytes)));
      expect(kind).toBe("bytes");
      expect(version).toBe((await own.stat(keyBytes)).version);
      expect(key).toBe(Buffer.from(keyBytes).toString());
    }
    const some = await gather(own.list("odd/"));
    expect(some.map(({ key }) => key).sort()).toEqual(odd.map((key) => `odd/${key}`).sort());
    expect(await gather(own.list(Buffer.from([0xff])))).toHaveLength(1);
    expect(await gather(own.list("nothing"))).toEqual([]);
    await own.end();
  });

  test("by the thousand in one group are listed page by page", async () => {
    const own = await fleet.begin();
    const keys = Array.from({ length: 2500 }, (_, i) => `{one}${i}`);
    await Promise.all(keys.map((key) => own.put(key, "v")));
    const listed = await gather(own.list("{one}"));
    expect(listed.map(({ key }) => key).sort()).toEqual(keys.sort());
    await own.end();
  });

  test("that are none are refused", async () => {
    for (const key of ["", "k".repeat(1025), "é".repeat(513), new Uint8Array(0), 7, undefined, null]) {
      await expect(job().put(key as string, "v")).rejects.toThrow(code("INVALID_ARGUMENT"));
      await expect(job().get(key as string)).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
  });

  test("stat tells version, size, ref and time left without the bytes", async () => {
    const bytes = anyBytes(200_000);
    const ref = await job().put("stat", bytes, { ttlMs: 60_000 });
    const stat = await job().stat("stat");
    expect(stat).toMatchObject({ version: ref.version, sizeBytes: 200_000 });
    expect(String(stat.ref)).toBe(String(ref));
    expect(stat.ttlLeftMs).toBeGreaterThan(50_000);
    const small = await job().put("stat", "x");
    const smallStat = await job().stat("stat");
    expect(smallStat).toMatchObject({ version: small.version, sizeBytes: 1, ttlLeftMs: undefined });
    expect(String(smallStat.ref)).toBe(String(small));
    await job().delete("stat");
    await expect(job().stat("stat")).rejects.toThrow(code("NOT_FOUND"));
  });
});

describe("waiting", () => {
  test("ends when the key appears", async () => {
    for (const size of [10, 100_000]) {
      const bytes = anyBytes(size);
      const waiting = job().get(`late-${size}`, { waitMs: 20_000 });
      const stat = job().stat(`late-${size}`, { waitMs: 20_000 });
      const streamed = collect(job().stream(`late-${size}`, { waitMs: 20_000 }));
      await job().put(`late-${size}`, bytes);
      expect(bytes.equals(await waiting)).toBe(true);
      expect((await stat).sizeBytes).toBe(size);
      expect(bytes.equals(await streamed)).toBe(true);
    }
  });

  test("ends with NOT_FOUND when its time is over, and says how long it waited", async () => {
    await expect(job().get("never", { waitMs: 50 })).rejects.toMatchObject({
      code: "NOT_FOUND",
      message: expect.stringContaining("50 ms"),
    });
    await expect(job().get("never")).rejects.toThrow(code("NOT_FOUND"));
  });

  test.each([-1, Number.NaN, Number.POSITIVE_INFINITY, 900_000])("for %d ms is refused", async (waitMs) => {
    await expect(job().get("k", { waitMs })).rejects.toThrow(/waitMs is/);
  });
});

describe("time and signals", () => {
  test("a call that is aborted rejects with ABORTED, whatever it was doing", async () => {
    const abort = new AbortController();
    const { signal } = abort;
    const calls = [
      job().get("never", { waitMs: 20_000, signal }),
      job().stat("never", { waitMs: 20_000, signal }),
      job().put(
        "never",
        (async function* (): AsyncGenerator<Buffer> {
          yield anyBytes(10);
          await new Promise(() => undefined);
        })(),
        { signal },
      ),
    ];
    abort.abort(new Error("no longer needed"));
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: "ABORTED", cause: { message: "no longer needed" } });
    }
    await expect(job().put("never", "x", { signal })).rejects.toThrow(code("ABORTED"));
    expect(await job().has("never")).toBe(false);
  });

  test("timeouts are limited, and hold", async () => {
    for (const timeoutMs of [0, -5, 900_001]) {
      await expect(job().get("k", { timeoutMs })).rejects.toThrow(code("INVALID_ARGUMENT"));
    }
    await expect(job().get("never", { waitMs: 60_000, timeoutMs: 80 })).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(NOT_FOUND|DEADLINE_EXCEEDED)$/) }),
    );
  });

  test("a value that expires is EXPIRED for readers, and absent for has and put-if-absent", async () => {
    for (const size of [10, 100_000]) {
      const key = `ttl-${size}`;
      const ref = await job().put(key, anyBytes(size), { ttlMs: 60 });
      await until("it has expired", async () => !(await job().has(key)));
      await expect(job().get(key)).rejects.toThrow(code("EXPIRED"));
      await expect(job().stat(key)).rejects.toThrow(code("EXPIRED"));
      if (size > inlineBytesMax) {
        await until("its shards are freed", () =>
          job()
            .get(ref)
            .then(
              () => false,
              (error: { code: string }) => error.code === "EXPIRED",
            ),
        );
      }
      await job().put(key, "again", { ifAbsent: true });
      expect(String(await job().get(key))).toBe("again");
    }
  });
});

describe("many at once", () => {
  test("puts, gets and deletes of all sizes do not disturb one another", async () => {
    const own = await fleet.begin({ code: { d: 4, p: 2 } });
    const sizes = [0, 100, 16_384, 20_000, 300_000, 1_000_000];
    await Promise.all(
      Array.from({ length: 60 }, async (_, i) => {
        const bytes = anyBytes(sizes[i % sizes.length]!);
        const ref = await own.put(`many/${i}`, bytes);
        expect(bytes.equals(await own.get(i % 2 === 0 ? ref : `many/${i}`))).toBe(true);
        if (i % 3 === 0) expect(await own.delete(`many/${i}`)).toBe(true);
      }),
    );
    const left = await gather(own.list("many/"));
    expect(left).toHaveLength(40);
    await own.end();
  });

  test("a closed client ends what is under way with CLOSED", async () => {
    const own = await fleet.begin();
    const ref = await own.put("k", anyBytes(400_000));
    const waiting = own.get("never", { waitMs: 20_000 });
    await own.get(ref);
    const reading = own.get(ref);
    own.close();
    await expect(waiting).rejects.toThrow(code("CLOSED"));
    await expect(reading).rejects.toThrow(code("CLOSED"));
    await expect(own.get("k")).rejects.toThrow(code("CLOSED"));
    await expect(own.put("k", anyBytes(100_000))).rejects.toThrow(code("CLOSED"));
    await expect(gather(own.list())).rejects.toThrow(code("CLOSED"));
  });
});
