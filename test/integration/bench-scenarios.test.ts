/** The scenarios that need no peer to be installed, each with its shortest case: they run, and clean up. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import type { ChurnRequest, ChurnResult } from "../../bench/drivers/churn-mix.ts";
import type { DriverRun } from "../../bench/drivers/run-driver.ts";
import type { BenchOptions, BenchReport } from "../../bench/harness/report.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { ownTmpdir } from "../support/own-tmpdir.ts";

ownTmpdir();

type Scenario = (options: BenchOptions) => Promise<BenchReport>;

async function run(module: string, name: string, only: string): Promise<BenchReport> {
  const scenarios = (await import(builtModuleUrl(`bench/${module}.js`))) as Record<string, Scenario>;
  const { signal } = new AbortController();
  return scenarios[name]!({ rounds: 1, only, signal, log: () => undefined });
}

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("mayfly-sdk-"));

test("the start scenario tells the SDK's size and when a function has its first value", async () => {
  const before = leftovers();
  const { cases } = await run("start", "benchStart", "sdk");
  const byName = new Map(cases.map((each) => [each.case, each.mayfly]));
  expect([...byName.keys()]).toEqual([
    "sdk bundle",
    "sdk first read",
    "sdk first read bundled",
    "sdk first read 1MiB bundled",
  ]);
  expect(byName.get("sdk bundle")!["bytes"]).toBeGreaterThan(byName.get("sdk bundle")!["gzipBytes"]!);
  const { importMs, firstReadMs, fromSpawnMs } = byName.get("sdk first read bundled")!;
  expect(importMs).toBeLessThan(firstReadMs!);
  expect(firstReadMs).toBeLessThan(fromSpawnMs!);
  expect(leftovers()).toEqual(before);
});

test("the start scenario tells when a node serves", async () => {
  const { cases } = await run("start", "benchStart", "node ready");
  expect(cases).toHaveLength(1);
  expect(cases[0]!.mayfly["readyMs"]).toBeLessThan(cases[0]!.mayfly["servesMs"]!);
});

test("the controller scenario begins and ends jobs, beside a server that only answers", async () => {
  const { cases } = await run("controller", "benchController", "job create");
  expect(cases).toMatchObject([{ case: "job create and end", peers: { "node-http": {} } }]);
  expect(cases[0]!.mayfly["requestsPerSecond"]).toBeGreaterThan(0);
  expect(cases[0]!.ratios["node-http"]).toBeGreaterThan(0);
});

test("the churn of a store tells what is usable, and what cleaning cost", async () => {
  const { runDriver } = (await import(builtModuleUrl("bench/drivers/run-driver.js"))) as {
    runDriver(run: DriverRun): Promise<unknown>;
  };
  const request: ChurnRequest = { mix: "uniform", limitBytes: 160 * 2 ** 20, timesWritten: 3 };
  const { signal } = new AbortController();
  const run = { driver: "churn-store", request, cores: undefined, withinMs: 30_000, signal };
  const result = (await runDriver(run)) as ChurnResult;
  expect(result.usableShare).toBeGreaterThan(result.usableShareMin);
  expect(result.usableShare).toBeLessThan(1);
  expect(result.movedShare).toBeGreaterThan(0);
  await expect(runDriver({ ...run, request: { ...request, mix: "none", limitBytes: 0 } })).rejects.toThrow(
    "memory limit",
  );
});
