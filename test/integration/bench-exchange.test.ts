/** The shuffle and exchange scenarios, small, with real servers: what they move is right, and they clean up. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import type { ExchangeScale } from "../../bench/exchange-cases.ts";
import type { ChartedReport } from "../../bench/harness/charts.ts";
import type { BenchOptions, BenchReport } from "../../bench/harness/report.ts";
import { startRedisServer } from "../../bench/peers/redis-server.ts";
import { startFastestS3Server } from "../../bench/peers/s3-servers.ts";
import { openShuffleStore, type ShuffleTarget } from "../../bench/peers/shuffle-store.ts";
import type { ShuffleScale } from "../../bench/shuffle-cases.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { ownTmpdir } from "../support/own-tmpdir.ts";

ownTmpdir();

const options = (lines: string[], only?: string): BenchOptions => ({
  ...{ rounds: 1, only, signal: new AbortController().signal },
  log: (line) => void lines.push(line),
});

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => /^mayfly-(?:redis|s3)-/.test(name));

function expectCompared({ peers, ratios }: BenchReport["cases"][number]): void {
  for (const [name, figures] of Object.entries(peers)) {
    if ("absent" in figures) expect(figures.absent).toContain("npm run install-peers");
    else expect(ratios[name]).toBeGreaterThan(0);
  }
}

test("the shuffle scenario moves the right bytes on every store, and leaves nothing behind", async () => {
  const { benchShuffle } = (await import(builtModuleUrl("bench/shuffle.js"))) as {
    benchShuffle(options: BenchOptions, scale: ShuffleScale): Promise<ChartedReport>;
  };
  const before = leftovers();
  const scale = { bytes: 2e6, sides: [4], workers: [2], nodeMemoryBytes: 64 * 2 ** 20 };
  const report = await benchShuffle(options([]), scale);
  expect(report).toMatchObject({ scenario: "shuffle", cases: [{ case: "shuffle 4x4 2MB x2 workers" }] });
  const [measured] = report.cases as [BenchReport["cases"][number]];
  expect(Object.keys(measured.peers)).toEqual([
    ...["redis-multi-key", "redis-pipeline", "s3-ranges", "s3-blocks"],
  ]);
  expectCompared(measured);
  for (const figure of ["mbPerSecond", "mapSeconds", "reduceSeconds", "mapRequests", "clientCpuSeconds"])
    expect(measured.mayfly[figure]).toBeGreaterThan(0);
  expect(report.charts.map(({ lines }) => lines[0]!.points)).toEqual([
    [[16, measured.mayfly["mbPerSecond"]]],
  ]);
  expect(leftovers()).toEqual(before);
});

test("the exchange scenario hands messages over, and lets all pass the barrier", async () => {
  const { benchExchange } = (await import(builtModuleUrl("bench/exchange.js"))) as {
    benchExchange(options: BenchOptions, scale: ExchangeScale): Promise<BenchReport>;
  };
  const before = leftovers();
  const { cases } = await benchExchange(options([]), { roundTrips: 10, clients: 12, processes: 3 });
  expect(cases.map((each) => each.case)).toEqual([
    ...["hand-over 16KiB", "hand-over 1KiB", "barrier of 12 clients"],
  ]);
  for (const { mayfly } of cases.slice(0, 2))
    expect(mayfly["p99Ms"]!).toBeGreaterThanOrEqual(mayfly["p50Ms"]!);
  for (const each of cases) expectCompared(each);
  const { firstReleaseMs, lastReleaseMs } = cases[2]!.mayfly;
  expect(firstReleaseMs!).toBeGreaterThan(0);
  expect(lastReleaseMs!).toBeGreaterThanOrEqual(firstReleaseMs!);
  expect(leftovers()).toEqual(before);
});

/** A peer that is not installed fails the test, with the line to type. */
async function redisPlace(): Promise<{ host: string; port: number }> {
  const server = await startRedisServer();
  if ("absent" in server) throw new Error(server.absent);
  onTestFinished(() => server.stop());
  return { host: "127.0.0.1", port: server.port };
}

async function s3Place() {
  const server = await startFastestS3Server(() => undefined);
  if ("absent" in server) throw new Error(server.absent);
  onTestFinished(() => server.stop());
  return server.place;
}

test.each([
  ["redis, MSET", async () => ({ redis: { ...(await redisPlace()), batches: "multi-key" } })],
  ["redis, pipelines", async () => ({ redis: { ...(await redisPlace()), batches: "pipeline" } })],
  ["S3, ranges", async () => ({ s3: { ...(await s3Place()), objects: "run" } })],
  ["S3, blocks", async () => ({ s3: { ...(await s3Place()), objects: "block" } })],
] satisfies readonly (readonly [string, () => Promise<ShuffleTarget>])[])(
  "%s: several runs of a map, empty blocks, blocks larger than a batch; what is deleted is gone",
  async (_, targetOf) => {
    const target = await targetOf();
    const [writing, reading] = [await openShuffleStore(target), await openShuffleStore(target)];
    onTestFinished(async () => void (await Promise.all([writing.close(), reading.close()])));
    const shape = { name: "it", maps: 2, partitions: 3 };
    const shuffle = writing.shuffle(shape);
    const large = Buffer.alloc(700_000, "large");
    const first = shuffle.writer(0);
    await first.writeRun(Buffer.from("aabbb"), [2, 0, 3], [1, 0, 1]);
    await first.writeRun(Buffer.concat([large, Buffer.from("c")]), [700_000, 0, 1], [7, 2, 1]);
    await first.commit();
    await expect(collect(reading.shuffle(shape).reader(0))).rejects.toThrow();
    const second = shuffle.writer(1);
    await second.commit();
    const others = reading.shuffle(shape);
    expect(await collect(others.reader(0))).toEqual([
      [0, 1, "aa"],
      [0, 7, large.toString()],
    ]);
    expect(await collect(others.reader(1))).toEqual([[0, 2, ""]]);
    expect(await collect(others.reader(2))).toEqual([
      [0, 1, "bbb"],
      [0, 1, "c"],
    ]);
    expect(reading.requests()).toBeGreaterThan(0);
    await others.delete();
    await expect(collect(writing.shuffle(shape).reader(0))).rejects.toThrow();
  },
);

async function collect(
  blocks: AsyncIterable<{ map: number; records: number; data: Uint8Array }>,
): Promise<[number, number, string][]> {
  const all: [number, number, string][] = [];
  for await (const { map, records, data } of blocks) all.push([map, records, Buffer.from(data).toString()]);
  return all;
}
