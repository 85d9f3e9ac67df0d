import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../support/until.ts";
import { runInProcess } from "./run-in-process.ts";
import { startMain } from "./run-main.ts";

const checksums = ["bench", "codec", "--only", "xxh3", "--rounds", "1"];

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-bench-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

test("with --json the last line is the report, which is kept as JSON and SVG as well", async () => {
  const out = join(directory(), "results");
  const { code, stdout, stderr } = await runInProcess([...checksums, "--json", "--out", out]);
  expect(code).toBe(0);
  const report: unknown = JSON.parse(stdout.trimEnd().split("\n").at(-1)!);
  expect(report).toMatchObject({
    ...{ scenario: "codec", rounds: 1, machine: { node: process.version } },
    cases: [{ case: "xxh3 16KiB frames", mayfly: {}, peers: {}, ratios: {} }],
  });
  expect(Object.keys(report as object)).toEqual(["scenario", "machine", "rounds", "cases"]);
  expect(JSON.parse(readFileSync(join(out, "codec.json"), "utf8"))).toEqual(report);
  expect(readdirSync(out).sort()).toEqual(["codec.json", "codec.svg"]);
  expect(stderr).toContain(`written to ${join(out, "codec.json")} and ${join(out, "codec.svg")}`);
  expect(stderr).toContain("codec: xxh3 16KiB frames: gbPerSecond ");
});

test("without --json it prints a table; a part of a scenario does not take the place of all of it", async () => {
  const { code, stdout, stderr } = await runInProcess(checksums);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^codec: medians of 1 round on .*\n\nCASE +MAYFLY +ZLIB-CRC32 +MEMCPY\nxxh3 16KiB frames .* GB\/s/,
  );
  expect(stderr).not.toContain("written to");
});

test("--only that fits no case is a mistake of the command line", async () => {
  const { code, stderr } = await runInProcess(["bench", "codec", "--only", "5+5"]);
  expect(code).toBe(2);
  expect(stderr).toContain('--only is "5+5", which no case of codec has in its name');
});

test("to keep results in a folder and not to keep them contradict each other", async () => {
  const out = join(directory(), "results");
  const { code, stderr } = await runInProcess([...checksums, "--no-save", "--out", out]);
  expect(code).toBe(2);
  expect(stderr).toContain("--out and --no-save contradict each other");
  expect(existsSync(out)).toBe(false);
});

test("a folder that cannot be had is found out before anything is measured", async () => {
  const file = join(directory(), "file");
  writeFileSync(file, "");
  const { code, stderr } = await runInProcess([...checksums, "--out", join(file, "results")]);
  expect(code).toBe(1);
  expect(stderr).toMatch(/^mayfly bench: .*\(OUTPUT_FAILED\)\n$/);
});

test("SIGINT ends it, and nothing is written", async () => {
  const out = directory();
  const { child, ended } = startMain(["bench", "codec", "--only", "4+1", "--rounds", "1000", "--out", out]);
  let said = "";
  child.stderr.on("data", (text) => {
    said += String(text);
  });
  await until("it measures", () => said.includes("codec: 1000 rounds"));
  child.kill("SIGINT");
  expect(await ended).toMatchObject({ code: 1, signal: null, stderr: expect.stringContaining("(ABORTED)") });
  expect(readdirSync(out)).toEqual([]);
});
