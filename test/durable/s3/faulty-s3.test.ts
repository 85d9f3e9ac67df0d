/** The store through an S3 that fails: nothing is lost, no byte is wrong, and every call ends in time. */
import { randomBytes } from "node:crypto";
import { describe, expect, onTestFinished, test } from "vitest";
import { seededRng, systemClock, systemRng } from "../../../src/clock.ts";
import type { ObjectStore } from "../../../src/durable/object-store.ts";
import { s3PlaceOf } from "../../../src/durable/s3/place.ts";
import { openS3Store } from "../../../src/durable/s3/s3-store.ts";
import { callsMax } from "../../../src/durable/store-calls.ts";
import {
  allFaults,
  type Fault,
  type FaultyS3,
  seededFaults,
  startFaultyS3,
} from "../../support/faulty-s3.ts";
import { useS3Server } from "../../support/s3-server.ts";
import { until } from "../../support/until.ts";
import { bytesOf, gathered, inPieces, listed, testObjectStore } from "../conformance.ts";

const s3 = useS3Server();
/** Long above what the server on this machine takes, even when it is busy; short beside the stalls of the tests. */
const stallMs = 1000;
const given = { clock: systemClock, rng: systemRng, stallMs };

async function openThrough(faulty: FaultyS3, prefix?: string): Promise<ObjectStore> {
  const url = s3.url(prefix, faulty.endpoint);
  const store = await openS3Store(s3PlaceOf(new URL(url)), given);
  onTestFinished(() => store.close());
  return store;
}

async function startFaulty(): Promise<{ faulty: FaultyS3; store: ObjectStore }> {
  const faulty = await startFaultyS3(s3.endpoint);
  onTestFinished(() => faulty.stop());
  return { faulty, store: await openThrough(faulty) };
}

describe("everything that a store does, with a fault in a tenth of the requests", () => {
  let faulty: FaultyS3 | undefined;
  testObjectStore({
    async open() {
      faulty ??= await startFaultyS3(s3.endpoint);
      // A stream cannot take back a byte that was wrong.
      const faults = allFaults(3 * stallMs).filter(
        (fault) => fault.kind !== "flip" || fault.of === "request",
      );
      faulty.script ??= seededFaults(6, { rate: 0.1, faults });
      return openS3Store(s3PlaceOf(new URL(s3.url("faulty", faulty.endpoint))), given);
    },
    close: async () => faulty?.stop(),
    takesNamesOfFolders: false,
    repeatsNothing: false,
  });
});

const resetAfter: Fault = { kind: "reset", when: "after" };
const internalAfter: Fault = { kind: "answer", status: 500, code: "InternalError", when: "after" };
const slowDown: Fault = { kind: "answer", status: 503, code: "SlowDown", when: "before" };
const longStall: Fault = { kind: "stall", ms: 30_000, when: "before" };

describe("one fault", () => {
  test.each([
    { kind: "answer", status: 500, code: "InternalError", when: "before" },
    { kind: "reset", when: "before" },
    ...[internalAfter, resetAfter, slowDown, longStall],
    { kind: "flip", of: "request" },
  ] satisfies Fault[])("on the way of a put: %j", async (fault) => {
    const { faulty, store } = await startFaulty();
    const body = randomBytes(700_000);
    faulty.failNext(fault);
    await store.put("a", body, { timeoutMs: 20_000 });
    expect(faulty.requests[0]!.fault).toEqual(fault);
    expect(store.counts).toMatchObject({ puts: 2, retries: 1, throttled: fault === slowDown ? 1 : 0 });
    expect(body.equals(await store.get("a"))).toBe(true);
  });

  test.each([
    { kind: "truncate" },
    { kind: "flip", of: "response" },
    { kind: "stall", ms: 30_000, when: "during" },
    ...[resetAfter, slowDown],
  ] satisfies Fault[])("on the way of a get: %j", async (fault) => {
    const { faulty, store } = await startFaulty();
    const body = randomBytes(700_000);
    await store.put("a", body);
    faulty.failNext(fault);
    const into = new Uint8Array(body.length);
    expect(body.equals(await store.get("a", { into, timeoutMs: 20_000 }))).toBe(true);
    expect(store.counts).toMatchObject({ gets: 2, retries: 1 });
  });

  test.each([{ kind: "truncate" }, { kind: "stall", ms: 30_000, when: "during" }] satisfies Fault[])(
    "amid a stream, which goes on where it was: %j",
    async (fault) => {
      const { faulty, store } = await startFaulty();
      const body = randomBytes(3_000_000);
      await store.put("a", body);
      faulty.failNext(fault);
      expect(body.equals(await gathered(store.read("a", { timeoutMs: 20_000 })))).toBe(true);
      expect(store.counts).toMatchObject({ gets: 2, retries: 1 });
      expect(store.counts.bytesRead).toBe(body.length);
    },
  );

  test.each([resetAfter, internalAfter])("after a conditional put has taken place: %j", async (fault) => {
    const { faulty, store } = await startFaulty();
    faulty.failNext(fault);
    await store.put("once", bytesOf("mine"), { ifAbsent: true });
    expect(await store.get("once")).toEqual(bytesOf("mine"));
    faulty.failNext(fault);
    const other = store.put("once", bytesOf("mine"), { ifAbsent: true });
    await expect(other).rejects.toMatchObject({ code: "KEY_EXISTS" });
  });

  test.each([resetAfter, internalAfter])("after an upload was put together: %j", async (fault) => {
    const { faulty, store } = await startFaulty();
    const body = randomBytes(11 * 2 ** 20);
    const script = (request: { operation: string }): Fault | undefined => {
      if (request.operation !== "upload-complete") return undefined;
      faulty.script = undefined;
      return fault;
    };
    faulty.script = script;
    await store.upload("large", inPieces(body, 2 ** 20), { ifAbsent: true });
    expect(body.equals(await store.get("large"))).toBe(true);
    expect(faulty.requests.filter(({ fault: met }) => met === fault)).toHaveLength(1);
  });
});

test("bytes that never come right are DAMAGED", async () => {
  const { faulty, store } = await startFaulty();
  await store.put("a", bytesOf("right"));
  faulty.script = () => ({ kind: "flip", of: "response" });
  await expect(store.get("a")).rejects.toMatchObject({ code: "DAMAGED" });
  await expect(gathered(store.read("a"))).rejects.toMatchObject({ code: "DAMAGED" });
  faulty.script = () => ({ kind: "flip", of: "request" });
  await expect(store.put("b", bytesOf("right"))).rejects.toMatchObject({ code: "DAMAGED" });
  faulty.script = undefined;
  expect(await store.stat("b")).toBeUndefined();
});

test("an upload that cannot go on is aborted", async () => {
  const { faulty, store } = await startFaulty();
  faulty.script = ({ operation }) =>
    operation === "upload-part" ? { ...internalAfter, status: 403, code: "AccessDenied" } : undefined;
  const upload = store.upload("refused", inPieces(randomBytes(11 * 2 ** 20), 2 ** 20));
  await expect(upload).rejects.toMatchObject({ code: "STORE_REFUSED" });
  expect(faulty.requests.at(-1)!.operation).toBe("upload-abort");
});

test("a batch of deletions that the server does not know is done one by one", async () => {
  const { faulty, store } = await startFaulty();
  await Promise.all(["a", "b", "c"].map((name) => store.put(name, bytesOf(name))));
  faulty.script = ({ operation }) =>
    operation === "delete-batch"
      ? { kind: "answer", status: 501, code: "NotImplemented", when: "before" }
      : undefined;
  await store.delete(["a", "b", "c", "d"]);
  expect(await listed(store.list(""))).toEqual([]);
});

describe("a store that is down", () => {
  test("for a while costs that while", async () => {
    const { faulty, store } = await startFaulty();
    const body = randomBytes(100_000);
    await store.put("before", body);
    faulty.isDown = true;
    const calls = [store.get("before"), store.put("meanwhile", body), listed(store.list(""))] as const;
    await until("all have tried again", () => store.counts.retries > 12);
    faulty.isDown = false;
    const [read, , names] = await Promise.all(calls);
    expect(body.equals(read)).toBe(true);
    expect(names).toContain("before");
    expect(body.equals(await store.get("meanwhile"))).toBe(true);
  });

  test("is unavailable to each call at its deadline, and more calls than there may be are BUSY", async () => {
    const { faulty, store } = await startFaulty();
    faulty.isDown = true;
    const calls = Array.from({ length: callsMax }, () => store.get("a", { timeoutMs: 2000 }));
    const codes = Promise.all(calls.map((call) => call.catch(({ code }: { code: string }) => code)));
    await expect(store.get("a")).rejects.toMatchObject({ code: "BUSY", retryAfterMs: expect.any(Number) });
    expect(new Set(await codes)).not.toContain("BUSY");
    faulty.isDown = false;
    await expect(store.get("a")).rejects.toMatchObject({ code: "NOT_FOUND" });
  });
});

/** What a name may hold: what was acknowledged last, or what was tried since then. */
interface Model {
  readonly name: string;
  possible: (Buffer | undefined)[];
}

test("nothing is lost and nothing is wrong, whatever fails", async () => {
  const seed = 2;
  const { faulty, store } = await startFaulty();
  const rng = seededRng(seed);
  faulty.script = seededFaults(seed, { rate: 0.25, stallMs: 20_000 });
  const [timeoutMs, rounds] = [15_000, 6];
  let done = 0;
  const late: number[] = [];
  const timed = async <T>(work: Promise<T>): Promise<T> => {
    const startedAtMs = systemClock.now();
    try {
      return await work;
    } finally {
      done += 1;
      // A busy machine is late itself; a call that waited for a stall of 20 s would be later.
      if (systemClock.now() - startedAtMs > timeoutMs + 4000) late.push(systemClock.now() - startedAtMs);
    }
  };
  const isOneOf = ({ possible }: Model, found: Uint8Array | undefined): boolean =>
    possible.some((each) =>
      each === undefined ? found === undefined : found !== undefined && each.equals(found),
    );
  const read = ({ name }: Model): Promise<Uint8Array | undefined> =>
    timed(
      store.get(name, { timeoutMs }).catch((error: { code: string }) => {
        if (error.code === "NOT_FOUND") return undefined;
        throw error;
      }),
    );
  const change = async (model: Model, next: Buffer | undefined): Promise<void> => {
    const { name } = model;
    model.possible.push(next);
    const work =
      next === undefined ? store.delete([name], { timeoutMs }) : store.put(name, next, { timeoutMs });
    await timed(work).then(() => {
      model.possible = [next];
    }, expectUnavailable);
  };
  const writer = async (model: Model): Promise<void> => {
    for (let round = 0; round < rounds; round += 1) {
      const size = Math.floor(2 ** (rng.random() * 20));
      await change(model, rng.random() < 0.2 ? undefined : Buffer.from(rng.bytes(size)));
      const found = await read(model).catch(expectUnavailable);
      if (found !== "unavailable") expect(isOneOf(model, found)).toBe(true);
    }
  };
  const models = Array.from({ length: 12 }, (_, i): Model => ({ name: `m/${i}`, possible: [undefined] }));
  await Promise.all(models.map(writer));
  faulty.script = undefined;
  for (const model of models) expect(isOneOf(model, await read(model))).toBe(true);
  expect(late).toEqual([]);
  expect(done).toBe(12 * rounds * 2 + 12);
  const kinds = new Set(faulty.requests.flatMap(({ fault }) => (fault === undefined ? [] : [fault.kind])));
  expect([...kinds].toSorted()).toEqual(["answer", "flip", "reset", "stall", "truncate"]);
});

function expectUnavailable({ code }: { readonly code: string }): "unavailable" {
  expect(code).toBe("STORE_UNAVAILABLE");
  return "unavailable";
}
