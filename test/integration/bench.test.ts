/** The benchmark's own processes: they end with it, and the kv scenario measures what it says. */
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, onTestFinished, test } from "vitest";
import { findProgram, spawnPinned } from "../../bench/harness/processes.ts";
import type { BenchOptions, BenchReport } from "../../bench/harness/report.ts";
import type { KvScale } from "../../bench/kv.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { isRunning } from "../support/child-output.ts";
import { ownTmpdir } from "../support/own-tmpdir.ts";
import { until } from "../support/until.ts";

ownTmpdir();

test.runIf(process.platform === "linux" && findProgram("setpriv"))(
  "a process of a benchmark ends with the benchmark, also when that is killed",
  async () => {
    const parent = await spawnPinned({
      command: process.execPath,
      args: [
        ...["--input-type=module", "-e"],
        `import { spawnPinned } from ${JSON.stringify(builtModuleUrl("bench/harness/processes.js"))};
         const child = await spawnPinned({ command: "sleep", args: ["1000"] });
         console.log("child " + child.pid);`,
      ],
    });
    onTestFinished(() => parent.stop());
    const pid = Number((await parent.line(/^child/)).slice(6));
    expect(isRunning(pid)).toBe(true);
    parent.child.kill("SIGKILL");
    await until("the child has ended", () => !isRunning(pid));
  },
);

const kvModule = async () =>
  (await import(builtModuleUrl("bench/kv.js"))) as {
    benchKv(options: BenchOptions, scale: KvScale): Promise<BenchReport>;
  };

const scale: KvScale = { nodeMemoryBytes: 64 * 2 ** 20, warmMs: 10, fleetWarmMs: 10 };

const childrenCount = (): number =>
  readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, "utf8").split(" ").filter(Boolean).length;

/** Temporary folders of peers. */
const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => /^mayfly-(?:redis|s3)-/.test(name));

test("the kv scenario reports Mayfly beside its peers, and leaves nothing behind", async () => {
  const { benchKv } = await kvModule();
  const before = leftovers();
  const lines: string[] = [];
  const { signal } = new AbortController();
  const log = (line: string): unknown => lines.push(line);
  const report = await benchKv({ rounds: 1, only: "get 1KiB x1 p50", signal, log }, scale);
  expect(report).toMatchObject({ scenario: "kv", rounds: 1, cases: [{ case: "get 1KiB x1 p50" }] });
  const [{ mayfly, peers, ratios }] = report.cases as [BenchReport["cases"][number]];
  expect(mayfly["p50Ms"]).toBeGreaterThan(0);
  expect(Object.keys(peers)).toEqual(["redis-ioredis", "redis-node-redis"]);
  for (const [name, figures] of Object.entries(peers)) {
    if ("absent" in figures) expect(figures.absent).toContain("npm run install-peers");
    else expect(ratios[name]).toBeGreaterThan(0);
  }
  expect(lines).toHaveLength(1);
  expect(leftovers()).toEqual(before);
});

test("the kv scenario that is told to stop says so, and has ended what it started", async () => {
  const { benchKv } = await kvModule();
  const before = leftovers();
  const stop = new AbortController();
  const options = { rounds: 1000, only: "put 1KiB x1", signal: stop.signal, log: () => undefined };
  const running = benchKv(options, scale);
  running.catch(() => undefined);
  await until("its six nodes run", () => childrenCount() >= 6);
  stop.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
  expect(childrenCount()).toBe(0);
  expect(leftovers()).toEqual(before);
});
