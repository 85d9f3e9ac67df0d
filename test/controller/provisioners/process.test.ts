import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { createController } from "../../../src/controller/controller.ts";
import {
  createProcessProvisioner,
  type ProcessProvisionerOptions,
} from "../../../src/controller/provisioners/process.ts";
import { createStaticProvisioner } from "../../../src/controller/provisioners/static.ts";
import { FakeClock } from "../fake-clock.ts";

const mainPath = fileURLToPath(new URL("stand-in-node.mjs", import.meta.url));
const exitsAtOnce = 1;
const neverReady = 2;
const deaf = 3;
const wellBehaved = 1_000_000;

async function start(options: Partial<ProcessProvisionerOptions> = {}) {
  const provisioner = createProcessProvisioner({ mainPath, execArgv: [], ...options });
  const controller = createController({ port: 0, clock: new FakeClock() }, provisioner);
  const controllerUrl = await controller.listen();
  onTestFinished(() => controller.close());
  const startNode = (memoryBytes: number, zone?: string) =>
    controller.provisioner.start({ controllerUrl, memoryBytes, ...(zone === undefined ? {} : { zone }) });
  return { controller, startNode };
}

test("a node is started, is ready when it says so, and leaves when it is stopped", async () => {
  const { controller, startNode } = await start();
  const node = await startNode(wellBehaved, "west");
  expect(node.pid).toBeGreaterThan(0);
  expect(node.name).toBe(`process ${node.pid}`);
  expect(controller.state.map.nodes).toMatchObject([{ id: 1, host: "127.0.0.1", zone: "west" }]);
  await controller.provisioner.stop(node);
  await node.ended;
  expect(controller.state.map.nodes).toEqual([]);
  await controller.provisioner.stop(node);
});

test("closing the controller stops all nodes, and they can still say that they leave", async () => {
  const { controller, startNode } = await start();
  const nodes = await Promise.all([startNode(wellBehaved), startNode(wellBehaved)]);
  await controller.provisioner.stopAll();
  await Promise.all(nodes.map((node) => node.ended));
  expect(controller.state.map.nodes).toEqual([]);
  await controller.close();
});

test("a node that ends before it is ready is an error with what it said", async () => {
  const { startNode } = await start();
  await expect(startNode(exitsAtOnce)).rejects.toMatchObject({
    code: "NODE_UNREACHABLE",
    message: expect.stringMatching(/exit code 3.*there is not enough memory/),
  });
});

test("a node that does not get ready in time is killed", async () => {
  const { controller, startNode } = await start({ readyWithinMs: 300 });
  await expect(startNode(neverReady)).rejects.toMatchObject({
    code: "NODE_UNREACHABLE",
    message: expect.stringContaining("not ready after 300 ms"),
  });
  // It would hang here if the process were still there.
  await controller.provisioner.stopAll();
});

test("a start that is given up kills the node that is not ready", async () => {
  const { controller } = await start();
  const giveUp = new AbortController();
  const spec = { controllerUrl: controller.url, memoryBytes: neverReady, signal: giveUp.signal };
  const starting = controller.provisioner.start(spec);
  giveUp.abort();
  await expect(starting).rejects.toMatchObject({ message: expect.stringContaining("was given up") });
  await controller.provisioner.stopAll();
});

test("a node that does not end when asked to is killed", async () => {
  const { controller, startNode } = await start({ stopWithinMs: 100 });
  const node = await startNode(deaf);
  await controller.provisioner.stop(node);
  await node.ended;
  expect(controller.state.map.nodes).toHaveLength(1);
});

test("a main file that is not there is an error that names it", async () => {
  const { startNode } = await start({ mainPath: "/nowhere/main.js" });
  await expect(startNode(wellBehaved)).rejects.toMatchObject({
    code: "NODE_UNREACHABLE",
    message: expect.stringContaining("/nowhere/main.js"),
  });
});

test("where nodes are started by hand, it says how", async () => {
  const provisioner = createStaticProvisioner();
  await expect(provisioner.start({ controllerUrl: "http://c:7400", memoryBytes: 5 })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    message: expect.stringContaining("mayfly node --controller http://c:7400 --memory 5"),
  });
  await provisioner.stopAll();
});
