/** Reads of objects that lie in the object store, on a fleet whose refs the test changes. */
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "../../../client/job.ts";
import { MayflyError } from "../../../src/errors.ts";
import { jobNumber } from "../../../src/ids.ts";
import { decodeRef, encodeRef, Ref, type StoredPlace, storedLayouts } from "../../../src/wire/ref.ts";
import { framedAt, sumBytes } from "../../../src/wire/stored-layout.ts";
import { durablePrefix, spillName } from "../../../src/wire/stored-names.ts";
import { frameBytes, shardBytesMax } from "../../../src/wire/stripe-layout.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { MemoryObjectStore } from "../../support/memory-object-store.ts";
import { framed, freeShards, moveRef } from "../../support/store-objects.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";

const store = new MemoryObjectStore();
let fleet: InProcessFleet;

const start = (nodes: number, objectStore = store): Promise<InProcessFleet> =>
  startInProcessFleet({ nodes, objectStore, durableUrl: "file:///memory", nodeMemoryBytes: 64 * 2 ** 20 });

beforeAll(async () => {
  fleet = await start(4);
});
afterAll(() => fleet.stop());
afterEach(() => {
  store.objects.clear();
  store.reads.length = 0;
  store.beforeGet = () => undefined;
  store.damage = () => undefined;
});

const code = (expected: string) => expect.objectContaining({ code: expected });

interface Stored {
  readonly bytes: Buffer;
  /** As put returned it: it names nodes that have nothing. */
  readonly old: Ref;
  readonly ref: Ref;
}

let packs = 0;

const nameOf = (on: InProcessFleet, job: Job, layout: StoredPlace["layout"]): string => {
  const fleetId = on.core(on.nodes[0]!.nodeId).fleetId()!;
  const name = `pack-${packs++}`;
  return layout === "plain"
    ? durablePrefix(fleetId, jobNumber(job.number)) + name
    : spillName(fleetId, jobNumber(job.number), name);
};

/** Puts objects and moves them all to one stored object, one behind the other. */
async function spill(
  job: Job,
  sizes: readonly number[],
  layout: StoredPlace["layout"] = "framed",
  { on = fleet, to = store, keeps = false } = {},
): Promise<Stored[]> {
  const name = nameOf(on, job, layout);
  const body: Buffer[] = [Buffer.from("what is before")];
  const written = await Promise.all(
    sizes.map(async (size, at) => {
      const bytes = anyBytes(size);
      return { bytes, old: await job.put(`${name}/${at}`, bytes) };
    }),
  );
  let offset = body[0]!.length;
  const moved: Stored[] = [];
  for (const { bytes, old } of written) {
    const laid = layout === "plain" ? bytes : framed(job, old, bytes);
    const stored: StoredPlace = { name, offset, layout };
    moved.push({ bytes, old, ref: new Ref({ ...old, stripes: undefined, stored }) });
    body.push(laid);
    offset += laid.length;
  }
  await to.put(name, body);
  for (const { old, ref } of moved) {
    const stripes = keeps ? old.stripes : undefined;
    await moveRef(on, job, old, { stripes, stored: ref.stored });
    freeShards(on, job, old);
  }
  return moved;
}

async function begin(codeText = "2+1", on = fleet): Promise<Job> {
  const [d, p] = codeText.split("+").map(Number) as [number, number];
  const job = await on.begin({ code: { d, p } });
  return job;
}

describe.each(storedLayouts)("an object that lies in the store, %s,", (layout) => {
  test.each([
    ["1+0", 20_000],
    ["2+1", 70_001],
    ["2+1", 2 * 2 * shardBytesMax + 40_000],
    ["3+1", 9_000_000],
  ])("of code %s and %i bytes is read whole, by key and ref, and at every edge", async (text, size) => {
    const job = await begin(text);
    const [object] = await spill(job, [size], layout);
    const { bytes, old, ref } = object!;
    const key = Buffer.from(old.key).toString();
    for (const from of [key, old, ref, Ref.parse(String(ref))]) {
      expect(bytes.equals(await job.get(from))).toBe(true);
    }
    const shard =
      old.sizeBytes > 2 * shardBytesMax ? shardBytesMax : Math.ceil(size / old.code.d / 128) * 128;
    const edges = [0, frameBytes, shard, 2 * shard, shard + frameBytes, size].flatMap((at) => [
      at - 1,
      at,
      at + 1,
    ]);
    const cuts = [...new Set(edges.filter((at) => at >= 0 && at <= size))].sort((a, b) => a - b);
    const ranges = cuts.flatMap((from) =>
      cuts.filter((to) => to > from).map((to) => ({ start: from, end: to })),
    );
    for (const range of ranges) {
      const into = Buffer.alloc(range.end - range.start + 1, 7);
      const found = await job.get(ref, { range, into });
      expect(bytes.subarray(range.start, range.end).equals(found)).toBe(true);
      expect(into.at(-1)).toBe(7);
    }
    const streamed: Uint8Array[] = [];
    for await (const piece of job.stream(key, { chunkBytes: 300_000 })) streamed.push(piece);
    expect(Buffer.concat(streamed).equals(bytes)).toBe(true);
  });

  test("is read with many ranges of many others, with few requests", async () => {
    const job = await begin();
    const objects = await spill(
      job,
      Array.from({ length: 60 }, (_, at) => 17_000 + at * 500),
      layout,
    );
    // Of some the refs are old.
    const reads = objects.flatMap(({ bytes, old, ref }, at) =>
      [0, 9000, 16_500].map((offset) => ({
        ...{ ref: at % 3 === 0 ? old : ref, offset, length: 400, into: Buffer.alloc(400) },
        right: bytes.subarray(offset, offset + 400),
      })),
    );
    await job.readRanges(reads);
    for (const { into, right } of reads) expect(into.equals(right)).toBe(true);
    expect(store.reads.length).toBeLessThan(6);
  });

  test("that is cut off there is DAMAGED, and one that is not there is LOST", async () => {
    const job = await begin();
    const [cut, gone] = [(await spill(job, [50_000], layout))[0]!, (await spill(job, [50_000], layout))[0]!];
    const body = store.objects.get(cut.ref.stored!.name)!;
    store.objects.set(cut.ref.stored!.name, body.subarray(0, body.length - 1));
    store.objects.delete(gone.ref.stored!.name);
    await expect(job.get(cut.ref)).rejects.toEqual(code("DAMAGED"));
    expect((await job.get(cut.ref, { range: { start: 0, end: 16_000 } })).length).toBe(16_000);
    for (const from of [gone.ref, gone.old, Buffer.from(gone.old.key)]) {
      await expect(job.get(from)).rejects.toEqual(code("LOST"));
    }
    const read = { ref: gone.ref, offset: 0, length: 10, into: Buffer.alloc(10) };
    await expect(job.readRanges([read])).rejects.toEqual(code("LOST"));
  });
});

test("shards are read first, and the store when too few of them are left", async () => {
  const job = await begin();
  const bytes = anyBytes(300_000);
  const ref = await job.put("both", bytes);
  const stored: StoredPlace = { name: nameOf(fleet, job, "plain"), offset: 0, layout: "plain" };
  await store.put(stored.name, bytes);
  await moveRef(fleet, job, ref, { stripes: ref.stripes, stored });
  const both = (await job.stat("both")).ref;
  expect(bytes.equals(await job.get(both))).toBe(true);
  expect(store.reads.length).toBe(0);
  freeShards(fleet, job, ref);
  for (const from of ["both", both, ref]) expect(bytes.equals(await job.get(from))).toBe(true);
  const read = { ref: both, offset: 1000, length: 500, into: Buffer.alloc(500) };
  await job.readRanges([read]);
  expect(read.into.equals(bytes.subarray(1000, 1500))).toBe(true);
});

test("an object that moved within the store, or back to memory, is followed", async () => {
  const job = await begin();
  const [first] = await spill(job, [40_000]);
  const { bytes, old, ref } = first!;
  const elsewhere: StoredPlace = { name: nameOf(fleet, job, "plain"), offset: 3, layout: "plain" };
  await store.put(elsewhere.name, [Buffer.alloc(3), bytes]);
  await store.delete([ref.stored!.name]);
  await moveRef(fleet, job, old, { stripes: undefined, stored: elsewhere });
  for (const from of [old, ref]) expect(bytes.equals(await job.get(from))).toBe(true);
  const reads = [old, ref].map((each) => ({ ref: each, offset: 5, length: 100, into: Buffer.alloc(100) }));
  await job.readRanges(reads);
  for (const { into } of reads) expect(into.equals(bytes.subarray(5, 105))).toBe(true);

  const [again] = await spill(job, [40_000]);
  const back = await job.put(Buffer.from(again!.old.key), again!.bytes);
  await store.delete([again!.ref.stored!.name]);
  await expect(job.get(again!.ref)).rejects.toEqual(code("FREED"));
  expect(again!.bytes.equals(await job.get(back))).toBe(true);
});

describe("damaged frames", () => {
  test("are read again, past what nodes keep, and of another node", async () => {
    const job = await begin();
    const [object] = await spill(job, [200_000]);
    let damages = 0;
    store.damage = (bytes) => {
      if (damages++ === 0) bytes[100]! ^= 1;
    };
    expect(object!.bytes.equals(await job.get(object!.ref))).toBe(true);
    expect(store.reads.length).toBeGreaterThan(1);
  });

  test("that stay so are DAMAGED, and the others are read", async () => {
    const job = await begin();
    const [object] = await spill(job, [200_000]);
    const { bytes, ref } = object!;
    const { sizeBytes, code: coded } = ref;
    const body = store.objects.get(ref.stored!.name)!;
    // The checksum of the third frame.
    const at = ref.stored!.offset + framedAt(sizeBytes, coded, 0, 0, 3 * frameBytes) - sumBytes;
    body[at]! ^= 0x80;
    const range = { start: 2 * frameBytes, end: 3 * frameBytes };
    await expect(job.get(ref)).rejects.toEqual(code("DAMAGED"));
    await expect(job.get(ref, { range })).rejects.toEqual(code("DAMAGED"));
    for (const right of [
      { start: 0, end: range.start },
      { start: range.end, end: sizeBytes },
    ])
      expect(bytes.subarray(right.start, right.end).equals(await job.get(ref, { range: right }))).toBe(true);
  });

  test("of another object in the same place are noticed", async () => {
    const job = await begin();
    const [a, b] = await spill(job, [20_000, 20_000]);
    const swapped = new Ref({ ...a!.ref, stored: b!.ref.stored });
    await expect(job.get(swapped)).rejects.toEqual(code("DAMAGED"));
  });
});

describe("a store that", () => {
  test("is down: STORE_UNAVAILABLE, by the deadline", async () => {
    const job = await begin();
    const [object] = await spill(job, [50_000]);
    store.beforeGet = () => {
      throw new MayflyError("STORE_UNAVAILABLE", "The store answers 503.");
    };
    await expect(job.get(object!.ref, { timeoutMs: 600 })).rejects.toEqual(code("STORE_UNAVAILABLE"));
    store.beforeGet = () => undefined;
    expect(object!.bytes.equals(await job.get(object!.ref))).toBe(true);
  });

  test("does not answer: STORE_UNAVAILABLE, and nothing is written afterwards", async () => {
    const job = await begin();
    const [object] = await spill(job, [50_000], "plain");
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    store.beforeGet = () => held;
    const into = Buffer.alloc(50_000);
    const failed = job.get(object!.ref, { timeoutMs: 500, into });
    await expect(failed).rejects.toEqual(code("STORE_UNAVAILABLE"));
    answer();
    expect(object!.bytes.equals(await job.get(object!.ref))).toBe(true);
    expect(into.every((byte) => byte === 0)).toBe(true);
  });

  test("is slow: the read waits for it, also when another node is asked meanwhile", async () => {
    const job = await begin();
    const [object] = await spill(job, [50_000], "plain");
    let asked = 0;
    let answer = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      answer = resolve;
    });
    store.beforeGet = () => {
      asked += 1;
      return held;
    };
    const reading = job.get(object!.ref, { timeoutMs: 20_000 });
    await until("two nodes have asked the store", () => asked >= 2);
    answer();
    expect(object!.bytes.equals(await reading)).toBe(true);
  });

  test("refuses: the error is told as it is", async () => {
    const job = await begin();
    const [object] = await spill(job, [50_000]);
    store.beforeGet = () => {
      throw new MayflyError("STORE_REFUSED", "These credentials are wrong.");
    };
    await expect(job.get(object!.ref)).rejects.toEqual(code("STORE_REFUSED"));
  });

  test("the caller stops waiting for: ABORTED", async () => {
    const job = await begin();
    const [object] = await spill(job, [50_000]);
    store.beforeGet = () => new Promise(() => undefined);
    const controller = new AbortController();
    const reading = job.get(object!.ref, { signal: controller.signal });
    await until("the store is asked", () => store.reads.length > 0);
    controller.abort();
    await expect(reading).rejects.toEqual(code("ABORTED"));
  });
});

test("a node that goes while it is asked is replaced by the next one", async () => {
  const own = new MemoryObjectStore();
  const small = await start(4, own);
  onTestFinished(() => small.stop());
  const job = await begin("2+1", small);
  const objects = await spill(
    job,
    Array.from({ length: 8 }, () => 2_000_000),
    "framed",
    { on: small, to: own },
  );
  let stopped: Promise<void> | undefined;
  own.beforeGet = () => {
    stopped ??= small.nodes[3]!.stop();
    return stopped;
  };
  for (const { bytes, ref } of objects) expect(bytes.equals(await job.get(ref))).toBe(true);
  expect(stopped).not.toBe(undefined);
});

test("a job reads nothing of another one, and one that has ended nothing at all", async () => {
  const [mine, theirs] = [await begin(), await begin()];
  const [object] = await spill(theirs, [20_000]);
  const [own] = await spill(mine, [20_000]);
  const foreign = new Ref({ ...own!.ref, stored: object!.ref.stored });
  await expect(mine.get(foreign)).rejects.toEqual(code("FORBIDDEN"));
  expect(decodeRef(encodeRef(object!.ref)).stored).toEqual(object!.ref.stored);
  const { number } = theirs;
  await fleet.client.endJob(number);
  await until("all nodes know", async () => {
    const thrown = await theirs.get(object!.ref).catch((error: unknown) => error);
    return thrown instanceof MayflyError && thrown.code === "JOB_ENDED";
  });
});

test("what was asked of the store is counted for the job", async () => {
  const job = await begin();
  const [object] = await spill(job, [200_000]);
  await job.get(object!.ref);
  await until("the nodes have told", async () => {
    const { jobs } = await fleet.client.status();
    const use = jobs.find((each) => each.job === job.number)?.store;
    return use !== undefined && use.gets === store.reads.length && use.bytesRead >= 200_000;
  });
});

test("without a store the fleet says how to get one", async () => {
  const bare = await startInProcessFleet({ nodes: 1 });
  onTestFinished(() => bare.stop());
  const job = await begin("1+0", bare);
  const [object] = await spill(job, [20_000], "plain", { on: bare, to: new MemoryObjectStore() });
  await expect(job.get(object!.ref)).rejects.toMatchObject({
    code: "STORE_REFUSED",
    message: expect.stringContaining("--store"),
  });
});
