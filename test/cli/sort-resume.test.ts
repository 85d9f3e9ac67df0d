/** A sort that was killed, goes on: real processes, kill -9. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function mayfly(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mainPath, ...args], { timeout: 50_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}

const records = 400_000;
const ofSort = [
  ...["--generate", String(records * 100), "--waves", "4", "--partitions", "12", "--maps", "4"],
  ...["--nodes", "3", "--code", "2+1", "--workers", "2"],
];

let dir: string;
let state: string;
let child: ChildProcess | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-resume-"));
  state = join(dir, "state");
});
afterEach(() => {
  child?.kill("SIGKILL");
  child = undefined;
  rmSync(dir, { recursive: true, force: true });
});

function journal(): string[] {
  const path = join(state, "sort-journal.jsonl");
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
}

const entries = (kind: string): number =>
  journal().filter((line) => line.startsWith(`{"kind":"${kind}"`)).length;

/** Starts a sort and kills the command and all that it has started, as soon as the journal says so. */
async function killedSort(when: () => boolean, ...more: readonly string[]): Promise<void> {
  const sort = spawn(process.execPath, [mainPath, "sort", ...ofSort, "--state", state, ...more], {
    stdio: "ignore",
  });
  child = sort;
  const ended = once(sort, "exit");
  await until("the sort is under way", () => sort.exitCode !== null || when());
  expect(sort.exitCode).toBe(null);
  const children = readFileSync(`/proc/${sort.pid}/task/${sort.pid}/children`, "utf8")
    .split(" ")
    .filter(Boolean);
  expect(children.length).toBeGreaterThan(3);
  for (const pid of [sort.pid!, ...children.map(Number)]) process.kill(pid, "SIGKILL");
  await ended;
  await until("its processes are gone", () => children.every((pid) => !existsSync(`/proc/${pid}/stat`)));
}

function expectedSum(): string {
  const kernel = createRecordKernel({ regions: { all: records * 100 } });
  kernel.generate(kernel.regions.all.at, 0, records);
  return kernel.checksum(kernel.regions.all.at, records).toString(16);
}

test("killed in the middle of a wave, it goes on with what is left, and ends with the same checksum", async () => {
  await killedSort(() => entries("wave") >= 1 && entries("reduced") > 3 * entries("wave"));
  const before = entries("reduced");
  expect(before).toBeLessThan(12);

  const dryRun = await mayfly("sort", "--resume", state, "--dry-run", "--json");
  expect(JSON.parse(dryRun.stdout)).toMatchObject({ waves: 4, partitions: 12, records });
  const ended = await mayfly("sort", "--resume", state, "--json");
  expect(ended.stderr).toBe("");
  const report = JSON.parse(ended.stdout) as Record<string, unknown>;
  expect(report).toMatchObject({ records, checksum: expectedSum(), ordered: true, waves: 4, partitions: 12 });
  expect(report["resumedBytes"]).toBeGreaterThanOrEqual(before * 100);
  // Each partition was sorted once, in all runs together.
  expect(entries("reduced")).toBe(12);
  expect(entries("mapped")).toBe(4);

  const again = await mayfly("sort", "--resume", state, "--json");
  expect(JSON.parse(again.stdout)).toMatchObject({ checksum: expectedSum(), resumedBytes: records * 100 });
});

test("of an output file the parts that were written stay, and the rest is added", async () => {
  const output = join(dir, "sorted.bin");
  await killedSort(() => entries("reduced") >= 4, "--output", output);
  expect(existsSync(output)).toBe(false);
  const ended = await mayfly("sort", "--resume", state, "--json");
  expect(ended.stderr).toBe("");
  expect(JSON.parse(ended.stdout)).toMatchObject({ records, checksum: expectedSum(), output });
  const kernel = createRecordKernel({ regions: { all: records * 100 } });
  const sorted = readFileSync(output);
  kernel.bytes.set(sorted, kernel.regions.all.at);
  expect(kernel.checkOrder(kernel.regions.all.at, records).disorderAt).toBe(-1);
  expect(kernel.checksum(kernel.regions.all.at, records).toString(16)).toBe(expectedSum());
  expect(readdirSync(dir).toSorted()).toEqual(["sorted.bin", "state"]);
});

test("a folder with another sort in it, none to go on with, and options that would change it are refused", async () => {
  const small = ["sort", "--generate", "1MB", "--nodes", "1", "--code", "1+0", "--workers", "1", "--json"];
  expect((await mayfly(...small, "--state", state)).code).toBe(0);
  const twice = await mayfly(...small, "--state", state);
  expect(twice.code).toBe(1);
  expect(twice.stdout).toContain(`go on with it by --resume ${state}`);
  const none = await mayfly("sort", "--resume", join(dir, "nothing"));
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining("There is no sort to go on with") });
  const other = await mayfly("sort", "--resume", state, "--waves", "3", "--generate", "1GB");
  expect(other.code).toBe(2);
  expect(other.stderr).toContain("--generate, --waves cannot be given with --resume");
});
