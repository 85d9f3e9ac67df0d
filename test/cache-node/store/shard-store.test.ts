import { expect, test } from "vitest";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import {
  objectOfShard,
  type ShardName,
  ShardStore,
  shardNameOf,
} from "../../../cache-node/store/shard-store.ts";
import { jobNumber, objectId } from "../../../src/ids.ts";
import { fakeHeap, manualClock, mebibyte } from "./fakes.ts";

const job = jobNumber(1);

function createStore(limitBytes = 8 * mebibyte) {
  const memory = createNodeMemory({
    limitBytes,
    clock: manualClock(),
    heap: fakeHeap(),
    touchBytesPerStep: 0,
  });
  const store = new ShardStore(memory);
  const keep = (name: ShardName, fill: number, bytes = 1000): boolean => {
    const reservation = store.reserve(job, bytes)!;
    reservation.block.view().fill(fill);
    return store.keep(name, reservation, bytes);
  };
  return { memory, store, keep, account: () => memory.job(job) };
}

const name = (stripe = 0, index = 0, seed = 1): ShardName => ({
  ...{ object: objectId(Buffer.alloc(16, seed)), stripe, index },
});

test("shards are told apart by object, stripe and index", () => {
  const { store, keep } = createStore();
  const names = [name(), name(1), name(256), name(0, 1), name(0, 0, 2), name(8191, 254)];
  for (const [at, each] of names.entries()) expect(keep(each, at)).toBe(true);
  for (const [at, each] of names.entries()) expect(store.get(job, each)?.block.view()[0]).toBe(at);
  expect(store.count()).toBe(names.length);
  expect(store.get(jobNumber(2), name())).toBeUndefined();
});

test("a shard of the same name replaces the earlier one and its memory", () => {
  const { store, keep, account } = createStore();
  keep(name(), 1);
  const before = { live: account().liveBytes, index: account().indexBytes };
  keep(name(), 2);
  expect(store.get(job, name())?.block.view()[0]).toBe(2);
  expect({ live: account().liveBytes, index: account().indexBytes }).toEqual(before);
});

test("freed and dropped ones cost nothing", () => {
  const { store, keep, account } = createStore();
  keep(name(), 1);
  store.drop(store.reserve(job, 5000)!);
  expect(store.free(job, name())).toBe(true);
  expect(store.free(job, name())).toBe(false);
  expect(store.free(jobNumber(2), name())).toBe(false);
  expect([account().liveBytes, account().indexBytes, store.count()]).toEqual([0, 0, 0]);
});

test("a reservation stays where it is until it is kept", () => {
  const { store, keep } = createStore();
  for (let i = 0; i < 50; i++) keep(name(i), i, 20_000);
  const reservation = store.reserve(job, 100_000)!;
  const view = reservation.block.view();
  view.fill(7);
  for (let i = 0; i < 50; i++) store.free(job, name(i));
  for (let i = 0; i < 200; i++) keep(name(i % 20), i, 100_000);
  expect(reservation.block.view().buffer).toBe(view.buffer);
  expect(reservation.block.view().byteOffset).toBe(view.byteOffset);
  expect(reservation.block.view().equals(Buffer.alloc(100_000, 7))).toBe(true);
  store.keep(name(99), reservation, 100_000);
  expect(store.get(job, name(99))?.payloadBytes).toBe(100_000);
});

test("without memory there is no reservation, and nothing is lost of it", () => {
  const { store, account } = createStore(4 * mebibyte);
  const reservations = [];
  for (let next = store.reserve(job, 400_000); next !== undefined; next = store.reserve(job, 400_000)) {
    reservations.push(next);
  }
  expect(reservations.length).toBeGreaterThan(3);
  const index = account().indexBytes;
  expect(store.reserve(job, 400_000)).toBeUndefined();
  expect(account().indexBytes).toBe(index);
  for (const reservation of reservations) store.drop(reservation);
  expect([account().liveBytes, account().indexBytes]).toEqual([0, 0]);
});

test("a shard that arrives after its job has ended is refused", () => {
  const { store, memory } = createStore();
  const late = store.reserve(job, 1000)!;
  const dropped = store.reserve(job, 1000)!;
  store.endJob(job);
  memory.endJob(job);
  expect(store.keep(name(), late, 1000)).toBe(false);
  store.drop(dropped);
  expect(store.get(job, name())).toBeUndefined();
  expect(memory.usedBytes).toBe(0);
});

test("keys of shards give back their names, and the shards of a job can be walked while they change", () => {
  const { store, keep } = createStore();
  const names = [name(), name(8191, 254), name(256, 1, 200)];
  for (const each of names) keep(each, 1);
  const walked: ShardName[] = [];
  for (const [key, shard] of store.shardsOf(job)) {
    walked.push(shardNameOf(key));
    expect(objectOfShard(key)).toBe(shardNameOf(key).object);
    store.freeIf(job, shardNameOf(key), shard);
  }
  expect(walked).toEqual(names);
  expect([store.count(), [...store.shardsOf(jobNumber(9))], store.jobs()]).toEqual([0, [], [job]]);
});

test("a shard carries the round in which it came; one that came later is not freed in its place", () => {
  const { store, keep } = createStore();
  store.round = 5;
  keep(name(), 1);
  const old = store.get(job, name())!;
  store.round = 6;
  keep(name(), 2);
  expect([old.seenRound, store.get(job, name())?.seenRound]).toEqual([5, 6]);
  expect(store.freeIf(job, name(), old)).toBe(false);
  expect(store.get(job, name())?.block.view()[0]).toBe(2);
  expect(store.freeIf(job, name(), store.get(job, name())!)).toBe(true);
});
