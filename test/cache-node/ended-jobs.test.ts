/** Jobs end, or lapse, while all nodes are busy: what they held is given back at once, everywhere, and stays so. */
import { randomBytes } from "node:crypto";
import { expect, onTestFinished, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { RespWriter } from "../../src/wire/resp-writer.ts";
import {
  type InProcessFleet,
  type InProcessFleetOptions,
  startInProcessFleet,
} from "../support/in-process-fleet.ts";
import { askNodeInfo } from "../support/node-info.ts";
import { errorPrefix, type RawClient } from "../support/raw-client.ts";
import { until } from "../support/until.ts";
import { KeyClient, openAt } from "./commands/key-client.ts";

const code = { d: 2, p: 1 };
const bytes = Buffer.alloc(400_000, "mayfly");
const shardBytes = 512 * 1024;

async function begin(options: Partial<InProcessFleetOptions> = {}): Promise<InProcessFleet> {
  const fleet = await startInProcessFleet({ nodes: 4, nodeMemoryBytes: 64 * 2 ** 20, ...options });
  onTestFinished(() => fleet.stop());
  return fleet;
}

/** Objects and cells, over and over, until the test has ended or the job has. Resolves to why it stopped. */
function writeOn(job: Job, name: string): { readonly ended: Promise<unknown>; readonly count: () => number } {
  let stopped = false;
  let count = 0;
  onTestFinished(() => {
    stopped = true;
  });
  const run = async (lane: number): Promise<unknown> => {
    for (let n = 0; !stopped; n++) {
      try {
        await job.put(`${name}-${lane}-${n % 10}`, lane % 2 === 0 ? bytes : "a small value");
        count++;
      } catch (error) {
        return error;
      }
    }
    return undefined;
  };
  return { ended: Promise.all([0, 1, 2, 3].map(run)), count: () => count };
}

/** How many jobs have memory on each node, and how much is taken of it. */
async function infos(fleet: InProcessFleet) {
  return await Promise.all(fleet.nodes.map((node) => askNodeInfo(node)));
}

async function putShard(client: RawClient) {
  const [sums, payload] = [Buffer.alloc(8), Buffer.alloc(16_384)];
  return await client.tagged("MF.SHARD.PUT", randomBytes(16), 0, 0, sums, payload);
}

/** A key whose primary is the node. */
function keyAt(fleet: InProcessFleet, node: number): string {
  for (let n = 0; ; n++) if (fleet.row(`late-${n}`)[0]!.id === node) return `late-${n}`;
}

test("a job that is ended while it and others write is freed on every node within a second", async () => {
  // No heartbeat comes in that time: nodes hear of it by what they wait for.
  const fleet = await begin({ heartbeatMs: 5000 });
  const steady = writeOn(await fleet.begin({ code, name: "steady" }), "steady");
  const { job, ticket, token } = await fleet.createJob({ code, name: "etl" });
  const etl = await fleet.connect(ticket);
  for (let n = 0; n < 60; n++) await etl.put(`kept-${n}`, bytes);
  const writers = writeOn(etl, "etl");
  const late = await Promise.all(fleet.nodes.map((node) => openAt(fleet, node.nodeId, job.job)));
  const lateKeys = await Promise.all(
    fleet.nodes.map((node) => KeyClient.open(fleet, keyAt(fleet, node.nodeId), job.job)),
  );
  // One shard is on its way when the job ends.
  const halfSent = await openAt(fleet, fleet.nodes[0]!.nodeId, job.job);
  const writer = new RespWriter();
  const sums = Buffer.alloc((shardBytes / 16_384) * 8);
  writer.command(["MF.SHARD.PUT", 0, randomBytes(16), 0, 0, sums, Buffer.alloc(shardBytes)]);
  const command = Buffer.concat(writer.take());
  halfSent.writeRaw(command.subarray(0, command.length / 2));
  await until("both write at speed", () => steady.count() > 40 && writers.count() > 40);
  const before = await infos(fleet);
  expect(before.map(({ jobs }) => jobs)).toEqual([2, 2, 2, 2]);

  const written = steady.count();
  await fleet.client.endJob(job.job, token);
  await until(
    "every node has freed it",
    async () => (await infos(fleet)).every(({ jobs }) => jobs === 1),
    1000,
  );
  const after = await infos(fleet);
  for (const [at, { usedBytes }] of after.entries())
    expect(usedBytes).toBeLessThan(before[at]!.usedBytes - 5e6);
  expect(await writers.ended).toContainEqual(expect.objectContaining({ code: "JOB_ENDED" }));
  halfSent.writeRaw(command.subarray(command.length / 2));
  expect(errorPrefix(await halfSent.next())).toBe("JOBENDED");
  for (const client of late) {
    expect(errorPrefix(await putShard(client))).toBe("JOBENDED");
  }
  for (const key of lateKeys) expect(errorPrefix(await key.set("late"))).toBe("JOBENDED");

  const again = await fleet.createJob({ code, name: "etl" });
  expect(again.job.job).toBe(job.job + 1);
  const second = await fleet.connect(again.ticket);
  expect(await second.list().next()).toMatchObject({ done: true });
  await expect(second.get("kept-1")).rejects.toMatchObject({ code: "NOT_FOUND" });
  await second.put("kept-1", "of the new one");
  expect(Buffer.from(await second.get("kept-1")).toString()).toBe("of the new one");
  await until("the others go on", () => steady.count() > written + 40);
  expect((await infos(fleet)).every(({ jobs }) => jobs <= 2)).toBe(true);
});

test("a job that lapses while others write is freed everywhere within a second of its end", async () => {
  const fleet = await begin({ heartbeatMs: 200 });
  const steady = writeOn(await fleet.begin({ code, name: "steady" }), "steady");
  const leases = { leaseMs: 1000, graceMs: 500 };
  const { job, ticket } = await fleet.createJob({ code, name: "idle", ...leases });
  const idle = await fleet.connect(ticket);
  for (let n = 0; n < 40; n++) await idle.put(`kept-${n}`, bytes);
  const usedAtMs = performance.now();
  const isOver = (): boolean => !fleet.controller.state.jobs.some(({ number }) => number === job.job);
  await until("it has lapsed", isOver);
  // A heartbeat that tells of the last use, and a look of the controller's.
  expect(performance.now() - usedAtMs).toBeGreaterThan(1400);
  await until(
    "every node has freed it",
    async () => (await infos(fleet)).every(({ jobs }) => jobs === 1),
    1000,
  );
  await expect(idle.get("kept-1")).rejects.toMatchObject({ code: "JOB_ENDED" });
  await expect(idle.put("late", bytes)).rejects.toMatchObject({ code: "JOB_ENDED" });
  const written = steady.count();
  await until("the others go on", () => steady.count() > written);
});

test("what expires is gone on all members of its row, by an effect of the primary", async () => {
  const fleet = await begin();
  const job = await fleet.begin({ code });
  await job.put("cell", "short-lived", { ttlMs: 300 });
  await job.put("object", bytes, { ttlMs: 300 });
  const empty = async () => (await infos(fleet)).every(({ shards }) => shards === 0);
  expect(await empty()).toBe(false);
  await until("its shards are freed", empty, 5000);
  for (const key of ["cell", "object"]) {
    await expect(job.get(key)).rejects.toMatchObject({ code: "EXPIRED" });
    // Whoever takes over from the primary says the same.
    const [primary] = fleet.row(key);
    await fleet.node(primary!.id).stop();
    await until("another leads the row", () => fleet.row(key)[0]!.id !== primary!.id);
    await expect(job.get(key)).rejects.toMatchObject({ code: "EXPIRED" });
  }
});
