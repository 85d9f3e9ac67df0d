/** The main job as a user types it: real processes, real files. */

import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRecordKernel } from "../../src/sort/record-kernel.ts";
import { startFleet } from "../support/fleet.ts";
import { mainPath } from "../support/main-path.ts";

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

const report = ({ stdout }: Ended): Record<string, unknown> => JSON.parse(stdout.trim().split("\n").at(-1)!);

function generateFile(path: string, records: number, ascii: boolean): void {
  const kernel = createRecordKernel({ regions: { records: records * 100 + 64 } });
  const { at } = kernel.regions.records;
  kernel.generate(at, 0, records, { ascii });
  writeFileSync(path, kernel.bytes.subarray(at, at + records * 100));
}

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "mayfly-sort-test-"));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("generated records", () => {
  test("100 MB have the official checksum, first and last key, and survive a killed node", async () => {
    const ended = await mayfly("sort", "--generate", "100MB", "--kill-node", "--workers", "2", "--json");
    expect(ended.stderr).toBe("");
    expect(report(ended)).toMatchObject({
      ...{ records: 1_000_000, checksum: "7a0e0d4868cd4", duplicateKeys: 0, ordered: true },
      ...{ firstKey: "0000033698a40790b743", lastKey: "fffffabd932c1e4baa50" },
      ...{ code: "4+2", nodes: 6, killedNodes: 1 },
    });
    const { seconds, mbPerSecond, bytesStored } = report(ended) as Record<string, number>;
    expect(mbPerSecond).toBeCloseTo(100 / seconds!, 0);
    expect(bytesStored).toBeGreaterThanOrEqual(150e6);
  });

  test("functions that are ended at random points, twice at a time where they are slow, change nothing", async () => {
    const ended = await mayfly(
      ...["sort", "--generate", "100MB", "--maps", "24", "--partitions", "12", "--workers", "2", "--json"],
      ...["--fail-rate", "0.2", "--speculate", "--kill-node", "--seed", "7"],
    );
    expect(report(ended)).toMatchObject({ checksum: "7a0e0d4868cd4", ordered: true, killedNodes: 1 });
  });

  test("skewed and printable keys come out ordered and complete", async () => {
    const ended = await mayfly(
      ...["sort", "--generate", "10MB", "--ascii", "--skew", "--json"],
      ...["--nodes", "3", "--code", "2+1", "--maps", "3", "--partitions", "7", "--workers", "2"],
    );
    expect(report(ended)).toMatchObject({
      records: 100_000,
      ordered: true,
      maps: 3,
      partitions: 7,
      code: "2+1",
    });
  });

  test("no records at all are sorted too", async () => {
    const ended = await mayfly("sort", "--generate", "0", "--nodes", "1", "--code", "1+0", "--json");
    expect(report(ended)).toMatchObject({ records: 0, checksum: "0", ordered: true });
  });
});

describe("files", () => {
  test("an ASCII file is sorted as `LC_ALL=C sort` does it", async () => {
    const [input, output] = [join(dir, "in.txt"), join(dir, "out.txt")];
    generateFile(input, 200_000, true);
    const ended = await mayfly(
      "sort",
      "--input",
      input,
      "--output",
      output,
      "--nodes",
      "3",
      "--code",
      "2+1",
      "--workers",
      "2",
    );
    expect(ended.code, ended.stderr).toBe(0);
    const expected = execFileSync("sort", [input], {
      env: { ...process.env, LC_ALL: "C" },
      maxBuffer: 2 ** 28,
    });
    expect(readFileSync(output).equals(expected)).toBe(true);
    expect(ended.stdout).toMatch(/records\s+200,000/);
    expect(ended.stderr).toMatch(/map {2}100%/);
  });

  test("waves of a file whose keys lie together have maps of several runs, and the same output", async () => {
    const [input, output] = [join(dir, "ordered.txt"), join(dir, "waves.txt")];
    generateFile(input, 200_000, true);
    // In order: each wave has all it keeps from one map.
    const lines = readFileSync(input, "latin1").split("\r\n").slice(0, -1).toSorted();
    const expected = Buffer.from(lines.map((line) => `${line}\r\n`).join(""), "latin1");
    writeFileSync(input, expected);
    const ended = await mayfly(
      ...["sort", "--input", input, "--output", output, "--waves", "5", "--partitions", "10", "--maps", "5"],
      ...["--nodes", "3", "--code", "2+1", "--workers", "2"],
    );
    expect(ended.code, ended.stderr).toBe(0);
    expect(readFileSync(output).equals(expected)).toBe(true);
    expect(ended.stdout).toMatch(/5 maps, 10 reduces in 5 waves/);
    expect(ended.stderr).toMatch(/wave 5 of 5: \S+ MB in /);
  });

  test("a truncated file is refused, with what is left over", async () => {
    const [input, output] = [join(dir, "short.bin"), join(dir, "short.out")];
    generateFile(input, 1000, false);
    truncateSync(input, 99_950);
    const ended = await mayfly("sort", "--input", input, "--output", output, "--json");
    expect(ended.code).toBe(1);
    expect(report(ended)).toMatchObject({ error: { code: "INPUT_INVALID" } });
    expect(ended.stdout).toContain("50 are left over");
    expect(existsSync(output)).toBe(false);
  });

  test("a missing input, and an output in a missing folder, are said before anything is started", async () => {
    const missing = await mayfly("sort", "--input", join(dir, "nothing.bin"));
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toContain("there is no such file");
    const nowhere = await mayfly("sort", "--generate", "1MB", "--output", join(dir, "no", "where.bin"));
    expect(nowhere.code).toBe(1);
    expect(nowhere.stderr).toContain("there is no folder");
  });

  test("an interrupted sort leaves no file and no process behind", async () => {
    const output = join(dir, "interrupted.bin");
    const child = spawn(
      process.execPath,
      [mainPath, "sort", "--generate", "400MB", "--output", output, "--workers", "2"],
      {
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    await said(child, "map");
    const children = childrenOf(child.pid!);
    expect(children.length).toBeGreaterThanOrEqual(6);
    const code = await new Promise((resolve) => {
      child.once("close", resolve);
      child.kill("SIGINT");
    });
    expect(code).toBe(1);
    expect(readdirSync(dir).filter((name) => name.includes("interrupted"))).toEqual([]);
    await expect.poll(() => children.filter(isAlive), { timeout: 10_000 }).toEqual([]);
  });
});

test("a fleet that holds but one such sort takes the next as soon as the first has ended", async () => {
  // Nodes report seldom, so that the memory of the first still looks taken when the second is planned.
  const fleet = await startFleet(6, { heartbeatMs: 1000, deadAfterMs: 5000 });
  for (let i = 0; i < 2; i++) {
    const ended = await mayfly("sort", "--controller", fleet.url, "--generate", "100MB", "--json");
    expect(ended.stderr).toBe("");
    expect(report(ended)).toMatchObject({ checksum: "7a0e0d4868cd4", ordered: true, waves: 1 });
  }
});

test("what does not fit the fleet at once is sorted in waves, and --explain says so without sorting", async () => {
  const fleet = [
    "--nodes",
    "3",
    "--code",
    "2+1",
    "--fleet-memory",
    "192MiB",
    "--maps",
    "4",
    "--partitions",
    "4",
  ];
  const sorted = await mayfly("sort", "--generate", "100MB", ...fleet, "--workers", "2", "--json");
  expect(report(sorted)).toMatchObject({
    checksum: "7a0e0d4868cd4",
    duplicateKeys: 0,
    ordered: true,
    waves: 4,
  });
  const explained = await mayfly("sort", "--generate", "100MB", ...fleet, "--explain");
  expect(explained.stdout).toMatch(/\* waves +yes +4 /);
  expect(explained.stdout).toContain("memory: not possible");
  expect(explained.stderr).toBe("");
  const json = await mayfly("sort", "--generate", "100MB", ...fleet, "--explain", "--json");
  expect(report(json)).toMatchObject({ strategy: "waves", estimate: { passes: 4, feasible: true } });
});

test("a plan that cannot be run is refused with what would fit, and --dry-run starts nothing", async () => {
  const refused = await mayfly("sort", "--generate", "4GB", "--memory", "2GiB", "--waves", "2");
  expect(refused).toMatchObject({ code: 1, stdout: "" });
  expect(refused.stderr).toMatch(/--spill file:\/\/\/DIR .* or use --waves \d+ \(OUT_OF_MEMORY\)/);
  const spill = ["--waves", "2", "--spill", `file://${dir}/spill`];
  const planned = await mayfly(
    "sort",
    "--generate",
    "4GB",
    "--memory",
    "2GiB",
    ...spill,
    "--dry-run",
    "--json",
  );
  expect(planned.stderr).toBe("");
  const plan = report(planned) as { spill: { bytes: number }; memory: { totalBytes: number } };
  expect(plan).toMatchObject({ waves: 2, spill: { url: `file://${dir}/spill` } });
  expect(plan.spill.bytes).toBeGreaterThan(1e9);
  expect(plan.memory.totalBytes).toBeLessThanOrEqual(2 * 2 ** 30);
  expect(existsSync(join(dir, "spill"))).toBe(false);
  // More than the disk of a machine that runs tests has.
  const huge = ["--generate", "2TB", "--waves", "1", "--partitions", "4096", "--workers", "1"];
  const refusedDisk = await mayfly("sort", ...huge, "--memory", "4GiB", ...spill.slice(2), "--dry-run");
  expect(refusedDisk).toMatchObject({ code: 1, stdout: "" });
  expect(refusedDisk.stderr).toMatch(/does not fit the disk: .* TB of spill in .* are free: take more waves/);
  const text = await mayfly("sort", "--generate", "4GB", "--memory", "2GiB", "--dry-run");
  expect(text.stdout).toMatch(/memory +\S+ GiB of 2 GiB for all processes/);
});

test("what is missing or contradicts itself is a usage error with an example", async () => {
  const nothing = await mayfly("sort");
  expect(nothing.code).toBe(2);
  expect(nothing.stderr).toContain("--generate 1GB");
  const both = await mayfly("sort", "--input", "x", "--generate", "1MB");
  expect(both.code).toBe(2);
  const odd = await mayfly("sort", "--generate", "150");
  expect(odd.stderr).toContain("multiple of 100");
  const share = await mayfly("sort", "--generate", "1MB", "--fail-rate", "1.5");
  expect(share.code).toBe(2);
  expect(share.stderr).toContain('--fail-rate is "1.5"; it takes a number from 0 to 1');
  const few = await mayfly("sort", "--generate", "1MB", "--nodes", "3", "--code", "4+2");
  expect(few.stderr).toContain("needs 6");
});

function said(child: ChildProcess, word: string): Promise<void> {
  let text = "";
  return new Promise((resolve, reject) => {
    child.stderr!.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk;
      if (text.includes(word)) resolve();
    });
    child.once("close", () => reject(new Error(`ended before it said ${word}: ${text}`)));
  });
}

function childrenOf(pid: number): number[] {
  const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  return listed.trim().split(" ").filter(Boolean).map(Number);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("a controller that has not heard of its nodes yet is asked again, and says so at last", async () => {
  let asked = 0;
  const nodes = [1, 2].map((id) => ({ id, state: "active", limitBytes: id === 1 ? 0 : 4096, usedBytes: 0 }));
  const server = createServer((_, response) => {
    asked += 1;
    response.setHeader("content-type", "application/json").end(JSON.stringify({ nodes }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ended = await mayfly("sort", "--controller", url, "--generate", "1MB", "--json");
    expect(ended.code).not.toBe(0);
    expect(JSON.parse(ended.stdout).error).toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringContaining("memory nodes 1 have"),
    });
    expect(asked).toBeGreaterThan(5);
  } finally {
    server.close();
  }
});
