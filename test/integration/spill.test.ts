/** Spill with whole processes and a directory as the object store: everything is killed at once, and nothing leaks. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { createProcessProvisioner } from "../../src/controller/provisioners/process.ts";
import { runInProcess } from "../cli/run-in-process.ts";
import { readyLine } from "../support/child-output.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";
import { expectAllRight, type Written, write } from "../support/written-keys.ts";

const mebibyte = 2 ** 20;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "mayfly-spill-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function startController(
  stateDir: string,
  storeUrl: string,
): Promise<{ child: ChildProcess; url: string }> {
  const options = ["--nodes-initial", "3", "--heartbeat-ms", "200", "--dead-after-ms", "1000"];
  const args = [mainPath, "controller", "--state", stateDir, "--port", "0", "--store", storeUrl, ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { url } = (await readyLine(child)) as { url: string };
  return { child, url };
}

/** Files below the folder whose paths have the part in them. */
function filesWith(path: string, part: string): string[] {
  return (readdirSync(path, { recursive: true }) as string[]).filter((name) => name.includes(part));
}

test("kill -9 of everything: what was spilled can be listed and checked, and goes when its job has ended", async () => {
  const [stateDir, storeDir] = [folder(), folder()];
  const storeUrl = pathToFileURL(storeDir).href;
  const first = await startController(stateDir, storeUrl);
  const provisioner = createProcessProvisioner({ mainPath, execArgv: [] });
  onTestFinished(() => provisioner.stopAll());
  const spec = { controllerUrl: first.url, memoryBytes: 32 * mebibyte };
  const nodes = await Promise.all(Array.from({ length: 3 }, () => provisioner.start(spec)));
  const controller = new ControllerClient(first.url);
  onTestFinished(() => controller.close());
  const { ticket } = await controller.createJob({ code: { d: 2, p: 1 }, leaseMs: 1000, graceMs: 1000 });
  const job = await connect(ticket);
  onTestFinished(() => job.close());
  const written: Written[] = [];
  for (let i = 0; i < 100; i++) written.push(await write(job, `k${i}`, mebibyte));
  await until("much is spilled", () => filesWith(storeDir, "job-1.d/").length > 4);
  await expectAllRight(job, written);

  for (const { pid } of nodes) if (pid !== undefined) process.kill(pid, "SIGKILL");
  first.child.kill("SIGKILL");
  await until("the controller is gone", () => first.child.signalCode === "SIGKILL");
  const left = await runInProcess(["spill", "ls", "--store", storeUrl, "--json"]);
  const rows = JSON.parse(left.stdout) as { job: number; objects: number; bytes: number; state: string }[];
  expect(rows).toMatchObject([{ job: 1, state: "alive" }]);
  expect(rows[0]!.bytes).toBeGreaterThan(20 * mebibyte);
  expect(await runInProcess(["spill", "verify", "--store", storeUrl])).toMatchObject({ code: 0 });
  // The fleet may come back.
  const kept = await runInProcess(["spill", "rm", "--store", storeUrl, "--yes", "--json"]);
  expect(JSON.parse(kept.stdout)).toEqual({ removed: true, folders: [] });

  await startController(stateDir, storeUrl);
  await until(
    "the job has ended and its objects are gone",
    () => filesWith(storeDir, "job-1.d/").length === 0,
    30_000,
  );
  expect(filesWith(storeDir, "manifests.d/")).toHaveLength(1);
}, 120_000);
