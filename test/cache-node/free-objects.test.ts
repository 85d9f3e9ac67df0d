import { expect, test } from "vitest";
import { ObjectFreer } from "../../cache-node/free-objects.ts";
import { createNodeMemory } from "../../cache-node/store/node-memory.ts";
import { type ShardName, ShardStore } from "../../cache-node/store/shard-store.ts";
import type { Argument, RequestOptions } from "../../client/transport/connection.ts";
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { NodePool } from "../../client/transport/node-pool.ts";
import { MayflyError } from "../../src/errors.ts";
import { jobNumber, type NodeId, nodeId, objectId, objectIdBytes } from "../../src/ids.ts";
import type { NodeEntry } from "../../src/placement/types.ts";
import { decodeRef, encodeRef, type Ref } from "../../src/wire/ref.ts";
import { FakeClock } from "../controller/fake-clock.ts";
import { fakeHeap, mebibyte } from "./store/fakes.ts";

const self = nodeId(1);
const [jobA, jobB] = [jobNumber(7), jobNumber(8)];

/** One request as the pool was asked for it. */
interface Sent {
  readonly port: number;
  readonly traffic: string;
  readonly name: string;
  readonly args: readonly Argument[];
  readonly leftMs: number;
  answer(): void;
  fail(): void;
}

function createFreer() {
  const clock = new FakeClock();
  const memory = createNodeMemory({
    limitBytes: 8 * mebibyte,
    clock,
    heap: fakeHeap(),
    touchBytesPerStep: 0,
  });
  const shards = new ShardStore(memory);
  const entries = new Map<NodeId, NodeEntry>();
  for (const id of [1, 2, 3, 4].map(nodeId)) {
    entries.set(id, { id, host: "127.0.0.1", port: 7000 + id, state: "active", weight: 100, zone: "" });
  }
  const sent: Sent[] = [];
  const unreachable = new Set<number>();
  const asked: NodeEntry[] = [];
  const connection = (entry: NodeEntry, traffic: string) => {
    asked.push(entry);
    const { port } = entry;
    if (unreachable.has(port)) throw new MayflyError("NODE_UNREACHABLE", "a moment ago");
    const request = (
      name: string,
      args: readonly Argument[],
      { deadline }: RequestOptions,
    ): Promise<number> =>
      new Promise((resolve, reject) => {
        const leftMs = deadline.atMs - clock.now();
        const fail = (): void => reject(new MayflyError("NODE_UNREACHABLE", "it is gone"));
        sent.push({ port, traffic, name, args, leftMs, answer: () => resolve(0), fail });
      });
    return { request };
  };
  const freer = new ObjectFreer({
    ...{ clock, shards, self: () => self },
    pool: { connection } as unknown as NodePool,
    view: { node: (id: NodeId) => entries.get(id) } as unknown as FleetView,
  });
  const keep = (job: typeof jobA, name: ShardName): void => {
    shards.keep(name, shards.reserve(job, 100)!, 100);
  };
  return { clock, shards, entries, asked, sent, unreachable, freer, keep };
}

const objectOf = (seed: number) => objectId(Buffer.alloc(16, seed));

function refOf(seed: number, stripes: readonly (readonly number[])[]): Ref {
  const code = { d: stripes[0]!.length, p: 0 };
  const placed = stripes.map((nodes) => nodes.map(nodeId));
  const sizeBytes = stripes.length * code.d * 512 * 1024;
  return decodeRef(
    encodeRef({ object: objectOf(seed), key: Buffer.from("key"), sizeBytes, code, stripes: placed }),
  );
}

const shard = (seed: number, stripe: number, index: number) => [objectIdBytes(objectOf(seed)), stripe, index];

test("its own shards are freed at once, of the object and the job alone", () => {
  const { shards, freer, keep, sent } = createFreer();
  const name = (seed: number, stripe: number, index: number): ShardName => ({
    ...{ object: objectOf(seed), stripe, index },
  });
  const own = [name(5, 0, 1), name(5, 2, 0)];
  const others = [name(5, 1, 0), name(5, 0, 2), name(5, 0, 0), name(6, 0, 1)];
  for (const each of [...own, ...others]) keep(jobA, each);
  for (const each of own) keep(jobB, each);
  const stripes = [
    [2, 1],
    [2, 3],
    [1, 2],
  ];
  freer.free(jobA, refOf(5, stripes));
  for (const each of own) expect(shards.get(jobA, each)).toBeUndefined();
  expect(shards.count()).toBe(others.length + own.length);
  expect(sent).toEqual([]);
});

test("those of others are gathered for 10 ms into one request a node and job", async () => {
  const { clock, freer, sent } = createFreer();
  freer.free(
    jobA,
    refOf(5, [
      [2, 3],
      [3, 1],
    ]),
  );
  await clock.advance(9);
  freer.free(jobB, refOf(6, [[2, 1]]));
  freer.free(jobA, refOf(7, [[1, 2]]));
  expect(sent).toEqual([]);
  await clock.advance(1);
  const common = { traffic: "small", name: "MF.SHARD.FREE", leftMs: 5000 };
  expect(sent).toMatchObject([
    { ...common, port: 7002, args: [jobA, ...shard(5, 0, 0), ...shard(7, 0, 1)] },
    { ...common, port: 7002, args: [jobB, ...shard(6, 0, 0)] },
    { ...common, port: 7003, args: [jobA, ...shard(5, 0, 1), ...shard(5, 1, 0)] },
  ]);
});

test("what comes after they were sent is gathered anew, and nothing is sent twice", async () => {
  const { clock, freer, sent } = createFreer();
  freer.free(jobA, refOf(5, [[2]]));
  await clock.advance(9);
  freer.free(jobA, refOf(6, [[2]]));
  await clock.advance(2);
  freer.free(jobA, refOf(7, [[2]]));
  await clock.advance(9);
  expect(sent).toHaveLength(1);
  await clock.advance(1);
  expect(sent.map(({ args }) => args)).toEqual([
    [jobA, ...shard(5, 0, 0), ...shard(6, 0, 0)],
    [jobA, ...shard(7, 0, 0)],
  ]);
  await clock.advance(1000);
  expect(sent).toHaveLength(2);
});

test("a request frees at most 1,000 shards, and the next waits for its answer", async () => {
  const { clock, freer, sent } = createFreer();
  for (const stripes of [1000, 1500]) freer.free(jobA, refOf(stripes % 256, Array(stripes).fill([2])));
  freer.free(jobB, refOf(9, Array(1000).fill([3])));
  await clock.advance(10);
  const toTwo = (): readonly Sent[] => sent.filter(({ port }) => port === 7002);
  for (const count of [1, 2, 3]) {
    expect(toTwo()).toHaveLength(count);
    await clock.advance(100);
    expect(toTwo()).toHaveLength(count);
    toTwo()[count - 1]!.answer();
    await clock.advance(0);
  }
  expect(toTwo()).toHaveLength(3);
  expect(toTwo().map(({ leftMs }) => leftMs)).toEqual([5000, 5000, 5000]);
  const expected = [1000, 1500].flatMap((count) =>
    [...Array(count).keys()].map((stripe) => shard(count % 256, stripe, 0)),
  );
  const batches = [expected.slice(0, 1000), expected.slice(1000, 2000), expected.slice(2000)];
  expect(toTwo().map(({ args }) => args)).toEqual(batches.map((batch) => [jobA, ...batch.flat()]));
  expect(sent.filter(({ port }) => port === 7003).map(({ args }) => args.length)).toEqual([3001]);
});

test("failures concern nobody: neither the other nodes nor what is freed later", async () => {
  const { clock, freer, sent, unreachable } = createFreer();
  unreachable.add(7002);
  freer.free(jobA, refOf(5, [[2, 3, 4]]));
  await clock.advance(10);
  expect(sent.map(({ port }) => port)).toEqual([7003, 7004]);
  sent[0]!.fail();
  sent[1]!.answer();
  unreachable.clear();
  freer.free(jobA, refOf(6, [[2, 3, 1]]));
  await clock.advance(10);
  expect(sent.slice(2).map(({ port, args }) => [port, args])).toEqual([
    [7002, [jobA, ...shard(6, 0, 0)]],
    [7003, [jobA, ...shard(6, 0, 1)]],
  ]);
});

test("nodes that are dead or not in the map are not asked; which those are is looked up when it is time", async () => {
  const { clock, freer, asked, sent, entries } = createFreer();
  freer.free(jobA, refOf(5, [[2, 3, 4]]));
  entries.set(nodeId(2), { ...entries.get(nodeId(2))!, state: "dead" });
  entries.set(nodeId(3), { ...entries.get(nodeId(3))!, state: "draining" });
  entries.delete(nodeId(4));
  await clock.advance(10);
  expect(asked).toEqual([entries.get(nodeId(3))]);
  expect(sent.map(({ port }) => port)).toEqual([7003]);
});

test("a ref that does not say where its shards are frees none", async () => {
  const { clock, freer, sent } = createFreer();
  const { object, key, sizeBytes, code } = refOf(5, [[2]]);
  freer.free(jobA, decodeRef(encodeRef({ object, key, sizeBytes, code, stripes: undefined })));
  await clock.advance(100);
  expect(sent).toEqual([]);
});
