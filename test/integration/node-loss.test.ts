/** Nodes that die without a word (kill -9): what was acknowledged stays readable, and answers say what happened. */
import { expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { startFleet, type TestFleet } from "../support/fleet.ts";
import { until } from "../support/until.ts";
import {
  anyBytes,
  expectAllRight,
  keysWhere,
  readBack,
  rowOf,
  type Written,
  write,
} from "../support/written-keys.ts";

const code = { d: 4, p: 2 };
/** Inline cells, one short stripe, whole frames and not, several stripes with a short last one. */
const sizes = [0, 1, 900, 16_384, 16_385, 65_536, 100_001, 2_200_003];

async function writeMany(job: Job, count: number): Promise<Written[]> {
  const lengths = Array.from({ length: count }, (_, n) => sizes[n % sizes.length]!);
  return Promise.all(lengths.map((length, n) => write(job, `key-${n}`, length)));
}

/** Objects have all their shards again, and rows all their members. */
async function untilRepaired({ controller }: TestFleet): Promise<void> {
  await until(
    "everything is whole again",
    async () => {
      const { relocation, rows } = await controller.status();
      return relocation.objects === 0 && rows.full === 1024 && rows.pending === 0;
    },
    30_000,
  );
}

test("with 4+2 on six nodes, two die one after the other: all is read, and cells are written as before", async () => {
  const fleet = await startFleet(6);
  const job = await fleet.begin({ code });
  const written = await writeMany(job, 48);
  const [first, second] = fleet.nodeIds as [NodeId, NodeId];

  for (const victim of [first, second]) {
    await fleet.kill(victim);
    await expectAllRight(job, written);
    await fleet.untilDead(victim);
    await expectAllRight(job, written);
  }
  // All rows are led by somebody who lives, and are whole again over the four that are left.
  await Promise.all(Array.from({ length: 40 }, (_, n) => write(job, `new-${n}`, 100)));
  await until("all rows are whole", async () => (await fleet.controller.status()).rows.full === 1024);
  await expect(job.put("large", anyBytes(20_000))).rejects.toMatchObject({ code: "NOT_ENOUGH_NODES" });
  expect((await fleet.controller.status()).survives.join("\n")).toMatch(/2 nodes went/);
});

test("what two nodes held is made anew when both die at once, so that two more may", async () => {
  const fleet = await startFleet(8);
  const job = await fleet.begin({ code: { d: 2, p: 2 } });
  const written = await writeMany(job, 48);
  for (const victims of [fleet.nodeIds.slice(0, 2), fleet.nodeIds.slice(2, 4)]) {
    await Promise.all(victims.map((node) => fleet.kill(node)));
    await expectAllRight(job, written);
    await fleet.untilDead(...victims);
    await untilRepaired(fleet);
  }
  expect(fleet.map.nodes).toHaveLength(4);
  await expectAllRight(job, written);
});

test("a node dies while what another held is being made anew", async () => {
  const fleet = await startFleet(7);
  const job = await fleet.begin({ code: { d: 2, p: 2 } });
  const written = await writeMany(job, 64);
  const [first, second] = fleet.nodeIds as [NodeId, NodeId];
  await fleet.kill(first);
  await fleet.untilDead(first);
  await fleet.kill(second);
  await fleet.untilDead(second);
  await untilRepaired(fleet);
  const { relocation, survives } = await fleet.controller.status();
  expect(relocation).toMatchObject({ objects: 0, atRisk: 0, lostObjects: 0 });
  expect(relocation.movedObjects).toBeGreaterThan(0);
  await until("and says that two losses are survived", async () => {
    return /survive.*2 nodes at once/.test((await fleet.controller.status()).survives.join("\n"));
  }).catch(() => expect(survives.join("\n")).toMatch(/2 nodes at once/));
  await expectAllRight(job, written);
});

test("with 4+2 on six nodes, three die at once: objects are LOST by name, and so are keys whose whole row died", async () => {
  const fleet = await startFleet(6);
  const job = await fleet.begin({ code });
  const whole = await writeMany(job, 48);
  const rowless = keysWhere(fleet.map, "never-", 3, (row) =>
    row.every((node) => fleet.nodeIds.indexOf(node) > 2),
  );
  const victims = fleet.nodeIds.slice(3);
  const died = new Set<NodeId>(victims);
  const unread = new Set(
    whole.flatMap(({ key }) => (rowOf(fleet.map, key).every((node) => died.has(node)) ? key : [])),
  );
  await Promise.all(victims.map((node) => fleet.kill(node)));
  await fleet.untilDead(...victims);

  // Every stripe lay on all six nodes, so every object is lost; cells are as their rows were.
  const isObject = ({ bytes }: Written): boolean => bytes.length > 16_384;
  expect(unread.size).toBeGreaterThan(0);
  const expected = new Map(
    whole.map((one) => [one.key, isObject(one) || unread.has(one.key) ? "LOST" : "right"]),
  );
  expect(new Set(expected.values())).toEqual(new Set(["LOST", "right"]));
  expect(await readBack(whole, ({ key }) => job.get(key))).toEqual(expected);
  expect(await readBack(whole.filter(isObject), ({ ref }) => job.get(ref))).toEqual(
    new Map(whole.filter(isObject).map(({ key }) => [key, "LOST"])),
  );
  const lost = whole.find((one) => isObject(one) && !unread.has(one.key))!;
  const error = await job.get(lost.ref).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "LOST", refs: [lost.ref.toString()] });
  // Nobody knows whether there was something at these: that is not the same as nothing.
  for (const key of rowless) await expect(job.get(key)).rejects.toMatchObject({ code: "LOST" });
  await expect(job.put(rowless[0]!, "x", { ifAbsent: true })).rejects.toMatchObject({ code: "LOST" });
  await job.put(rowless[0]!, "x");
  expect(Buffer.from(await job.get(rowless[0]!)).toString()).toBe("x");
  // A job that begins now has lost nothing.
  const later = await fleet.begin({ code: { d: 1, p: 1 } });
  await expect(later.get(rowless[1]!)).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("with room to spare, three nodes die and objects that kept enough shards are read, the others are LOST", async () => {
  const fleet = await startFleet(7);
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  const written = await Promise.all(
    Array.from({ length: 60 }, (_, n) => write(job, `key-${n}`, 20_000 + n * 1000)),
  );
  const victims = fleet.nodeIds.slice(0, 3);
  await Promise.all(victims.map((node) => fleet.kill(node)));
  await fleet.untilDead(...victims);
  const dead = new Set(victims);
  const expected = new Map(
    written.map(({ key, ref }) => {
      const gone = ref.stripes![0]!.filter((node) => dead.has(node)).length;
      return [key, gone > 1 ? "LOST" : "right"];
    }),
  );
  expect(new Set(expected.values())).toEqual(new Set(["LOST", "right"]));
  expect(await readBack(written, ({ ref }) => job.get(ref))).toEqual(expected);
});

test("a node dies amid many puts: all are made in time, and are there", async () => {
  const fleet = await startFleet(7);
  const job = await fleet.begin({ code });
  const timeoutMs = 6000;
  const slackMs = 2000;
  const acknowledged: Written[] = [];
  const failures: MayflyError[] = [];
  const overdue: number[] = [];
  let killed: Promise<void> | undefined;
  let next = 0;
  const writer = async (): Promise<void> => {
    for (let n = next++; n < 400; n = next++) {
      const bytes = anyBytes(sizes[n % (sizes.length - 1)]!);
      const startMs = performance.now();
      try {
        const ref = await job.put(`key-${n}`, bytes, { timeoutMs });
        acknowledged.push({ key: `key-${n}`, bytes, ref });
      } catch (thrown) {
        failures.push(MayflyError.from(thrown));
      }
      const tookMs = performance.now() - startMs;
      if (tookMs > timeoutMs + slackMs) overdue.push(tookMs);
      if (acknowledged.length === 100) killed ??= fleet.kill(fleet.nodeIds[2]!);
    }
  };
  await Promise.all(Array.from({ length: 32 }, writer));
  await killed;
  expect(killed).toBeDefined();
  expect(overdue).toEqual([]);
  // Others take over what it led, and its shards go to the node that is left to spare.
  expect(failures).toEqual([]);
  expect(acknowledged).toHaveLength(400);
  await expectAllRight(job, acknowledged);
});
