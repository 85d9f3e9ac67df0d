import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sampleLog } from "../controller/autoscale/sample-log.ts";
import { runInProcess } from "./run-in-process.ts";

function logFile(text = sampleLog()): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-replay-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "decisions.jsonl");
  writeFileSync(path, text);
  return path;
}

test("a log that replays: a table of what was decided, without the holds unless asked for", async () => {
  const path = logFile();
  const { code, stdout, stderr } = await runInProcess(["replay", path]);
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /^LINE +AT +RECORDED +NOW +DIFFERENCES\n +\d+ +\d+\w+ +grow at \d+ \(start \d+\) +grow at/,
  );
  expect(stdout).toContain("shrink at ");
  expect(stdout).not.toContain("hold at ");
  expect(stderr).toBe("121 decisions: 121 the same, 0 different\n");
  const all = await runInProcess(["replay", path, "--all", "--reasons"]);
  expect(all.stdout.match(/hold at \d+ +hold at/g)!.length).toBeGreaterThan(50);
  expect(all.stdout).toMatch(/\n {6}memory \d+ %: /);
});

test("with --json a decision is a line, and the last one is the summary", async () => {
  const { code, stdout } = await runInProcess(["replay", logFile(), "--json", "--all"]);
  expect(code).toBe(0);
  const lines = stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(lines).toHaveLength(122);
  expect(lines[0]).toMatchObject({ line: 2, same: true, intact: true, recorded: { kind: "hold" } });
  expect(lines.at(-1)).toMatchObject({ summary: { decisions: 121, same: 121, different: 0, damaged: 0 } });
});

test("a tampered line is shown, and the exit code says so", async () => {
  const lines = sampleLog().split("\n");
  const at = lines.findIndex((line) => line.includes('"kind":"grow"'));
  const path = logFile(lines.with(at, lines[at]!.replace('"kind":"grow"', '"kind":"hold"')).join("\n"));
  const { code, stdout, stderr } = await runInProcess(["replay", path]);
  expect(code).toBe(1);
  expect(stdout).toContain("the line was changed; kind: hold, now grow");
  expect(stderr).toContain(
    "does not replay: 1 lines of it were changed after they were written, 1 decisions are made",
  );
});

test("another policy is a question, not a fault of the log", async () => {
  const { code, stdout, stderr } = await runInProcess([
    "replay",
    logFile(),
    "--policy",
    "nodesMax=8,bandHigh=0.9",
  ]);
  expect(code).toBe(0);
  expect(stdout).toContain("target: ");
  expect(stderr).toMatch(/\d+ different; nodes aimed at on average [\d.]+, with this policy [\d.]+\n$/);
});

test.each([
  ["nodesMaxx=8", "did you mean nodesMax"],
  ["nodesMax", 'gives nodesMax the value ""; write nodesMax=NUMBER'],
  ["nodesMax=many", 'the value "many"'],
  ["nodesMax=0", "no such policy: nodesMax is 0"],
])("--policy %s is a mistake of the command line", async (policy, message) => {
  const { code, stderr } = await runInProcess(["replay", logFile(), "--policy", policy]);
  expect(code).toBeGreaterThan(0);
  expect(stderr).toContain(message);
});

test("what is no log says which line is wrong", async () => {
  expect((await runInProcess(["replay", logFile("hello\n")])).stderr).toContain(
    "line 1 of the decision log is no JSON",
  );
  expect((await runInProcess(["replay", logFile("")])).stderr).toContain("the decision log is empty");
  const missing = await runInProcess(["replay", join(tmpdir(), "no-such-log.jsonl")]);
  expect(missing.code).toBe(1);
  expect(missing.stderr).toContain("no such file or directory (INPUT_INVALID)");
});
