/** Outputs of maps that lie in the object store by the time that they are read. */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Job } from "../../../client/index.ts";
import { jobNumber } from "../../../src/ids.ts";
import type { Ref, StoredPlace } from "../../../src/wire/ref.ts";
import { spillName } from "../../../src/wire/stored-names.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { MemoryObjectStore } from "../../support/memory-object-store.ts";
import { framed, freeShards, moveRef } from "../../support/store-objects.ts";

const maps = 24;
const partitions = 4;
const store = new MemoryObjectStore();
let fleet: InProcessFleet;

beforeAll(async () => {
  const durable = { objectStore: store, durableUrl: "file:///memory" };
  fleet = await startInProcessFleet({ nodes: 4, nodeMemoryBytes: 48 * 2 ** 20, ...durable });
});
afterAll(() => fleet.stop());

const textOf = (map: number, partition: number): string => `${map}/${partition} `.repeat(5000);

async function writeAll(job: Job, name: string): Promise<void> {
  const shuffle = job.shuffle(name, { maps, partitions });
  for (let map = 0; map < maps; map++) {
    const writer = shuffle.writer(map);
    for (let partition = 0; partition < partitions; partition++)
      await writer.write(partition, textOf(map, partition));
    await writer.commit();
  }
}

/** Moves the outputs of these maps to one stored object. */
async function spill(job: Job, shuffle: string, moved: readonly number[]): Promise<string> {
  const name = spillName(fleet.core(fleet.nodes[0]!.nodeId).fleetId()!, jobNumber(job.number), shuffle);
  const body: Buffer[] = [];
  const places: { ref: Ref; stored: StoredPlace }[] = [];
  let offset = 0;
  for (const map of moved) {
    const { ref } = await job.stat(`mf:shuffle/${shuffle}/map/${map}`);
    const laid = framed(job, ref, await job.get(ref));
    body.push(laid);
    places.push({ ref, stored: { name, offset, layout: "framed" } });
    offset += laid.length;
  }
  await store.put(name, body);
  for (const { ref, stored } of places) {
    await moveRef(fleet, job, ref, { stripes: undefined, stored });
    freeShards(fleet, job, ref);
  }
  return name;
}

async function readAll(job: Job, name: string): Promise<number> {
  let blocks = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const shuffle = job.shuffle(name, { maps, partitions });
    for await (const { map, data } of shuffle.reader(partition)) {
      expect(Buffer.compare(data, Buffer.from(textOf(map, partition)))).toBe(0);
      blocks += 1;
    }
  }
  return blocks;
}

test("blocks of outputs that were spilled since are read together, whoever reads them", async () => {
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  await writeAll(job, "a");
  const spilled = Array.from({ length: maps }, (_, map) => map).filter((map) => map % 3 > 0);
  await spill(job, "a", spilled);
  store.reads.length = 0;
  expect(await readAll(job, "a")).toBe(maps * partitions);
  // Each partition needs 16 blocks of 16 outputs that lie within 3 MiB.
  expect(store.reads.length).toBeLessThan(spilled.length);
});

test("what is damaged in the store is lost, and the map is to run again", async () => {
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  await writeAll(job, "b");
  const name = await spill(job, "b", [5, 9]);
  store.objects.get(name)![20]! ^= 1;
  const shuffle = job.shuffle("b", { maps, partitions });
  const reader = shuffle.reader(0);
  const read = async (): Promise<number[]> => {
    const found: number[] = [];
    for await (const { map } of reader) found.push(map);
    return found;
  };
  await expect(read()).rejects.toMatchObject({ code: "LOST", maps: [5] });
});
