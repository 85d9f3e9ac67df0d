/** The controller is killed and comes back from its journal, while functions read and write. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { createProcessProvisioner } from "../../src/controller/provisioners/process.ts";
import { compareEpochs, parseEpoch } from "../../src/placement/epoch.ts";
import { readyLine } from "../support/child-output.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";
import { expectAllRight, type Written, write } from "../support/written-keys.ts";

const mebibyte = 2 ** 20;

async function startController(
  stateDir: string,
  port: number,
): Promise<{ child: ChildProcess; url: string }> {
  const options = ["--nodes-initial", "4", "--heartbeat-ms", "200", "--dead-after-ms", "1000"];
  const args = [mainPath, "controller", "--state", stateDir, "--port", String(port), ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { url } = (await readyLine(child)) as { url: string };
  return { child, url };
}

test("while the controller is away reads and writes go on; it comes back with the same jobs and nodes", async () => {
  const stateDir = mkdtempSync(join(tmpdir(), "mayfly-journal-"));
  onTestFinished(() => rmSync(stateDir, { recursive: true, force: true }));
  const first = await startController(stateDir, 0);
  const provisioner = createProcessProvisioner({ mainPath, execArgv: [] });
  onTestFinished(() => provisioner.stopAll());
  const spec = { controllerUrl: first.url, memoryBytes: 64 * mebibyte };
  await Promise.all(Array.from({ length: 4 }, () => provisioner.start(spec)));
  const controller = new ControllerClient(first.url);
  onTestFinished(() => controller.close());
  const { ticket, token, job: created } = await controller.createJob({ code: { d: 2, p: 1 }, name: "kept" });
  const job = await connect(ticket);
  onTestFinished(() => job.close());
  const written: Written[] = [await write(job, "early", 300_000)];
  const before = await controller.status();

  first.child.kill("SIGKILL");
  await until("the controller is gone", () => first.child.signalCode === "SIGKILL");
  await expect(controller.status()).rejects.toMatchObject({ code: "CONTROLLER_UNREACHABLE" });
  for (const [n, length] of [10, 20_000, 1_500_000].entries()) {
    written.push(await write(job, `meanwhile-${n}`, length));
  }
  // A function that starts now has nothing but its ticket.
  const late = await connect(ticket);
  onTestFinished(() => late.close());
  await expectAllRight(late, written);
  await expect(connect({ url: first.url, token })).rejects.toMatchObject({ code: "CONTROLLER_UNREACHABLE" });

  await startController(stateDir, Number(new URL(first.url).port));
  await until("all nodes have reported to it", async () => {
    const { nodes } = await controller.status();
    return nodes.every(({ state, limitBytes }) => state === "active" && limitBytes > 0);
  });
  const after = await controller.status();
  const idsAndPorts = ({ nodes }: typeof after): unknown => nodes.map(({ id, port }) => [id, port]);
  expect(idsAndPorts(after)).toEqual(idsAndPorts(before));
  expect(compareEpochs(parseEpoch(after.epoch), parseEpoch(before.epoch))).toBeGreaterThan(0);
  expect(after.jobs).toMatchObject([
    { job: created.job, name: "kept", state: "alive", code: { d: 2, p: 1 } },
  ]);
  await expectAllRight(job, written);
  const anew = await connect({ url: first.url, token });
  onTestFinished(() => anew.close());
  await expectAllRight(anew, written);
  const next = await controller.createJob({ code: { d: 2, p: 1 } });
  expect(next.job.job).toBe(created.job + 1);
});
