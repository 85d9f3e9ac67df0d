/** Processes end when they should: nodes when asked to or when nobody is left to ask, functions when they have returned. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import type { NodeId } from "../../src/ids.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { finished, isRunning, readyLine } from "../support/child-output.ts";
import { startFleet } from "../support/fleet.ts";
import { mainPath } from "../support/main-path.ts";
import { until } from "../support/until.ts";
import { expectAllRight, write } from "../support/written-keys.ts";

const program = (name: string): string => fileURLToPath(new URL(`programs/${name}`, import.meta.url));

test("a node that is asked to end leaves the fleet first, with exit code 0", async () => {
  // Silence alone would not be noticed in the time of this test.
  const fleet = await startFleet(4, { deadAfterMs: 60_000 });
  const job = await fleet.begin({ code: { d: 2, p: 1 } });
  const written = [await write(job, "object", 400_000), await write(job, "cell", 10)];
  const { url } = fleet;
  const args = [mainPath, "node", "--controller", url, "--memory", "64MiB", "--port", "0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const { node } = (await readyLine(child)) as { node: NodeId };
  expect(fleet.map.nodes.map(({ id }) => id)).toContain(node);
  child.kill("SIGTERM");
  expect(await finished(child, 10_000)).toMatchObject({ code: 0, signal: null });
  expect(fleet.map.nodes.find(({ id }) => id === node)?.state ?? "gone").toMatch(/gone|dead/);

  const [member] = fleet.nodeIds as [NodeId];
  fleet.signal(member, "SIGTERM");
  await fleet.ended(member);
  expect(fleet.map.nodes.find(({ id }) => id === member)?.state ?? "gone").toMatch(/gone|dead/);
  await expectAllRight(job, written);
});

test("a node whose controller does not take it yet can be ended, too", async () => {
  let ask = (): void => undefined;
  const asked = new Promise<void>((resolve) => {
    ask = resolve;
  });
  const controller = createServer(({ url }, response) => {
    if (url === "/v1/nodes") ask();
    response.writeHead(503).end(JSON.stringify({ code: "UNAVAILABLE", message: "starting" }));
  });
  onTestFinished(() => void controller.close());
  await once(controller.listen(0, "127.0.0.1"), "listening");
  const url = `http://127.0.0.1:${(controller.address() as AddressInfo).port}`;
  const args = [mainPath, "node", "--controller", url, "--memory", "64MiB", "--port", "0"];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await asked;
  child.kill("SIGTERM");
  expect(await finished(child, 10_000)).toMatchObject({ code: 0, signal: null });
});

test("nodes end when the process that started them is killed", async () => {
  const args = [program("fleet-parent.mjs"), builtModuleUrl("src/testing/index.js"), mainPath, "3"];
  const parent = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void parent.kill("SIGKILL"));
  const { pids } = (await readyLine(parent)) as { pids: readonly number[] };
  expect(pids.filter(isRunning)).toHaveLength(3);
  parent.kill("SIGKILL");
  await until("no node is left", () => !pids.some(isRunning));
});

test("a function's process ends by itself when the function has returned, with all its sockets open", async () => {
  const fleet = await startFleet(3);
  const { ticket } = await fleet.createJob({ code: { d: 1, p: 1 } });
  const run = async (what: string) => {
    const args = [program("function.mjs"), builtModuleUrl("client/index.js"), what];
    const env = { MAYFLY_TICKET: ticket, PATH: "" };
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    onTestFinished(() => void child.kill("SIGKILL"));
    return finished(child, 20_000);
  };
  expect(await run("returns")).toEqual({ code: 0, signal: null, output: "done\n" });
  expect(await run("gives-up")).toEqual({ code: 0, signal: null, output: "ABORTED\ndone\n" });
});
