import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { plotReport } from "../../../bench/harness/plot.ts";
import { formatReport, prepareResults, writeResults } from "../../../bench/harness/results.ts";
import { sampleReport } from "../sample-report.ts";

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-results-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  return dir;
}

test("a report becomes two files, named after its scenario, in the place of older ones", async () => {
  const dir = join(directory(), "deep/er");
  await prepareResults(dir);
  writeFileSync(join(dir, "sample.json"), "old");
  const files = await writeResults(sampleReport, dir);
  expect(files).toEqual({ json: join(dir, "sample.json"), svg: join(dir, "sample.svg") });
  expect(JSON.parse(readFileSync(files.json, "utf8"))).toEqual(sampleReport);
  expect(readFileSync(files.svg, "utf8")).toBe(plotReport(sampleReport));
  expect(readdirSync(dir).sort()).toEqual(["sample.json", "sample.svg"]);
});

test("a folder that cannot be had is refused with what to type", async () => {
  const file = join(directory(), "file");
  writeFileSync(file, "");
  const refusal = { code: "OUTPUT_FAILED", message: expect.stringMatching(/file.*--out DIR.*--no-save/) };
  await expect(prepareResults(join(file, "results"))).rejects.toMatchObject(refusal);
  await expect(writeResults(sampleReport, join(file, "results"))).rejects.toMatchObject(refusal);
});

test("what could not take its place leaves nothing behind", async () => {
  const dir = directory();
  // A folder stands where the file should go.
  await prepareResults(join(dir, "sample.json"));
  writeFileSync(join(dir, "sample.json/x"), "");
  await expect(writeResults(sampleReport, dir)).rejects.toMatchObject({ code: "OUTPUT_FAILED" });
  expect(readdirSync(dir)).toEqual(["sample.json"]);
});

test("a curve's points lie on one line, and nothing is lost", () => {
  const curve = { title: "ops/s", points: [[-1.5, 2e21] as const, [0, 3] as const] };
  const report = { ...sampleReport, timelines: [{ title: "a", curves: [curve], events: [] }] };
  const text = formatReport(report);
  expect(JSON.parse(text)).toEqual(report);
  expect(text).toContain('"points": [[-1.5,2e+21],[0,3]]\n');
});
