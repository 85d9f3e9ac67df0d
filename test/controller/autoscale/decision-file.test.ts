import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openDecisionFile } from "../../../src/controller/autoscale/decision-file.ts";
import { parseDecisionLog } from "../../../src/controller/autoscale/decision-log.ts";
import { createThinning } from "../../../src/controller/autoscale/thin-decisions.ts";
import { samplePolicy } from "./sample-fleet.ts";
import { sampleLog } from "./sample-log.ts";

const { policy, decisions } = parseDecisionLog(sampleLog());
const records = decisions.map(({ record }) => record);

function fileIn(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-decision-file-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return join(dir, "sub", "decisions.jsonl");
}

const read = (path: string) => parseDecisionLog(readFileSync(path, "utf8")).decisions;
const log = (line: string): never => {
  throw new Error(line);
};

test("what is appended is there, also after the next start with the same policy", async () => {
  const path = fileIn();
  for (const part of [records.slice(0, 5), records.slice(5, 8)]) {
    const file = await openDecisionFile({ path, policy, log });
    for (const record of part) file.append(record);
    await file.close();
  }
  expect(read(path).map(({ record }) => record)).toEqual(records.slice(0, 8));
  expect(existsSync(`${path}.1`)).toBe(false);
});

test("another policy, and a line that was cut off, begin a new file", async () => {
  const path = fileIn();
  const first = await openDecisionFile({ path, policy, log });
  first.append(records[0]!);
  await first.close();
  await (await openDecisionFile({ path, policy: samplePolicy({ nodesMax: 7 }), log })).close();
  expect(read(path)).toEqual([]);
  expect(read(`${path}.1`)).toHaveLength(1);
  writeFileSync(path, readFileSync(path, "utf8").slice(0, -5));
  const third = await openDecisionFile({ path, policy: samplePolicy({ nodesMax: 7 }), log });
  third.append(records[1]!);
  await third.close();
  expect(read(path)).toHaveLength(1);
  expect(read(`${path}.2`)).toHaveLength(1);
});

test("it does not grow for ever: each file is below its size, replays alone, and the oldest go", async () => {
  const path = fileIn();
  const bytesMax = 20_000;
  const file = await openDecisionFile({ path, policy, bytesMax, log });
  for (const record of records) file.append(record);
  await file.close();
  const files = [`${path}.3`, `${path}.2`, `${path}.1`, path];
  const kept = files.flatMap((each) => read(each).map(({ record }) => record));
  expect(kept).toEqual(records.slice(-kept.length));
  for (const each of files) expect(readFileSync(each).length).toBeLessThanOrEqual(bytesMax);
  expect(existsSync(`${path}.4`)).toBe(false);
});

test("a place that cannot be written is said at the start", async () => {
  const path = fileIn();
  writeFileSync(join(path, "../..", "sub"), "");
  await expect(openDecisionFile({ path, policy, log })).rejects.toMatchObject({
    code: "OUTPUT_FAILED",
    message: expect.stringContaining("--decision-log"),
  });
});

test("decisions that do something are kept, and of those to hold the first of each kind and one a minute", () => {
  const isWorthALine = createThinning();
  const base = records[0]!;
  const hold = (atMs: number, ...reasons: string[]) =>
    isWorthALine({ ...base, atMs, reasons, decision: { ...base.decision, kind: "hold" } });
  expect(hold(0, "memory 41 %: 1.5 GiB stored")).toBe(true);
  expect(hold(1000, "memory 42 %: 830 MiB stored")).toBe(false);
  expect(hold(2000, "memory 42 %: 830 MiB stored", "network 9 %")).toBe(true);
  expect(isWorthALine({ ...base, atMs: 3000, decision: { ...base.decision, kind: "grow" } })).toBe(true);
  expect(isWorthALine({ ...base, atMs: 4000, decision: { ...base.decision, kind: "grow" } })).toBe(true);
  expect(hold(5000, "memory 42 %: 830 MiB stored", "network 9 %")).toBe(true);
  expect(hold(64_000, "memory 1 %: 8 B stored", "network 9 %")).toBe(false);
  expect(hold(65_000, "memory 1 %: 8 B stored", "network 9 %")).toBe(true);
  // A clock that was set back.
  expect(hold(10, "memory 1 %: 8 B stored", "network 9 %")).toBe(true);
});
