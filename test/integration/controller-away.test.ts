/** The controller is away for a minute under load, and comes back from its journal: nothing stops, fails or lapses. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { createProcessProvisioner } from "../../src/controller/provisioners/process.ts";
import { startLoad } from "../support/checked-load.ts";
import { readyLine } from "../support/child-output.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";

const awayMs = 60_000;
/** Less than the controller is away: it may not count. */
const leaseMs = 20_000;

async function startController(state: string, port: number): Promise<{ child: ChildProcess; url: string }> {
  const args = [mainPath, "controller", "--state", state, "--port", String(port), "--nodes-initial", "4"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { url } = (await readyLine(child)) as { url: string };
  return { child, url };
}

test("a minute without a controller", { timeout: 180_000 }, async () => {
  const state = mkdtempSync(join(tmpdir(), "mayfly-journal-"));
  onTestFinished(() => rmSync(state, { recursive: true, force: true }));
  const { child, url } = await startController(state, 0);
  const provisioner = createProcessProvisioner({ mainPath, execArgv: [] });
  onTestFinished(() => provisioner.stopAll());
  const spec = { controllerUrl: url, memoryBytes: 64 * 2 ** 20 };
  await Promise.all(Array.from({ length: 4 }, () => provisioner.start(spec)));
  const controller = new ControllerClient(url);
  onTestFinished(() => controller.close());
  const request = { code: { d: 2, p: 1 }, leaseMs, graceMs: 0 };
  const { ticket, job: created } = await controller.createJob(request);
  const { job: idle } = await controller.createJob({ ...request, name: "idle" });
  const job = await connect(ticket);
  onTestFinished(() => job.close());
  const load = startLoad(job, { cells: 8, objects: 2 });

  child.kill("SIGKILL");
  const endMs = performance.now() + awayMs;
  const before = load.operations;
  await until("a minute has passed", () => performance.now() >= endMs, awayMs + 5000);
  expect(load.operations - before).toBeGreaterThan(1000);
  expect(load.slowestMs).toBeLessThan(5000);
  expect(load.failures).toEqual([]);
  await startController(state, Number(new URL(url).port));
  await until("all nodes have reported to it", async () => {
    const { nodes } = await controller.status();
    return (
      nodes.length === 4 && nodes.every(({ state: at, limitBytes }) => at === "active" && limitBytes > 0)
    );
  });
  await load.stop();
  expect(load.failures).toEqual([]);
  // Not even the job that nobody used has lapsed: its lease begins anew.
  const jobs = (await controller.status()).jobs.map(({ job: number, state: at }) => [number, at]);
  expect(jobs).toEqual([
    [created.job, "alive"],
    [idle.job, "alive"],
  ]);
});
