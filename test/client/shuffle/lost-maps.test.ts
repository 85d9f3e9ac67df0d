/** Nodes go while outputs of maps lie on them: each test has a fleet of its own to take apart. */
import { expect, onTestFinished, test } from "vitest";
import type { Job, PartitionReader, Shuffle } from "../../../client/index.ts";
import type { NodeId } from "../../../src/ids.ts";
import { type InProcessFleet, startInProcessFleet } from "../../support/in-process-fleet.ts";
import { StoredShards } from "../../support/stored-shards.ts";
import { until } from "../../support/until.ts";

const maps = 12;

async function startFleet(nodes: number): Promise<{ fleet: InProcessFleet; job: Job; shuffle: Shuffle }> {
  const fleet = await startInProcessFleet({ nodes, nodeMemoryBytes: 16 * 2 ** 20 });
  onTestFinished(() => fleet.stop());
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  return { fleet, job, shuffle: job.shuffle("words", { maps, partitions: 2 }) };
}

async function write(shuffle: Shuffle, map: number, text = ""): Promise<boolean> {
  const writer = shuffle.writer(map);
  await writer.write(0, `${map}${text} `.repeat(1000));
  await writer.write(1, "other");
  return (await writer.commit()).isFirst;
}

/** What the reader yields until it ends or fails, as words. */
async function read(reader: PartitionReader, into: string[]): Promise<unknown> {
  try {
    for await (const { data } of reader) into.push(String(data).split(" ")[0]!);
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

async function placesOf(job: Job): Promise<NodeId[][]> {
  const stats = Array.from({ length: maps }, (_, map) => job.stat(`mf:shuffle/words/map/${map}`));
  return (await Promise.all(stats)).map(({ ref }) => [...ref.stripes!.flat()]);
}

const numbers = (words: readonly string[]): number[] => words.map(Number.parseFloat).sort((a, b) => a - b);
const all = Array.from({ length: maps }, (_, map) => map);

test("with one node less than the code bears every block is read", async () => {
  const { fleet, job, shuffle } = await startFleet(5);
  for (const map of all) await write(shuffle, map);
  const [gone] = (await placesOf(job))[0]!;
  await fleet.node(gone!).stop();
  const words: string[] = [];
  expect(await read(shuffle.reader(0), words)).toBe(undefined);
  expect(numbers(words)).toEqual(all);
});

test("blocks whose bytes come wrong are read with parity, and where that is wrong, too, their maps are lost", async () => {
  const { fleet, job, shuffle } = await startFleet(3);
  for (const map of all) await write(shuffle, map);
  const shardsOf = async (map: number): Promise<StoredShards> =>
    new StoredShards(fleet, job, (await job.stat(`mf:shuffle/words/map/${map}`)).ref);
  // The first data shard begins with what is read of partition 0.
  for (const map of [2, 3, 7]) await (await shardsOf(map)).damage(0, 0);
  for (const shard of [1, 2]) await (await shardsOf(7)).damage(0, shard);
  const words: string[] = [];
  const reader = shuffle.reader(0);
  expect(await read(reader, words)).toMatchObject({ code: "LOST", maps: [7] });
  await write(shuffle, 7, "again");
  expect(await read(reader, words)).toBe(undefined);
  expect(numbers(words)).toEqual(all);
});

test("when outputs are lost the reader names exactly their maps, and goes on once they ran again", async () => {
  const { fleet, job, shuffle } = await startFleet(8);
  for (const map of all) await write(shuffle, map);
  const places = await placesOf(job);
  // Two nodes that share some outputs and not all.
  const lostWith = (a: NodeId, b: NodeId): number[] =>
    all.filter((map) => places[map]!.includes(a) && places[map]!.includes(b));
  const ids = fleet.map.nodes.map(({ id }) => id);
  const pairs = ids.flatMap((a) => ids.filter((b) => b > a).map((b) => [a, b] as const));
  const pair = pairs.find(([a, b]) => lostWith(a, b).length >= 2)!;
  const lost = lostWith(...pair);
  const reader = shuffle.reader(0);
  const other = shuffle.reader(0);
  await Promise.all(pair.map((id) => fleet.node(id).stop()));
  await until(
    "both are off the map",
    () => fleet.map.nodes.length <= 6 || pair.every((id) => !alive(fleet, id)),
  );
  const words: string[] = [];
  const failure = await read(reader, words);
  expect(failure).toMatchObject({ code: "LOST", maps: lost });
  expect(numbers(words)).toEqual(all.filter((map) => !lost.includes(map)));
  // Only the first of them is run again, twice, as platforms do.
  const twice = [await write(shuffle, lost[0]!, "again"), await write(shuffle, lost[0]!, "twice")];
  expect(twice).toEqual([true, false]);
  for (const map of lost.slice(1)) expect(await write(shuffle, map, "again")).toBe(true);
  expect(await read(reader, words)).toBe(undefined);
  expect(numbers(words)).toEqual(all);
  expect(words.filter((word) => word.endsWith("again"))).toHaveLength(lost.length);
  // Who comes later hears of the first outputs, too, and reads those that are there.
  const later: string[] = [];
  expect(await read(other, later)).toBe(undefined);
  expect(numbers(later)).toEqual(all);
});

function alive(fleet: InProcessFleet, id: NodeId): boolean {
  return fleet.map.nodes.some((node) => node.id === id && node.state === "active");
}
