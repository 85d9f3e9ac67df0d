/** Durable objects on real stores, with node processes that are killed: what was acknowledged is there, whatever died. */
import { GetObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Job } from "../../client/job.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import { openObjectStore } from "../../src/durable/open-store.ts";
import type { NodeId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import { parseDurableName } from "../../src/wire/durable-name.ts";
import { startFleet, type TestFleet } from "../support/fleet.ts";
import { useS3Server } from "../support/s3-server.ts";
import { useTemporaryFolder } from "../support/temporary-folder.ts";
import { until } from "../support/until.ts";
import { anyBytes } from "../support/written-keys.ts";

const s3 = useS3Server();
const folder = useTemporaryFolder();
const stores: [string, () => string][] = [
  ["S3", () => s3.url()],
  ["a folder", () => `file://${folder()}`],
];

/** Inline, one short stripe, several stripes. */
const sizes = [0, 900, 20_000, 1_500_000];
const code = { d: 2, p: 1 };

interface Put {
  readonly key: string;
  readonly data: Buffer;
}

async function putAll(job: Job, round: string, count: number): Promise<Put[]> {
  const puts = Array.from({ length: count }, (_, at) => ({
    key: `out/${round}/${at}`,
    data: anyBytes(sizes[at % sizes.length]!),
  }));
  await Promise.all(puts.map(({ key, data }) => job.put(key, data, { durable: true })));
  return puts;
}

async function killAll(fleet: TestFleet): Promise<void> {
  await Promise.all(fleet.nodeIds.map((node) => fleet.kill(node)));
}

/** The newest name of each key in the store. */
async function currentNames(url: string): Promise<Map<string, string>> {
  const store = await openObjectStore(url, { clock: systemClock, rng: systemRng });
  const names = new Map<string, string>();
  for await (const { name } of store.list("")) {
    const parsed = parseDurableName(name);
    if (parsed !== undefined) names.set(Buffer.from(parsed.key).toString(), name);
  }
  store.close();
  return names;
}

describe.each(stores)("on %s", (_, urlOf) => {
  test("everything is killed at once: what was acknowledged is there, for tools and for the next job", async () => {
    const durableUrl = urlOf();
    const fleet = await startFleet(4, { durableUrl });
    const job = await fleet.begin({ code });
    const puts = await putAll(job, "a", 12);
    await job.put("kept", "by persist");
    const { from } = await job.persist("kept");
    const overwritten = puts[1]!;
    await job.put(overwritten.key, "newer", { durable: true });
    await killAll(fleet);

    const names = await currentNames(durableUrl);
    const store = await openObjectStore(durableUrl, { clock: systemClock, rng: systemRng });
    onTestFinished(() => store.close());
    for (const { key, data } of puts) {
      const expected = key === overwritten.key ? Buffer.from("newer") : data;
      expect(expected.equals(await store.get(names.get(key)!)), key).toBe(true);
    }
    const next = await startFleet(3, { durableUrl });
    const reader = await next.begin();
    expect(await reader.import(from!)).toMatchObject({ objects: 13 });
    expect(String(await reader.get("kept"))).toBe("by persist");
    for (const { key, data } of puts.filter((put) => put !== overwritten)) {
      expect(data.equals(await reader.get(key)), key).toBe(true);
      const range = { start: data.length >> 2, end: data.length >> 1 };
      expect(data.subarray(range.start, range.end).equals(await reader.get(key, { range })), key).toBe(true);
    }
    expect(String(await reader.get(overwritten.key))).toBe("newer");
  });

  test("a node is killed under durable puts: all succeed, and the newest name of each key is what it holds", async () => {
    const durableUrl = urlOf();
    const fleet = await startFleet(5, { durableUrl });
    const job = await fleet.begin({ code: { d: 2, p: 2 } });
    await job.put("warm", "up", { durable: true });
    const victim = fleet.map.rows[groupOf(Buffer.from("out/1/0"))]!.nodes[0] as NodeId;
    const puts: Put[] = [];
    const writing = (async () => {
      for (let round = 0; round < 6; round++) puts.push(...(await putAll(job, "1", 24)));
    })();
    await until("some are written", () => puts.length > 0);
    await fleet.kill(victim);
    await writing;
    const last = new Map(puts.map(({ key, data }) => [key, data]));
    const names = await currentNames(durableUrl);
    const store = await openObjectStore(durableUrl, { clock: systemClock, rng: systemRng });
    onTestFinished(() => store.close());
    for (const [key, data] of last) {
      expect(data.equals(await job.get(key)), key).toBe(true);
      expect(data.equals(await store.get(names.get(key)!)), key).toBe(true);
    }
  });
});

test("any S3 tool lists and reads what is durable", async () => {
  const fleet = await startFleet(3, { durableUrl: s3.url("tools") });
  const job = await fleet.begin();
  await job.put("reports/größe 1.csv", "a,b\n1,2\n", { durable: true });
  const client = new S3Client({ endpoint: s3.endpoint, region: "us-east-1", forcePathStyle: true });
  onTestFinished(() => client.destroy());
  // What the fleet keeps there for itself is not looked at.
  const durable = async (): Promise<string[]> => {
    const command = new ListObjectsV2Command({ Bucket: s3.bucket, Prefix: "tools/" });
    const { Contents = [] } = await client.send(command);
    return Contents.flatMap(({ Key = "" }) => (Key.includes("/durable/") ? [Key] : []));
  };
  const [Key = "", ...others] = await durable();
  expect(others).toEqual([]);
  expect(Key).toMatch(/^tools\/[0-9a-f]{16}\/durable\/job-1\/reports\/größe 1\.csv@[0-9a-f]{16}$/);
  const { Body } = await client.send(new GetObjectCommand({ Bucket: s3.bucket, Key }));
  expect(await Body!.transformToString()).toBe("a,b\n1,2\n");
  await job.delete("reports/größe 1.csv");
  await until("what was deleted is gone", async () => (await durable()).length === 0);
});
