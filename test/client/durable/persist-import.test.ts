/** Keys made durable afterwards, and objects of the store that become keys, over a whole fleet. */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "../../../client/job.ts";
import { jobNumber } from "../../../src/ids.ts";
import { spillName } from "../../../src/wire/stored-names.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { framed, freeShards, moveRef } from "../../support/store-objects.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { RecordingStore } from "./recording-store.ts";

const store = new RecordingStore();
let fleet: InProcessFleet;

beforeAll(async () => {
  fleet = await startInProcessFleet({
    ...{ nodes: 4, nodeMemoryBytes: 64 * 2 ** 20 },
    ...{ durableUrl: "file:///memory", objectStore: store },
  });
});
afterAll(() => fleet.stop());
beforeEach(() => {
  store.beforePut = () => undefined;
  store.objects.clear();
  store.puts.length = 0;
  store.reads.length = 0;
});

const code = (expected: string) => expect.objectContaining({ code: expected });

async function begin(): Promise<Job> {
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  onTestFinished(() => fleet.client.endJob(job.number).catch(() => undefined));
  return job;
}

describe("persist", () => {
  test("makes small values and objects durable, and leaves their versions", async () => {
    const job = await begin();
    const large = anyBytes(700_000);
    const refs = [await job.put("out/small", "abc"), await job.put("out/large", large, { ttlMs: 3_600_000 })];
    await job.put("in/other", "not this");
    const seen: number[] = [];
    const result = await job.persist("out/", { onProgress: ({ objects }) => seen.push(objects) });
    expect(result).toMatchObject({ objects: 2, bytes: 700_003, already: 0, skipped: 0 });
    expect(result.from).toMatch(new RegExp(`^[0-9a-f]{16}/durable/job-${job.number}/$`));
    expect(seen).toEqual([1, 2]);
    expect(String(store.current(job, "out/small"))).toBe("abc");
    expect(store.current(job, "out/large")?.equals(large)).toBe(true);
    expect(store.puts).toHaveLength(2);
    for (const [at, key] of ["out/small", "out/large"].entries()) {
      expect((await job.stat(key)).version).toBe(refs[at]!.version);
    }
    expect((await job.stat("out/large")).ttlLeftMs).toBeGreaterThan(0);
    expect(String(await job.get("out/small"))).toBe("abc");
    expect(String(await job.get(refs[0]!))).toBe("abc");
    expect(large.equals(await job.get("out/large"))).toBe(true);
    expect(store.reads).toEqual([]);
    expect(await job.persist("out/")).toMatchObject({ objects: 0, bytes: 0, already: 2 });
    expect(store.puts).toHaveLength(2);
    await job.delete("out/small");
    await job.put("out/large", "smaller");
    await until("what was replaced is gone", () => store.durableNames().length === 0);
  });

  test("leaves out counters, collections, and what functions exchange", async () => {
    const job = await begin();
    await job.counter("n").add(1);
    await job.channel("c").send("m");
    await job.put("k", "v");
    const result = await job.persist();
    expect(result).toMatchObject({ objects: 1, bytes: 1 });
    expect(store.puts).toHaveLength(1);
  });

  test("takes what the key holds at last when it changes meanwhile", async () => {
    const job = await begin();
    await job.put("k", "first");
    let puts = 0;
    store.beforePut = async () => {
      puts += 1;
      if (puts === 1) await job.put("k", "second");
    };
    expect(await job.persist("k")).toMatchObject({ objects: 1, bytes: 6 });
    expect(String(await job.get("k"))).toBe("second");
    await until("the first one is gone", () => store.namesOf(job, "k").length === 1);
    expect(String(store.current(job, "k"))).toBe("second");
  });

  test("makes durable what was spilled", async () => {
    const job = await begin();
    const bytes = anyBytes(1_300_000);
    const ref = await job.put("cold", bytes);
    const name = spillName(fleet.core(fleet.row("cold")[0]!.id).fleetId()!, jobNumber(job.number), "1");
    store.objects.set(name, framed(job, ref, bytes));
    const stored = { name, offset: 0, layout: "framed" } as const;
    await moveRef(fleet, job, ref, { stripes: undefined, stored });
    freeShards(fleet, job, ref);
    expect(await job.persist("cold")).toMatchObject({ objects: 1, bytes: bytes.length, already: 0 });
    expect(store.current(job, "cold")?.equals(bytes)).toBe(true);
    store.objects.delete(name);
    expect(bytes.equals(await job.get("cold"))).toBe(true);
  });

  test("comes before the end of a job that asks for it", async () => {
    const job = await begin();
    await job.put("a/1", "one");
    await job.put("b/1", "two");
    await job.end({ persist: "a/" });
    expect(String(store.current(job, "a/1"))).toBe("one");
    expect(store.namesOf(job, "b/1")).toEqual([]);
    const all = await begin();
    await all.put("a/1", "one");
    await all.put("b/1", "two");
    await all.end({ persist: true });
    expect(String(store.current(all, "b/1"))).toBe("two");
  });

  test("that fails ends no job", async () => {
    const job = await begin();
    await job.put("k", "v");
    store.beforePut = () => new Promise(() => undefined);
    await expect(job.end({ persist: true, timeoutMs: 1000 })).rejects.toEqual(code("STORE_UNAVAILABLE"));
    store.beforePut = () => undefined;
    expect(String(await job.get("k"))).toBe("v");
  });
});

describe("import", () => {
  test("reads ranges of what lies in the store, without a copy", async () => {
    const job = await begin();
    const bytes = anyBytes(3_000_000);
    store.objects.set("inputs/2026/a.bin", bytes);
    store.objects.set("inputs/2026/b.bin", Buffer.from("b"));
    store.objects.set("inputs-of-others", Buffer.from("x"));
    expect(await job.import("inputs/2026/", { prefix: "in/" })).toEqual({ objects: 2, bytes: 3_000_001 });
    expect(store.reads).toEqual([]);
    const part = await job.get("in/a.bin", { range: { start: 1_000_000, end: 1_000_100 } });
    expect(bytes.subarray(1_000_000, 1_000_100).equals(part)).toBe(true);
    expect(store.reads.reduce((sum, { start, end }) => sum + end - start, 0)).toBeLessThan(1_000_000);
    expect(bytes.equals(await job.get("in/a.bin"))).toBe(true);
    expect((await job.stat("in/b.bin")).sizeBytes).toBe(1);
    await job.delete("in/a.bin");
    await job.put("in/b.bin", "mine", { durable: true });
    await job.delete("in/b.bin");
    await until("what was durable is gone", () => store.namesOf(job, "in/b.bin").length === 0);
    expect([...store.objects.keys()].sort()).toEqual([
      "inputs-of-others",
      "inputs/2026/a.bin",
      "inputs/2026/b.bin",
    ]);
  });

  test("takes URLs below the store, and no others", async () => {
    const job = await begin();
    store.objects.set("inputs/a", Buffer.from("a"));
    await job.import("file:///memory/inputs/a");
    expect(String(await job.get("a"))).toBe("a");
    await expect(job.import("file:///memory-of-others/a")).rejects.toEqual(code("FORBIDDEN"));
    await expect(job.import("s3://bucket/a")).rejects.toThrow(/does not lie below file:\/\/\/memory\//);
    await expect(job.import("nothing/")).rejects.toEqual(code("NOT_FOUND"));
  });

  test("gives the durable objects of another job their keys, in their newest version", async () => {
    const job = await begin();
    const large = anyBytes(400_000);
    for (const key of ["frames/7", "frames/70", "frames//8", "a@b"])
      await job.put(key, "old", { durable: true });
    // Removed late, or never: the last name counts.
    const old = new Map(store.objects);
    await job.put("frames/7", large, { durable: true });
    await until("the old one is gone", () => store.namesOf(job, "frames/7").length === 1);
    for (const [name, bytes] of old) store.objects.set(name, bytes);
    const { from } = await job.persist("frames/");
    await job.end();
    const next = await begin();
    expect(await next.import(from!)).toEqual({ objects: 4, bytes: 400_009 });
    expect(large.equals(await next.get("frames/7"))).toBe(true);
    for (const key of ["frames/70", "frames//8", "a@b"]) expect(String(await next.get(key))).toBe("old");
    const some = await begin();
    await some.import(`${from}frames/7`, { prefix: "x/" });
    expect(large.equals(await some.get("x/7"))).toBe(true);
    expect(String(await some.get("x/70"))).toBe("old");
    await expect(some.get("frames/7")).rejects.toEqual(code("NOT_FOUND"));
  });

  test("does not show what was spilled, nor what is the job's own already", async () => {
    const job = await begin();
    const { stored } = await job.put("big", anyBytes(20_000), { durable: true });
    const [id] = stored!.name.split("/");
    store.objects.set(`${id}/spill/job-1/x`, Buffer.from("secret"));
    await expect(job.import(`${id}/`)).rejects.toEqual(code("NOT_FOUND"));
    const other = await begin();
    expect(await other.import(`${id}/`)).toMatchObject({ objects: 1, bytes: 20_000 });
  });

  test("of more than fits a page is whole", async () => {
    const job = await begin();
    for (let at = 0; at < 1205; at++) store.objects.set(`in/${at}`, Buffer.from([at % 256]));
    expect(await job.import("in/")).toMatchObject({ objects: 1205 });
    expect([...(await job.get("1203"))]).toEqual([1203 % 256]);
  });
});
