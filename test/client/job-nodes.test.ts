/** What callers see when nodes leave a fleet: each test has a fleet of its own to take apart. */
import { expect, onTestFinished, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import { encodeMap } from "../../src/placement/map-codec.ts";
import { stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import {
  type InProcessFleet,
  type InProcessFleetOptions,
  startInProcessFleet,
} from "../support/in-process-fleet.ts";
import { RawClient } from "../support/raw-client.ts";
import { until } from "../support/until.ts";
import { anyBytes } from "../support/written-keys.ts";

const code = (expected: string) => expect.objectContaining({ code: expected });

async function startFleet(options: InProcessFleetOptions): Promise<InProcessFleet> {
  const fleet = await startInProcessFleet({ nodeMemoryBytes: 16 * 2 ** 20, ...options });
  onTestFinished(() => fleet.stop());
  return fleet;
}

async function infoOf(fleet: InProcessFleet, node: number, name: string): Promise<string> {
  const client = await RawClient.open(fleet.node(node));
  const info = String(await client.send("INFO"));
  client.socket.destroy();
  return new RegExp(`^${name}:(.*)\r$`, "m").exec(info)?.[1] ?? "";
}

/** The node leaves, and all others know it. */
async function leave(fleet: InProcessFleet, id: number): Promise<void> {
  await fleet.node(id).stop();
  const others = fleet.nodes.filter(
    (node) => node.nodeId !== id && fleet.map.nodes.some((n) => n.id === node.nodeId && n.state === "active"),
  );
  await until("all nodes have the newest map", async () => {
    const epochs = await Promise.all(others.map((node) => infoOf(fleet, node.nodeId, "mayfly_epoch")));
    return epochs.every((epoch) => epoch === formatEpoch(fleet.map.epoch));
  });
}

async function listed(job: Job): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of job.list("key")) keys.push(key);
  return keys;
}

test("objects are read without the nodes that left, up to p of them, and new ones go elsewhere", async () => {
  const fleet = await startFleet({ nodes: 6 });
  const job = await fleet.begin({ code: { d: 2, p: 2 } });
  const bytes = anyBytes(1_500_000);
  // A key whose primary stays.
  const stays = fleet.map.nodes[5]!.id;
  const key = Array.from({ length: 1000 }, (_, i) => `key-${i}`).find(
    (name) => fleet.row(name)[0]!.id === stays,
  )!;
  const ref = await job.put(key, bytes);
  const leaving = ref.stripes![0]!.filter((node) => node !== stays).slice(0, 2);
  for (const node of leaving) await leave(fleet, node);
  expect(bytes.equals(await job.get(ref))).toBe(true);
  expect(bytes.equals(await job.get(key))).toBe(true);
  const newer = await job.put(key, bytes);
  for (const node of newer.stripes!.flat()) expect(leaving).not.toContain(node);
  const fresh = await fleet.connect((await fleet.client.newTicket(job.number)).ticket);
  expect(bytes.equals(await fresh.get(key))).toBe(true);
});

test("a commit that names a node which left meanwhile is placed again", async () => {
  const fleet = await startFleet({ nodes: 5 });
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  const bytes = anyBytes(2 * stripeBytesMax({ d: 2, p: 1 }));
  const half = bytes.length / 2;
  const primary = fleet.row("key")[0]!.id;
  let left = 0;
  async function* source(): AsyncGenerator<Buffer> {
    yield bytes.subarray(0, half);
    const holders: number[] = [];
    await until("the first stripe is stored", async () => {
      holders.length = 0;
      for (const { nodeId } of fleet.nodes) {
        if ((await infoOf(fleet, nodeId, "mayfly_shards")) === "1") holders.push(nodeId);
      }
      return holders.length === 3;
    });
    left = holders.find((node) => node !== primary)!;
    await leave(fleet, left);
    yield bytes.subarray(half);
  }
  const ref = await job.put("key", source());
  expect(ref.stripes!.flat()).not.toContain(left);
  for (const nodes of ref.stripes!) expect(new Set(nodes).size).toBe(3);
  expect(bytes.equals(await job.get("key"))).toBe(true);
});

test("with too few nodes an object is refused, plainly, and small values are still taken", async () => {
  const fleet = await startFleet({ nodes: 3 });
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  await job.put("before", anyBytes(200_000));
  await leave(fleet, fleet.nodes[2]!.nodeId);
  const key = Array.from({ length: 1000 }, (_, i) => `key-${i}`).find(
    (name) => fleet.row(name)[0]?.state === "active",
  )!;
  await expect(job.put(key, anyBytes(200_000))).rejects.toMatchObject({
    code: "NOT_ENOUGH_NODES",
    message: expect.stringMatching(/needs 3 nodes and 2/),
  });
  expect(await job.has(key)).toBe(false);
  await job.put(key, "small");
  expect(String(await job.get(key))).toBe("small");
});

test("when a key's primary leaves a backup takes its place: all is there, and writes go on", async () => {
  const fleet = await startFleet({ nodes: 4, backups: 1 });
  const job = await fleet.begin({ code: { d: 1, p: 1 } });
  const version = (await job.put("key", "value")).version;
  await job.put("gone", "x", { ifAbsent: true });
  await job.delete("gone");
  for (let left = 0; left < 2; left++) {
    const [primary] = fleet.row("key").map((node) => node.id);
    await leave(fleet, primary!);
    expect(String(await job.get("key"))).toBe(left === 0 ? "value" : "newer");
    expect(await job.has("gone")).toBe(false);
    if (left === 0) await job.put("key", "newer", { ifVersion: version! });
    expect(await listed(job)).toEqual(["key"]);
    // The next one to leave must find its place taken, in every row: keys are listed in all of them.
    await until("all rows are full again", () => fleet.map.rows.every(({ nodes }) => nodes.length === 2));
  }
  // A function that starts now finds its way too.
  const fresh = await fleet.connect((await fleet.client.newTicket(job.number)).ticket);
  expect(String(await fresh.get("key"))).toBe("newer");
});

test("with all members of its row a key is lost, and said to be so to the jobs of then", async () => {
  const fleet = await startFleet({ nodes: 3, backups: 0 });
  const job = await fleet.begin({ code: { d: 1, p: 1 } });
  await job.put("key", "value");
  const [primary] = fleet.row("key").map((node) => node.id);
  await leave(fleet, primary!);
  await expect(job.get("key")).rejects.toThrow(code("LOST"));
  await expect(job.put("key", "x", { ifAbsent: true })).rejects.toThrow(code("LOST"));
  await expect(listed(job)).rejects.toThrow(code("LOST"));
  await job.put("key", "again");
  expect(String(await job.get("key"))).toBe("again");
  const younger = await fleet.begin({ code: { d: 1, p: 1 } });
  expect(await younger.has("key")).toBe(false);
});

test("while nobody leads a key its calls wait for their deadline, and say why they failed", async () => {
  const fleet = await startFleet({ nodes: 3, backups: 1 });
  const job = await fleet.begin({ code: { d: 1, p: 1 } });
  await job.put("key", "value");
  await job.get("key");
  // The map that the client will find: a row without anybody.
  const headless = { ...fleet.map, epoch: { term: fleet.map.epoch.term, n: fleet.map.epoch.n + 1000 } };
  const rows = headless.rows.map((row) => ({ ...row, generation: row.generation + 1, nodes: [] }));
  for (const node of fleet.nodes) {
    const client = await RawClient.open(node);
    await client.send("HELLO", 3, "AUTH", "node-9", fleet.fleetToken(9));
    expect(await client.tagged("MF.MAP.OFFER", encodeMap({ ...headless, rows }))).toBe("OK");
  }
  const timeoutMs = 400;
  for (const call of [() => job.get("key", { timeoutMs }), () => job.put("key", "x", { timeoutMs })]) {
    await expect(call()).rejects.toMatchObject({
      code: "DEADLINE_EXCEEDED",
      message: expect.stringMatching(/No node leads/),
    });
  }
});
