import { expect, test } from "vitest";
import { createBlockSource } from "../../../bench/drivers/block-source.ts";
import type { ShuffleRequest } from "../../../bench/drivers/shuffle-messages.ts";
import { createShuffleWork } from "../../../bench/drivers/shuffle-work.ts";
import type { ShuffleStore } from "../../../bench/peers/shuffle-store.ts";
import type { ShuffleBlock } from "../../../client/shuffle/interfaces.ts";

const shape = { name: "it", maps: 6, partitions: 5 };
const tasks = (count: number): number[] => Array.from({ length: count }, (_, task) => task);
const request = (ask: ShuffleRequest["ask"], count: number): ShuffleRequest => ({
  ...{ ask, shape, blockBytes: 300, tasks: tasks(count), tasksAtOnce: 2 },
});

/** @param change what a reader finds in place of what was written */
function memoryStore(change: (blocks: ShuffleBlock[]) => ShuffleBlock[] = (blocks) => blocks) {
  const blocks = new Map<number, ShuffleBlock[]>();
  let requests = 0;
  const store: ShuffleStore = {
    shuffle: ({ partitions }) => ({
      writer: (map) => ({
        async writeRun(bytes, lengths, records) {
          requests += 1;
          for (let partition = 0, at = 0; partition < partitions; at += lengths[partition++]!) {
            const data = Buffer.from(bytes.subarray(at, at + lengths[partition]!));
            blocks.set(partition, [
              ...(blocks.get(partition) ?? []),
              { map, records: records[partition]!, data },
            ]);
          }
        },
        commit: async () => undefined,
      }),
      async *reader(partition) {
        yield* change(blocks.get(partition) ?? []);
      },
      async delete() {
        blocks.clear();
      },
    }),
    requests: () => requests,
    close: async () => undefined,
  };
  return { store, blocks };
}

test("maps write, reducers find what was written, and deleting frees it", async () => {
  const { store, blocks } = memoryStore();
  const work = createShuffleWork(store);
  const mapped = await work(request("map", 6));
  expect(mapped).toMatchObject({ requests: 6 });
  expect(mapped!.endedMs).toBeGreaterThan(mapped!.beganMs);
  // Another worker reads what this one wrote.
  expect(await createShuffleWork(store)(request("reduce", 5))).toMatchObject({ requests: 0 });
  await work(request("delete", 0));
  expect(blocks.size).toBe(0);
});

test.each([
  ["other bytes", (all: ShuffleBlock[]) => all.map((each) => ({ ...each, data: Buffer.alloc(300) }))],
  ["a block twice", (all: ShuffleBlock[]) => [...all, all[0]!]],
  [
    "one map's bytes as another's",
    (all: ShuffleBlock[]) => all.map((each) => ({ ...each, map: (each.map + 1) % 6 })),
  ],
  ["other numbers of records", (all: ShuffleBlock[]) => all.map((each) => ({ ...each, records: 1 }))],
  ["a block less", (all: ShuffleBlock[]) => all.slice(1)],
])("%s are found out", async (_, change) => {
  const work = createShuffleWork(memoryStore(change).store);
  await work(request("map", 6));
  await expect(work(request("reduce", 5))).rejects.toThrow(/^partition \d has /);
});

test("a source gives each map bytes of its own, the same in every process", () => {
  const [one, other] = [createBlockSource(6, 5, 300), createBlockSource(6, 5, 300)];
  const outputs = tasks(6).map((map) => one.output(map).toString("latin1"));
  expect(new Set(outputs).size).toBe(6);
  expect(tasks(6).map((map) => other.output(map).toString("latin1"))).toEqual(outputs);
  expect(Buffer.concat(tasks(5).map((partition) => one.block(3, partition))).equals(one.output(3))).toBe(
    true,
  );
});
