/** The sort with everything real, and as much of it killed as it promises to survive. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock, systemRng } from "../../src/clock.ts";
import type { Executor } from "../../src/executor/executor.ts";
import type { LocalExecutorOptions } from "../../src/executor/local-executor.ts";
import type { TaskOptions } from "../../src/executor/task-executor.ts";
import type { Code } from "../../src/placement/types.ts";
import { createRecordKernel, type RecordFormat } from "../../src/sort/record-kernel.ts";
import type { SortResult, SortRun } from "../../src/sort/run-sort.ts";
import { createSortOutput } from "../../src/sort/sort-output.ts";
import { planSort } from "../../src/sort/sort-plan.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { startFleet, type TestFleet } from "../support/fleet.ts";

const codeDefault: Code = { d: 4, p: 2 };

interface Sort {
  readonly records: number;
  readonly workers: number;
  readonly format: RecordFormat;
  readonly maps?: number;
  readonly code?: Code;
  readonly tasks?: TaskOptions;
  readonly outputPath?: string;
  readonly betweenPhases?: () => Promise<void>;
  readonly onProgress?: SortRun["onProgress"];
}

/** Executor and functions come from the build, since functions are processes; the fleet is the test's. */
async function sort(fleet: TestFleet, what: Sort): Promise<SortResult> {
  const { runSort } = (await import(builtModuleUrl("src/sort/run-sort.js"))) as {
    runSort: (run: SortRun) => Promise<SortResult>;
  };
  const { createLocalExecutor } = (await import(builtModuleUrl("src/executor/local-executor.js"))) as {
    createLocalExecutor: (options: LocalExecutorOptions) => Executor;
  };
  const { records, workers, format, maps, outputPath, tasks, code = codeDefault } = what;
  const { ticket } = await fleet.createJob({ code });
  const executor = createLocalExecutor({
    ...{ workers, ticket, execArgv: ["--no-liftoff"], clock: systemClock, rng: systemRng },
    ...tasks,
  });
  onTestFinished(() => executor.close());
  const bytes = records * 100;
  return runSort({
    ...{ clock: systemClock, rng: systemRng, executor, workers, code },
    job: await fleet.connect(ticket),
    plan: planSort({ bytes, workers, nodes: 6, code, ...(maps !== undefined && { maps }) }),
    input: { generate: format },
    output: outputPath === undefined ? undefined : await createSortOutput(outputPath, bytes, systemRng),
    betweenPhases: what.betweenPhases ?? (async () => undefined),
    onProgress: what.onProgress ?? (() => undefined),
  });
}

/** Whether the file holds the generated records, each as often, in the order of their keys. */
function isSortOf(
  path: string,
  records: number,
  format: RecordFormat,
): { ordered: boolean; complete: boolean } {
  const bytes = records * 100;
  const kernel = createRecordKernel({ regions: { generated: bytes, read: bytes } });
  const { generated, read } = kernel.regions;
  kernel.generate(generated.at, 0, records, format);
  const output = readFileSync(path);
  if (output.length !== bytes) return { ordered: false, complete: false };
  kernel.bytes.set(output, read.at);
  return {
    ordered: kernel.checkOrder(read.at, records).disorderAt === -1,
    complete: kernel.checksum(read.at, records) === kernel.checksum(generated.at, records),
  };
}

/** Function processes that this process has started; an empty list where the system does not tell. */
function functionPids(): number[] {
  const read = (path: string): string => {
    try {
      return readFileSync(path, "latin1");
    } catch {
      return "";
    }
  };
  if (process.platform !== "linux") return [];
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes("local-function.js"))
    .filter((pid) => read(`/proc/${pid}/status`).includes(`\nPPid:\t${process.pid}\n`))
    .map(Number);
}

test("two nodes are killed between map and reduce of 10^6 records, and the checksum is the official one", async () => {
  const fleet = await startFleet(6);
  const result = await sort(fleet, {
    ...{ records: 1_000_000, workers: 2, format: {} },
    betweenPhases: async () => {
      await Promise.all(fleet.nodeIds.slice(1, 3).map((node) => fleet.kill(node)));
    },
  });
  expect(result).toMatchObject({
    ...{ records: 1_000_000, checksum: "7a0e0d4868cd4", duplicateKeys: 0, ordered: true },
    ...{ firstKey: "0000033698a40790b743", lastKey: "fffffabd932c1e4baa50" },
  });
});

test("more nodes are killed than parity replaces, and the maps whose output was lost run again", async () => {
  const fleet = await startFleet(6);
  const result = await sort(fleet, {
    ...{ records: 200_000, workers: 2, format: {}, maps: 60, code: { d: 2, p: 1 } },
    betweenPhases: async () => {
      await Promise.all(fleet.nodeIds.slice(1, 3).map((node) => fleet.kill(node)));
    },
  });
  expect(result).toMatchObject({ records: 200_000, checksum: sumOf(200_000), ordered: true });
  // An output is lost when both are among its three nodes, as one of five is.
  expect(result.mapsRunAgain).toBeGreaterThan(0);
});

test("functions that are ended at random points, duplicates of slow ones and a killed node change nothing", async () => {
  const fleet = await startFleet(7);
  const dir = mkdtempSync(join(tmpdir(), "mayfly-sort-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const outputPath = join(dir, "sorted");
  const result = await sort(fleet, {
    ...{ records: 200_000, workers: 2, format: {}, maps: 16, outputPath },
    tasks: { failRate: 0.3, speculate: true, attemptsMax: 6 },
    betweenPhases: () => fleet.kill(fleet.nodeIds[3]!),
  });
  expect(result).toMatchObject({ records: 200_000, checksum: sumOf(200_000), ordered: true });
  expect(isSortOf(outputPath, 200_000, {})).toEqual({ ordered: true, complete: true });
});

/** The checksum of so many generated records, as valsort prints it. */
function sumOf(records: number): string {
  const kernel = createRecordKernel({ regions: { records: records * 100 } });
  const { at } = kernel.regions.records;
  kernel.generate(at, 0, records, {});
  return kernel.checksum(at, records).toString(16);
}

test("20 MB of each format are sorted by workers that are killed in map and in reduce", async () => {
  const fleet = await startFleet(6);
  const dir = mkdtempSync(join(tmpdir(), "mayfly-sort-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  await sortWithKills(fleet, 2, {}, join(dir, "binary"));
  await sortWithKills(fleet, 1, { ascii: true }, join(dir, "ascii"));
  await sortWithKills(fleet, 2, { skew: true }, join(dir, "skewed"));
});

async function sortWithKills(
  fleet: TestFleet,
  workers: number,
  format: RecordFormat,
  outputPath: string,
): Promise<void> {
  const records = 200_000;
  const killedIn = new Map<string, number>();
  const result = await sort(fleet, {
    ...{ records, workers, format, maps: 5, outputPath },
    onProgress: (phase) => {
      if (killedIn.has(phase) || phase === "reduce") return;
      // One in each phase: a function may lose its process twice and no more.
      const [pid] = functionPids();
      killedIn.set(phase, pid ?? 0);
      if (pid !== undefined) process.kill(pid, "SIGKILL");
    },
  });
  expect([...killedIn.keys()]).toEqual(["map", "shuffle"]);
  if (process.platform === "linux") expect([...killedIn.values()]).not.toContain(0);
  expect(result).toMatchObject({ records, ordered: true });
  expect(isSortOf(outputPath, records, format)).toEqual({ ordered: true, complete: true });
}
