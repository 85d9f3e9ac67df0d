/** The sort scenario at the size of a test: programs that sort, as processes, and the validator over what they wrote. */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test, vi } from "vitest";
import type { BenchOptions, BenchReport, Figures } from "../../bench/harness/report.ts";
import { isAbsent } from "../../bench/harness/report.ts";
import type { SorterRun } from "../../bench/sort/run-sorter.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { isRunning } from "../support/child-output.ts";
import { until } from "../support/until.ts";

const { benchSort } = (await import(builtModuleUrl("bench/sort.js"))) as {
  benchSort(options: BenchOptions, scale: number): Promise<BenchReport>;
};
const { runSorter } = (await import(builtModuleUrl("bench/sort/run-sorter.js"))) as {
  runSorter(run: SorterRun): Promise<Figures>;
};

/** 1 MB of 2 GB. */
const scale = 0.0005;
const { signal } = new AbortController();
const timeout = 300_000;
let dir = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-bench-sort-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  onTestFinished(() => void vi.unstubAllEnvs());
  const temporary = join(dir, "tmp");
  mkdirSync(temporary);
  // Where the scenario makes its files.
  vi.stubEnv("TMPDIR", temporary);
});

const leftovers = (): string[] =>
  readdirSync(join(dir, "tmp")).filter((name) => name.startsWith("mayfly-sort-"));

function options(only: string): BenchOptions & { readonly lines: string[] } {
  const lines: string[] = [];
  return { rounds: 1, only, signal, log: (line) => void lines.push(line), lines };
}

/** A program called `sort` that says it is GNU's, and comes first on the PATH. */
function fakeSort(script: string): void {
  const path = join(dir, "sort");
  const version = '[ "$1" = --version ] && echo "sort (GNU coreutils) 9" && exit';
  writeFileSync(path, `#!/bin/sh\n${version}\n${script}\n`);
  chmodSync(path, 0o755);
  vi.stubEnv("PATH", `${dir}:${process.env["PATH"]}`);
}

test("all sorters that are there sort right; those that are not say what to do", { timeout }, async () => {
  // Spark takes as long to start as all others together, and is not there on most machines.
  vi.stubEnv("XDG_CACHE_HOME", join(dir, "nothing"));
  const report = await benchSort(options("2GB ASCII"), scale);
  expect(report).toMatchObject({ scenario: "sort", rounds: 1, cases: [{ case: "sort 2GB ASCII x2" }] });
  const [{ mayfly, peers, ratios }] = report.cases as [BenchReport["cases"][number]];
  expect(Object.keys(peers)).toEqual([
    ...["gnu-sort", "gnu-sort-64mb", "duckdb", "pyspark", "sort-on-redis", "sort-on-s3"],
  ]);
  // These two come with the system and with `npm ci`.
  for (const always of ["gnu-sort", "gnu-sort-64mb", "duckdb"]) {
    expect(peers[always], always).not.toHaveProperty("absent");
  }
  for (const [name, figures] of [["mayfly", mayfly] as const, ...Object.entries(peers)]) {
    if (isAbsent(figures)) {
      if (name === "pyspark") expect(figures.absent).toContain("npm run install-peers");
      continue;
    }
    expect(figures["mbPerSecond"]! * figures["seconds"]!, name).toBeCloseTo(1, 1);
    if (name !== "mayfly") expect(ratios[name]).toBeGreaterThan(0);
  }
  // GNU sort is done with so little before anyone can look.
  for (const figures of process.platform === "linux" ? [mayfly, peers["duckdb"] as Figures] : []) {
    expect(figures["cpuSeconds"]).toBeGreaterThan(0);
    expect(figures["peakMemoryBytes"]).toBeGreaterThan(1e7);
  }
  expect(mayfly["sortSeconds"]).toBeLessThan(mayfly["seconds"]!);
  expect(leftovers()).toEqual([]);
});

test("mayfly sort of binary records counts by what it says itself", { timeout }, async () => {
  const report = await benchSort(options("binary"), scale / 2);
  const [{ mayfly, peers }] = report.cases as [BenchReport["cases"][number]];
  expect(peers).toEqual({});
  expect(mayfly["mbPerSecond"]! * mayfly["sortSeconds"]!).toBeCloseTo(1, 0);
});

test.each([
  [
    "copies its input",
    `for last; do :; done; for each; do case "$each" in --output=*) cp "$last" "\${each#--output=}";; esac; done`,
    "gnu-sort sorted wrongly: record 2 is below the one before it",
  ],
  ["fails", "echo no room >&2; exit 2", "gnu-sort ended (exit code 2): no room"],
] as const)("a sorter that %s ends the scenario", { timeout }, async (_, script, why) => {
  fakeSort(script);
  await expect(benchSort(options("2GB ASCII"), scale)).rejects.toThrow(why);
  expect(leftovers()).toEqual([]);
});

test("a disk without room is told before anything runs", async () => {
  await expect(benchSort(options("10GB"), 1e6)).rejects.toThrow(
    /^sort 10GB ASCII x2 needs \d+ bytes of disk in .*TMPDIR/,
  );
  expect(leftovers()).toEqual([]);
});

test("told to stop, it ends the sorter", async () => {
  const stop = new AbortController();
  const path = join(dir, "pid");
  const command = { command: "/bin/sh", args: ["-c", `echo $$ > ${path}; exec sleep 1000`] };
  const running = runSorter({
    ...{ name: "sleeper", command, bytes: 1, output: undefined, cores: undefined, signal: stop.signal },
  });
  running.catch(() => undefined);
  const pid = (): number => Number(readFileSync(path, "utf8"));
  await until("it runs", () => pid() > 0);
  stop.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
  expect(isRunning(pid())).toBe(false);
});
