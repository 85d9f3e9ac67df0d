/** Puts that are acknowledged after the store has them, over a whole fleet. */
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "../../../client/job.ts";
import { MayflyError } from "../../../src/errors.ts";
import { parseDurableName } from "../../../src/wire/durable-name.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { gate, RecordingStore } from "./recording-store.ts";

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
  store.puts.length = 0;
  store.deleted.length = 0;
});

const code = (expected: string) => expect.objectContaining({ code: expected });

async function begin(): Promise<Job> {
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  onTestFinished(() => job.end());
  return job;
}

describe("a durable put", () => {
  test.each([0, 1, 16_384, 16_385, 1_000_000, 3_500_000])(
    "of %i bytes lies in the store as it is, and is read from memory",
    async (size) => {
      const job = await begin();
      const bytes = anyBytes(size);
      const ref = await job.put("frames/7", bytes, { durable: true });
      expect(store.puts).toHaveLength(1);
      const [name] = store.puts as [string];
      expect(store.objects.get(name)?.equals(bytes)).toBe(true);
      expect(parseDurableName(name)).toMatchObject({ job: job.number, key: Buffer.from("frames/7") });
      expect(name).toContain(`/durable/job-${job.number}/frames/7@`);
      const reads = store.reads.length;
      expect(bytes.equals(await job.get("frames/7"))).toBe(true);
      expect(bytes.equals(await job.get(ref))).toBe(true);
      expect((await job.stat("frames/7")).sizeBytes).toBe(size);
      expect(store.reads).toHaveLength(reads);
    },
  );

  test("of a stream is one, too", async () => {
    const job = await begin();
    const bytes = anyBytes(2_500_000);
    await job.put("s", [bytes.subarray(0, 17), bytes.subarray(17)], { durable: true });
    expect(store.current(job, "s")?.equals(bytes)).toBe(true);
    await job.put("t", [Buffer.from("ab"), Buffer.from("c")], { durable: true });
    expect(String(store.current(job, "t"))).toBe("abc");
    expect(String(await job.get("t"))).toBe("abc");
  });

  test("above 16 MiB is uploaded in parts, without being in memory whole", async () => {
    const job = await begin();
    const bytes = anyBytes(17 * 2 ** 20 + 5);
    await job.put("large", bytes, { durable: true });
    expect(store.current(job, "large")?.equals(bytes)).toBe(true);
  });

  test("is not acknowledged, and not seen, before the store has it", async () => {
    const job = await begin();
    const held = gate();
    store.beforePut = () => held.wait();
    let isDone = false;
    const putting = job.put("k", "new", { durable: true }).then(() => {
      isDone = true;
    });
    await held.reached;
    await expect(job.get("k")).rejects.toEqual(code("NOT_FOUND"));
    expect(isDone).toBe(false);
    held.open();
    await putting;
    expect(String(await job.get("k"))).toBe("new");
  });

  test.each(["small", anyBytes(200_000)])(
    "leaves nothing of what it overwrites in the store",
    async (data) => {
      const job = await begin();
      await job.put("k", data, { durable: true });
      await job.put("k", "second", { durable: true });
      await until("the first is gone", () => store.namesOf(job, "k").length === 1);
      expect(String(store.current(job, "k"))).toBe("second");
      await job.put("k", data);
      await until("the second is gone", () => store.namesOf(job, "k").length === 0);
      await job.put("k", data, { durable: true });
      await job.delete("k");
      await until("what was deleted is gone", () => store.namesOf(job, "k").length === 0);
      expect(store.puts).toHaveLength(3);
    },
  );

  test("outlives its job", async () => {
    const job = await fleet.begin();
    await job.put("result", "kept", { durable: true });
    const other = await begin();
    await job.end();
    await other.put("x", "y", { durable: true });
    await other.delete("x");
    await until("another job's object is gone", () => store.namesOf(other, "x").length === 0);
    expect(String(store.current(job, "result"))).toBe("kept");
  });

  test("knows conditions, and does not upload what they refuse", async () => {
    const job = await begin();
    const { version } = await job.put("k", "1", { durable: true, ifAbsent: true });
    await expect(job.put("k", "2", { durable: true, ifAbsent: true })).rejects.toEqual(code("KEY_EXISTS"));
    expect(store.puts).toHaveLength(1);
    await job.put("k", "3", { durable: true, ifVersion: version! });
    await expect(job.put("k", "4", { durable: true, ifVersion: version! })).rejects.toEqual(
      code("VERSION_MISMATCH"),
    );
    expect(store.puts).toHaveLength(2);
    expect(String(await job.get("k"))).toBe("3");
  });

  test("whose condition fails while it is uploaded leaves nothing", async () => {
    const job = await begin();
    const held = gate();
    store.beforePut = () => held.wait();
    const putting = job.put("k", "durable", { durable: true, ifAbsent: true });
    await held.reached;
    await job.put("k", "sooner");
    held.open();
    await expect(putting).rejects.toEqual(code("KEY_EXISTS"));
    await until("it is gone", () => store.namesOf(job, "k").length === 0);
    expect(String(await job.get("k"))).toBe("sooner");
  });

  test("is listed as bytes of its size", async () => {
    const job = await begin();
    await job.put("n", "41", { durable: true });
    const entries = [];
    for await (const entry of job.list("n")) entries.push(entry);
    expect(entries).toMatchObject([{ key: "n", sizeBytes: 2, kind: "bytes" }]);
  });
});

describe("two durable puts of one key", () => {
  test("that would reach the store in the other order leave the newer one as the last name", async () => {
    const job = await begin();
    const first = gate();
    let puts = 0;
    store.beforePut = async () => {
      puts += 1;
      if (puts === 1) await first.wait();
    };
    const older = job.put("k", "older", { durable: true });
    await first.reached;
    const newer = job.put("k", "newer", { durable: true });
    await job.put("other", "meanwhile");
    first.open();
    await Promise.all([older, newer]);
    expect(String(await job.get("k"))).toBe("newer");
    expect(String(store.current(job, "k"))).toBe("newer");
  });

  test("keep their order also when the older one arrives after it was given up", async () => {
    const job = await begin();
    const late = gate();
    let puts = 0;
    store.beforePut = async () => {
      puts += 1;
      if (puts > 1) return;
      // The request is given up, and the store takes it all the same.
      void late.wait().then(() => store.objects.set(names[0]!, Buffer.from("older")));
      throw new MayflyError("STORE_UNAVAILABLE", "no answer");
    };
    const names: string[] = [];
    const put = store.beforePut;
    store.beforePut = (name) => {
      names.push(name);
      return put(name);
    };
    await expect(job.put("k", "older", { durable: true })).rejects.toEqual(code("STORE_UNAVAILABLE"));
    await expect(job.get("k")).rejects.toEqual(code("NOT_FOUND"));
    await job.put("k", "newer", { durable: true });
    late.open();
    await until("the older one has arrived", () => store.objects.has(names[0]!));
    expect(String(store.current(job, "k"))).toBe("newer");
    expect(String(await job.get("k"))).toBe("newer");
  });
});

describe("without the store", () => {
  test("a put fails by its deadline, and the key stays what it was", async () => {
    const job = await begin();
    await job.put("k", "before", { durable: true });
    const never = gate();
    onTestFinished(() => never.open());
    store.beforePut = () => never.wait();
    for (const data of ["after", anyBytes(100_000)]) {
      await expect(job.put("k", data, { durable: true, timeoutMs: 1500 })).rejects.toMatchObject({
        code: "STORE_UNAVAILABLE",
      });
    }
    expect(String(await job.get("k"))).toBe("before");
    expect(String(store.current(job, "k"))).toBe("before");
  });

  test("that the fleet was not given, a durable put says so", async () => {
    const bare = await startInProcessFleet({ nodes: 1 });
    onTestFinished(() => bare.stop());
    const job = await bare.begin();
    for (const data of ["small", anyBytes(50_000)]) {
      await expect(job.put("k", data, { durable: true })).rejects.toThrow(/--store/);
    }
    await expect(job.get("k")).rejects.toEqual(code("NOT_FOUND"));
    await job.put("k", "small");
    await expect(job.persist("")).rejects.toEqual(code("INVALID_ARGUMENT"));
    await expect(job.import("in/")).rejects.toEqual(code("INVALID_ARGUMENT"));
  });
});

test("what memory has lost is read from the store", async () => {
  const job = await fleet.begin({ code: { d: 2, p: 0 } });
  onTestFinished(() => job.end());
  const bytes = anyBytes(1_500_000);
  const ref = await job.put("k", bytes, { durable: true });
  for (const [index, node] of ref.stripes![0]!.entries()) {
    fleet.core(node).shards.free(job.number as never, { object: ref.object, stripe: 0, index });
  }
  expect(bytes.equals(await job.get("k"))).toBe(true);
  expect(bytes.equals(await job.get(ref))).toBe(true);
});
