import { expect, test } from "vitest";
import { emptyFleet, type FleetState } from "../../src/controller/fleet-state.ts";
import { openLedger } from "../../src/controller/ledger.ts";
import { createMemoryStore } from "../../src/controller/state-store/memory-store.ts";
import type { StateStore } from "../../src/controller/state-store/state-store.ts";

const count = (state: FleetState): FleetState => ({ ...state, highestJob: state.highestJob + 1 });

test("steps are taken one after another, each from what the one before stored", async () => {
  const ledger = await openLedger(createMemoryStore(), 2);
  const states = await Promise.all([ledger.commit(count), ledger.commit(count), ledger.commit(count)]);
  expect(states.map((state) => state.highestJob)).toEqual([1, 2, 3]);
});

test("a step counts only when it is stored", async () => {
  const store = createMemoryStore();
  let release = (): void => {};
  const slow: StateStore = {
    ...store,
    async save(change, next) {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      await store.save(change, next);
    },
  };
  const opening = openLedger(slow, 2);
  await turns();
  release();
  const ledger = await opening;
  const committing = ledger.commit(count);
  await turns();
  expect(ledger.state.highestJob).toBe(0);
  release();
  expect((await committing).highestJob).toBe(1);
  expect(ledger.state.highestJob).toBe(1);
});

test("a step that throws, or that cannot be stored, leaves everything as it was", async () => {
  const store = createMemoryStore();
  let broken = false;
  const flaky: StateStore = {
    ...store,
    save: (change, next) => (broken ? Promise.reject(new Error("disk full")) : store.save(change, next)),
  };
  const ledger = await openLedger(flaky, 2);
  const before = ledger.state;
  await expect(
    ledger.commit(() => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  broken = true;
  await expect(ledger.commit(count)).rejects.toThrow("disk full");
  expect(ledger.state).toBe(before);
  broken = false;
  expect((await ledger.commit(count)).highestJob).toBe(1);
});

test("a step that changes nothing is not stored", async () => {
  const store = createMemoryStore();
  let saves = 0;
  const counting: StateStore = {
    ...store,
    save: (change, next) => {
      saves++;
      return store.save(change, next);
    },
  };
  const ledger = await openLedger(counting, 2);
  expect(saves).toBe(1);
  await ledger.commit((state) => state);
  expect(saves).toBe(1);
});

test("what an older controller stores after a newer one has claimed its term does not count", async () => {
  const store = createMemoryStore();
  const old = await openLedger(store, 2);
  await old.commit(count);
  const young = await openLedger(store, 2);
  expect(young.state.map.epoch.term).toBe(2);
  const late = [old.commit(count), old.commit(count)];
  for (const commit of late) await expect(commit).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(old.fencedBy).toBe(2);
  expect(old.state.highestJob).toBe(1);
  expect((await young.commit(count)).highestJob).toBe(2);
});

test("it overtakes a term that its store does not know, and yields to one that it does", async () => {
  const store = createMemoryStore();
  const old = await openLedger(store, 2);
  await old.overtake(9);
  expect(old.state.map.epoch).toEqual({ term: 10, n: 2 });
  await old.overtake(3);
  expect(old.state.map.epoch.term).toBe(10);
  await openLedger(store, 2);
  await old.overtake(11);
  expect(old.fencedBy).toBe(11);
});

test("the setting for backups is the controller's, not the one that was stored", async () => {
  const store = createMemoryStore();
  await store.claim(1);
  await store.save({}, emptyFleet(2));
  expect((await openLedger(store, 1)).state.map.backups).toBe(1);
});

const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
