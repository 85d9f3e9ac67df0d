import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { watchTree } from "../../../bench/harness/process-tree.ts";
import { cpuSecondsOf, spawnPinned } from "../../../bench/harness/processes.ts";
import { isRunning } from "../../support/child-output.ts";
import { until } from "../../support/until.ts";

test.runIf(process.platform === "linux")(
  "use is that of all processes below one, and none of them stays",
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "mayfly-tree-"));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const [pids, go] = [join(dir, "pids"), join(dir, "go")];
    // One child works until it is told, the other would live on; the parent does next to nothing.
    const script = `(while [ ! -e ${go} ]; do :; done) & worker=$!; sleep 1000 & echo $worker $! > ${pids}; wait $worker`;
    const parent = await spawnPinned({ command: "/bin/sh", args: ["-c", script] });
    onTestFinished(() => parent.stop());
    const tree = watchTree(parent.pid, 100);
    await until("the children run", () => existsSync(pids) && readFileSync(pids, "utf8").endsWith("\n"));
    const [worker, sleeper] = readFileSync(pids, "utf8").split(" ").map(Number) as [number, number];
    // Several looks have seen it by then.
    await until("one child has worked", () => cpuSecondsOf([worker]) > 0.5);
    writeFileSync(go, "");
    expect(await parent.exited).toBe("exit code 0");
    expect(isRunning(sleeper)).toBe(true);
    const use = await tree.end();
    expect(isRunning(sleeper)).toBe(false);
    expect(use.cpuSeconds).toBeGreaterThan(0.25);
    expect(use.peakMemoryBytes).toBeGreaterThan(100_000);
  },
);
