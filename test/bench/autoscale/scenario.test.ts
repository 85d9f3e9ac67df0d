import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { benchAutoscale } from "../../../bench/autoscale.ts";
import type { BenchOptions } from "../../../bench/harness/report.ts";
import { scalePolicy } from "../../../src/controller/autoscale/scale-policy.ts";
import { createScaler } from "../../../src/controller/autoscale/scaler.ts";

const planner: Parameters<typeof benchAutoscale>[1] = (shape) => createScaler(scalePolicy(shape));

function options(fields: Partial<BenchOptions> = {}): BenchOptions & { readonly lines: string[] } {
  const lines: string[] = [];
  return {
    rounds: 1,
    signal: new AbortController().signal,
    log: (line) => lines.push(line),
    lines,
    ...fields,
  };
}

test("a trace of one's own is simulated against both ways to provision", async () => {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-trace-"));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const path = join(dir, "trace.csv");
  writeFileSync(path, "job,start_s,end_s,peak_bytes\na,0,600,5000000000000\nb,300,3600,100000000\n");
  const { cases, scenario } = await benchAutoscale(options(), planner, path);
  expect(scenario).toBe("autoscale");
  expect(cases).toHaveLength(1);
  const [{ mayfly, peers, ratios }] = cases as [(typeof cases)[number]];
  expect(Object.keys(peers)).toEqual(["peak-provisioning", "per-job-provisioning"]);
  expect(mayfly["jobs"]).toBe(2);
  expect(mayfly["nodeHours"]).toBeGreaterThan(0);
  expect(ratios["peak-provisioning"]).toBeGreaterThan(1);
  await expect(benchAutoscale(options(), planner, join(dir, "none.csv"))).rejects.toMatchObject({
    ...{ code: "INPUT_INVALID", message: expect.stringContaining("none.csv cannot be read") },
  });
});

test("the run says that its traces are synthesised, and stops when it is told to", async () => {
  const given = options({ only: "peak-to-mean 4", signal: AbortSignal.abort(new Error("enough")) });
  await expect(benchAutoscale(given, planner)).rejects.toThrow("enough");
  expect(given.lines.join("\n")).toContain("traces are synthesised, not real");
});
