import { expect, test } from "vitest";
import { createKvLoad } from "../../../bench/drivers/kv-load.ts";
import type { KvSampleRequest } from "../../../bench/drivers/kv-messages.ts";
import type { KvStore } from "../../../bench/peers/kv-store.ts";
import { memoryStore } from "./memory-store.ts";

const request: KvSampleRequest = {
  ...{ operation: "get", valueBytes: 300_000, outstanding: 4, into: false, durationMs: 1 },
};

test("a sample of reads reads; what is read was written once", async () => {
  const store = memoryStore();
  const load = createKvLoad(store, "it");
  await load(request);
  const written = store.calls.put;
  const { operations, seconds, cpuSeconds, besideBytes } = await load(request);
  expect(store.calls.put).toBe(written);
  expect(operations).toBeGreaterThanOrEqual(8);
  expect(seconds).toBeGreaterThan(0);
  expect(cpuSeconds).toBeGreaterThan(0);
  expect(besideBytes).toBe(0);
});

test("a sample of puts puts, each caller on keys of its own", async () => {
  const store = memoryStore();
  const busy = new Set<string>();
  const exclusive: KvStore = {
    ...store,
    async put(key, data) {
      expect(busy.has(key)).toBe(false);
      busy.add(key);
      await new Promise(setImmediate);
      await store.put(key, data);
      busy.delete(key);
    },
  };
  const load = createKvLoad(exclusive, "it");
  const { operations } = await load({ ...request, operation: "put" });
  expect(store.calls.put).toBe(operations + store.values.size);
});

test("reads into buffers where that is asked and possible", async () => {
  const able = memoryStore();
  await createKvLoad(able, "it")({ ...request, into: true });
  expect(able.calls).toMatchObject({ get: 0, getInto: expect.any(Number) });
  expect(able.calls.getInto).toBeGreaterThan(0);
  const unable = memoryStore({ into: false });
  await createKvLoad(unable, "it")({ ...request, into: true });
  expect(unable.calls.get).toBeGreaterThan(0);
});

test.each([
  { operation: "get", into: false },
  { operation: "get", into: true },
  { operation: "put", into: false },
] as const)("a store that gives back other bytes is found out: %j", async (how) => {
  const load = createKvLoad(memoryStore({ damage: true }), "liar");
  await expect(load({ ...request, ...how })).rejects.toThrow("liar read other bytes");
});

test("a store that forgets puts is found out", async () => {
  const store = memoryStore();
  const load = createKvLoad(
    { ...store, put: (key, data) => (store.values.has(key) ? Promise.resolve() : store.put(key, data)) },
    "liar",
  );
  await expect(load({ ...request, operation: "put" })).rejects.toThrow("liar read other bytes");
});

test("what runs beside is counted apart, and ends with the sample", async () => {
  const store = memoryStore();
  const beside = { valueBytes: 400_000, outstanding: 2 };
  const { operations, besideBytes } = await createKvLoad(store, "it")({ ...request, durationMs: 20, beside });
  expect(besideBytes % beside.valueBytes).toBe(0);
  expect(besideBytes).toBeGreaterThan(0);
  const calls = { ...store.calls };
  await new Promise((resolve) => setImmediate(resolve));
  expect(store.calls).toEqual(calls);
  expect(operations).toBeLessThan(calls.get);
});

test("a failure beside fails the sample", async () => {
  const store = memoryStore();
  const failing: KvStore = {
    ...store,
    put: (key, data) => (store.values.has(key) ? Promise.reject(new Error("full")) : store.put(key, data)),
  };
  const load = createKvLoad(failing, "it");
  await expect(load({ ...request, beside: { valueBytes: 400_000, outstanding: 1 } })).rejects.toThrow("full");
});
