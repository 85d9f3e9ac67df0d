import { expect, test } from "vitest";
import { seededRng, systemClock } from "../../../src/clock.ts";
import { addJob, type FleetState, nextJobNumber, noSleep } from "../../../src/controller/fleet-state.ts";
import { type Ledger, openLedger } from "../../../src/controller/ledger.ts";
import { findStoredState, seededStore } from "../../../src/controller/state-store/find-stored-state.ts";
import { createMemoryStore } from "../../../src/controller/state-store/memory-store.ts";
import type { StateStore } from "../../../src/controller/state-store/state-store.ts";
import { withStoredCopy } from "../../../src/controller/state-store/stored-copy.ts";
import { MayflyError } from "../../../src/errors.ts";
import { createMemoryObjects, type MemoryObjects } from "../../support/memory-objects.ts";
import { until } from "../../support/until.ts";

const quiet = { clock: systemClock, rng: seededRng(5), log: () => undefined };
const copied = (objects: MemoryObjects, within: StateStore = createMemoryStore()): StateStore =>
  withStoredCopy(within, objects, quiet);
const withJob = (state: FleetState): FleetState =>
  addJob(state, {
    ...{ number: nextJobNumber(state), name: "job", code: { d: 1, p: 0 }, leaseMs: 1000, graceMs: 0 },
    ...{ quotaBytes: 0, hints: {}, createdAtMs: 5, nodesLost: 0 },
  });
const fallAsleep = (state: FleetState): FleetState => ({ ...state, sleep: { ...noSleep, nodes: 3 } });

async function restored(objects: MemoryObjects): Promise<Ledger> {
  return await openLedger(
    copied(objects, seededStore(createMemoryStore(), await findStoredState(objects, undefined))),
    2,
  );
}

test("the state is found again from the object store alone, with its key, under a higher term", async () => {
  const objects = createMemoryObjects();
  const first = copied(objects);
  const ledger = await openLedger(first, 2);
  await ledger.commit(withJob);
  await ledger.commit(fallAsleep);
  const key = await first.privateKey(() => "");
  const again = await restored(objects);
  expect(again.state.map.epoch.term).toBeGreaterThan(ledger.state.map.epoch.term);
  expect(again.state.jobs.map(({ number }) => number)).toEqual([1]);
  expect(again.state.sleep.nodes).toBe(3);
  expect((await findStoredState(objects, undefined)).privateKey).toBe(key);
  // The one before hears of it with its next change.
  await expect(ledger.commit(fallAsleep)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(ledger.fencedBy).toBe(again.state.map.epoch.term);
});

test("changes are copied a little later, and numbers that were given away meanwhile are not given away again", async () => {
  const objects = createMemoryObjects();
  const ledger = await openLedger(copied(objects), 2);
  await ledger.commit(withJob);
  await until(
    "the job is in the copy",
    async () => (await findStoredState(objects, undefined)).state.jobs.length === 1,
  );
  const generation = ledger.state.map.rows[0]!.generation;
  const again = await restored(objects);
  expect(again.state.highestJob).toBeGreaterThan(100);
  expect(again.state.map.rows[0]!.generation).toBeGreaterThan(generation + 1000);
  await until(
    "older copies are gone",
    () => [...objects.objects.keys()].filter((name) => /\/state\/\d/.test(name)).length <= 2,
  );
});

test("that the fleet sleeps does not count before it is copied, and then nothing else counts before that is settled", async () => {
  const objects = createMemoryObjects();
  const ledger = await openLedger(copied(objects), 2);
  await until("it is claimed", () => [...objects.objects.keys()].some((name) => /\/state\/\d/.test(name)));
  objects.before = (operation) => {
    if (operation === "put") throw new MayflyError("STORE_UNAVAILABLE", "it answers 503");
  };
  await expect(ledger.commit(fallAsleep)).rejects.toThrow(/503/);
  expect(ledger.state.sleep).toEqual(noSleep);
  await expect(ledger.commit(withJob)).rejects.toThrow(/503/);
  objects.before = () => undefined;
  await ledger.commit(withJob);
  const { state } = await findStoredState(objects, undefined);
  expect([state.jobs.length, state.sleep]).toEqual([1, noSleep]);
});

test("without its object store a fleet changes all the same", async () => {
  const objects = createMemoryObjects();
  objects.before = () => {
    throw new MayflyError("STORE_UNAVAILABLE", "nobody answers");
  };
  const ledger = await openLedger(copied(objects), 2);
  await ledger.commit(withJob);
  expect(ledger.state.jobs).toHaveLength(1);
});

test("of several fleets one has to be named, and where there is none it is said", async () => {
  const objects = createMemoryObjects();
  await expect(findStoredState(objects, undefined)).rejects.toMatchObject({ code: "NOT_FOUND" });
  for (const seed of [1, 2]) {
    const store = withStoredCopy(createMemoryStore(), objects, { ...quiet, rng: seededRng(seed) });
    await (await openLedger(store, 2)).commit(fallAsleep);
  }
  await expect(findStoredState(objects, undefined)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringMatching(/there are 2 fleets .* --fleet/),
  });
  const [mark] = [...objects.objects.keys()].filter((name) => name.startsWith("fleets/"));
  expect((await findStoredState(objects, mark!.slice("fleets/".length))).state.sleep.nodes).toBe(3);
});

test("a damaged copy is passed over for the one before it", async () => {
  const objects = createMemoryObjects();
  const ledger = await openLedger(copied(objects), 2);
  await ledger.commit(fallAsleep);
  await ledger.commit((state) => ({ ...state, sleep: { ...noSleep, nodes: 4 } }));
  const newest = [...objects.objects.keys()]
    .filter((name) => /\/state\/\d/.test(name))
    .sort()
    .at(-1)!;
  objects.objects.set(newest, objects.objects.get(newest)!.subarray(5));
  expect((await findStoredState(objects, undefined)).state.sleep.nodes).toBe(3);
});
