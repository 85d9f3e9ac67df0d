/** Spill in a whole fleet: real nodes and clients, and an object store in memory that a test can break. */
import { afterEach, describe, expect, test } from "vitest";
import type { Job } from "../../../client/job.ts";
import { MayflyError } from "../../../src/errors.ts";
import { BreakableObjectStore } from "../../support/breakable-object-store.ts";
import {
  type InProcessFleet,
  type InProcessFleetOptions,
  startInProcessFleet,
} from "../../support/in-process-fleet.ts";
import { until } from "../../support/until.ts";

const mebibyte = 2 ** 20;
const objectBytes = 512 * 1024;

let fleet: InProcessFleet | undefined;
afterEach(async () => {
  await fleet?.stop();
  fleet = undefined;
});

async function startFleet(
  options: Partial<InProcessFleetOptions> = {},
): Promise<{ fleet: InProcessFleet; store: BreakableObjectStore; job: Job }> {
  const store = new BreakableObjectStore();
  fleet = await startInProcessFleet({
    ...{ nodes: 3, nodeMemoryBytes: 32 * mebibyte, durableUrl: "file:///memory", objectStore: store },
    ...options,
  });
  return { fleet, store, job: await fleet.begin({ code: { d: 2, p: 1 } }) };
}

/** Bytes that tell which object they are of. */
function bytesOf(index: number): Buffer {
  const bytes = Buffer.alloc(objectBytes, index & 0xff);
  for (let at = 0; at < objectBytes; at += 4096) bytes.writeUInt32LE(index * 7919 + at, at);
  return bytes;
}

async function putAll(job: Job, from: number, to: number, inFlight = 4): Promise<void> {
  let next = from;
  const worker = async (): Promise<void> => {
    while (next < to) {
      const index = next++;
      await job.put(`k${index}`, bytesOf(index));
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

async function expectAll(job: Job, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    const found = await job.get(`k${index}`);
    expect(Buffer.compare(found, bytesOf(index)), `object ${index}`).toBe(0);
  }
}

describe("a data set of four times the memory", () => {
  test("is written with no error, and all of it is read back right, with few requests", async () => {
    const { fleet, store, job } = await startFleet();
    // 96 MiB of memory; each object takes one and a half times its bytes.
    const count = 512;
    await putAll(job, 0, count);
    const { puts } = store.counts;
    expect(store.counts.bytesWritten).toBeGreaterThan(128 * mebibyte);
    await expectAll(job, count);
    // 256 MiB of objects.
    expect(puts).toBeLessThanOrEqual(0.2 * 256);
    const status = await fleet.client.status();
    expect(status.spill!.objects).toBeGreaterThan(200);
    expect(status.spill!.requests.puts).toBeGreaterThanOrEqual(puts);
  }, 120_000);
});

describe("while objects are on their way to the store", () => {
  test("they are overwritten and deleted, and what is read is what was written last", async () => {
    const { store, job } = await startFleet();
    // Each write to the store waits until some objects have changed. What they hold then needs no memory that it must make.
    const newBytes = (index: number): Buffer => Buffer.from(`new ${index}`);
    let changes = 0;
    store.onCall = async (call) => {
      if (call !== "put") return;
      for (let i = 0; i < 8; i++) {
        const index = changes++;
        if (index % 2 === 0) await job.put(`k${index}`, newBytes(index));
        else await job.delete(`k${index}`);
      }
    };
    await putAll(job, 0, 180);
    store.onCall = () => undefined;
    expect(changes).toBeGreaterThan(8);
    for (let index = 0; index < 180; index++) {
      // Written again later than it was changed, it may have either.
      const found = await job.get(`k${index}`).catch((thrown: unknown) => MayflyError.from(thrown).code);
      // Comparing large buffers is slow with anything else.
      if (index >= changes) expect(typeof found !== "string" && bytesOf(index).equals(found)).toBe(true);
      else if (typeof found === "string") expect(found).toBe("NOT_FOUND");
      else expect([bytesOf(index), newBytes(index)].some((bytes) => bytes.equals(found))).toBe(true);
    }
  }, 60_000);

  test("refs that were handed out before stay good", async () => {
    const { store, job } = await startFleet();
    const refs = [];
    for (let index = 0; index < 40; index++) refs.push(await job.put(`k${index}`, bytesOf(index)));
    await putAll(job, 40, 200);
    await until("they are spilled", () => store.counts.puts > 3);
    for (const [index, ref] of refs.entries()) {
      expect(bytesOf(index).equals(await job.get(ref)), `object ${index}`).toBe(true);
    }
  }, 60_000);

  test("a node goes: nothing is lost", async () => {
    const { fleet, store, job } = await startFleet({ nodes: 4, nodeMemoryBytes: 24 * mebibyte });
    let stopped: Promise<void> | undefined;
    store.onCall = (call) => {
      if (call === "put") stopped ??= fleet.nodes[3]!.stop();
    };
    await putAll(job, 0, 150);
    expect(stopped).toBeDefined();
    await stopped;
    await expectAll(job, 150);
  }, 60_000);
});

describe("a store that is away", () => {
  test("holds writers back with a reason; nothing is lost, and all goes on when it is back", async () => {
    const { fleet, store, job } = await startFleet();
    store.onCall = (call) => {
      if (call === "put") throw new MayflyError("STORE_UNAVAILABLE", "the test has taken the store away");
    };
    let written = 0;
    let refused: MayflyError | undefined;
    while (refused === undefined) {
      await job.put(`k${written}`, bytesOf(written), { timeoutMs: 3000 }).then(
        () => {
          written += 1;
        },
        (thrown: unknown) => {
          refused = MayflyError.from(thrown);
        },
      );
    }
    expect(refused).toMatchObject({ code: "BUSY" });
    expect(refused.message).toContain("the test has taken the store away");
    await until("the status says so", async () => {
      const { spill } = await fleet.client.status();
      return spill?.failing.includes("the test has taken the store away") === true;
    });
    await expectAll(job, written);
    store.onCall = () => undefined;
    await putAll(job, written, written + 60);
    await expectAll(job, written + 60);
  }, 120_000);
});

test("when its job ends, nothing of it is left in the store, and what others spilled stays", async () => {
  const { fleet, store, job } = await startFleet();
  await putAll(job, 0, 160);
  await until("something is spilled", () => store.counts.puts > 2);
  const spilled = (number: number): string[] =>
    [...store.objects.keys()].filter((name) => name.includes(`/spill/job-${number}/`));
  expect(spilled(1).length).toBeGreaterThan(0);
  store.objects.set(
    [...store.objects.keys()].find((name) => name.includes("/spill/"))!.replace("/spill/", "/durable/"),
    { bytes: Buffer.from("kept"), modifiedAtMs: 0 },
  );
  await fleet.client.endJob(1);
  await until("it is swept", () => spilled(1).length === 0);
  expect([...store.objects.keys()].filter((name) => name.includes("/durable/"))).toHaveLength(1);
  expect([...store.objects.keys()].filter((name) => name.startsWith("manifests/"))).toHaveLength(1);
}, 60_000);
