/** Nodes that die without a word (kill -9): what was acknowledged stays readable, and answers say what happened. */
import { expect, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { MayflyError } from "../../src/errors.ts";
import type { NodeId } from "../../src/ids.ts";
import { startFleet, type TestFleet } from "../support/fleet.ts";
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

function deadNodes({ map, nodeIds }: TestFleet): ReadonlySet<NodeId> {
  const alive = new Set(map.nodes.filter(({ state }) => state !== "dead").map(({ id }) => id));
  return new Set(nodeIds.filter((id) => !alive.has(id)));
}

test("with 4+2, two nodes die one after the other and nothing that was acknowledged is gone", async () => {
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

  const dead = deadNodes(fleet);
  const [orphan] = keysWhere(fleet.map, "new-", 1, (row) => dead.has(row[0]!));
  const [served] = keysWhere(fleet.map, "new-", 1, (row) => !dead.has(row[0]!));
  await expect(job.put(orphan!, "x")).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(job.delete(orphan!)).rejects.toMatchObject({ code: "UNAVAILABLE" });
  await expect(job.put(served!, anyBytes(20_000))).rejects.toMatchObject({ code: "NOT_ENOUGH_NODES" });
  expect(await job.has(served!)).toBe(false);
  await job.put(served!, "y");
  expect(Buffer.from(await job.get(served!)).toString()).toBe("y");
  expect((await fleet.controller.status()).survives.join("\n")).toMatch(/2 nodes went since it began/);
});

test("with 4+2, three nodes die: what has lost too many shards is LOST, by name; the rest is read", async () => {
  const fleet = await startFleet(6);
  const job = await fleet.begin({ code });
  const whole = await writeMany(job, 48);
  const victims = fleet.nodeIds.slice(3);
  await Promise.all(victims.map((node) => fleet.kill(node)));
  await fleet.untilDead(...victims);

  const dead = deadNodes(fleet);
  const gone = ({ ref }: Written): boolean =>
    ref.stripes?.some((nodes) => nodes.filter((node) => dead.has(node)).length > code.p) ?? false;
  const unread = ({ key }: Written): boolean => rowOf(fleet.map, key).every((node) => dead.has(node));
  // Every stripe lies on all six nodes, so every object is lost; cells are as their rows are.
  expect(new Set(whole.filter(gone).map(({ bytes }) => bytes.length > 16_384))).toEqual(new Set([true]));
  expect(new Set(whole.map(unread))).toEqual(new Set([true, false]));

  const expected = new Map(whole.map((one) => [one.key, gone(one) || unread(one) ? "LOST" : "right"]));
  expect(await readBack(whole, ({ key }) => job.get(key))).toEqual(expected);
  expect(await readBack(whole, ({ ref }) => job.get(ref))).toEqual(expected);
  const lost = whole.find((one) => gone(one))!;
  const error = await job.get(lost.ref).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "LOST", refs: [lost.ref.toString()] });
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

test("a node dies amid many puts: those that resolved are there, the others say why, and all end in time", async () => {
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
  // Without its primary a key takes no write; everything else goes on over the node that is left to spare.
  const codes = new Set(failures.map((failure) => failure.code));
  expect([...codes]).toEqual(["UNAVAILABLE"]);
  expect(acknowledged.length).toBeGreaterThan(200);
  await expectAllRight(job, acknowledged);
});
