/** Real processes: a fleet sleeps, all of them are killed, and a controller with nothing but the object store wakes it. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { readyLine } from "../support/child-output.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "mayfly-restored-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

async function controllerWith(
  ...options: string[]
): Promise<{ client: ControllerClient; kill(): Promise<void> }> {
  const fleet = ["--nodes", "2", "--memory", "128MiB", "--heartbeat-ms", "100"];
  const args = [mainPath, "controller", "--port", "0", ...fleet, ...options];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { url } = (await readyLine(child)) as { url: string };
  const client = new ControllerClient(url);
  onTestFinished(() => client.close());
  return {
    client,
    async kill() {
      child.kill("SIGKILL");
      await until("the controller is gone", () => child.signalCode === "SIGKILL");
    },
  };
}

const isAsleep = async (client: ControllerClient): Promise<boolean> =>
  (await client.hibernationProgress()).stage === "asleep";

test("what slept when everything was killed is all there on another machine", async () => {
  const store = pathToFileURL(folder()).href;
  const first = await controllerWith("--store", store, "--state", folder());
  const { ticket, job: created } = await first.client.createJob({ code: { d: 1, p: 1 } });
  const job = await connect(ticket);
  onTestFinished(() => job.close());
  const large = Buffer.alloc(3_000_000, "mayfly ");
  await job.put("small", "a few bytes");
  await job.put("large", large, { durable: true });
  const { version } = await job.put("counted", "1");
  await first.client.hibernate();
  await until("the fleet sleeps", () => isAsleep(first.client));
  await first.kill();

  const second = await controllerWith("--restore", store);
  expect(await isAsleep(second.client)).toBe(true);
  expect((await second.client.status()).nodes).toEqual([]);
  const again = await connect((await second.client.newTicket(created.job)).ticket);
  onTestFinished(() => again.close());
  expect(Buffer.compare(await again.get("large"), large)).toBe(0);
  expect(Buffer.from(await again.get("small")).toString()).toBe("a few bytes");
  const next = await again.put("counted", "2", { ifVersion: version! });
  expect(next.version).not.toBe(version);
  expect((await second.client.createJob({ code: { d: 1, p: 1 } })).job.job).toBe(created.job + 1);
});
