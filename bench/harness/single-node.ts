/** One node by itself: a controller in this process, and a node as a process on the cores of servers. */
import { fileURLToPath } from "node:url";
import { ControllerClient } from "../../client/controller-client.ts";
import { type EmbeddedFleet, startEmbeddedFleet } from "../../src/embedded-fleet.ts";
import type { CreateJobReply } from "../../src/wire/control-api.ts";
import { coresForBench, type PinnedProcess, spawnPinned } from "./processes.ts";

export interface SingleNode {
  readonly process: PinnedProcess;
  readonly host: string;
  readonly port: number;
  /** A job of code 1+0, and with one copy of each cell: there is but one node. */
  createJob(name: string): Promise<CreateJobReply>;
  stop(): Promise<void>;
}

/** A controller without nodes, in this process. */
export interface LoneController {
  readonly url: string;
  createJob(name: string): Promise<CreateJobReply>;
  stop(): Promise<void>;
}

export interface NodeStart {
  readonly controllerUrl: string;
  readonly memoryBytes: number;
  /** For the runtime, before the program: `--import`, `--trace-gc`. */
  readonly execArgs?: readonly string[];
}

/** `mayfly`, as it was built beside this file. */
export const mainPath: string = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));

const readyLine = /^\{"ready":/;
const leaseMs = 3_600_000;

/** A fleet that serves with its first node. @throws MayflyError */
export async function startLoneController(): Promise<LoneController> {
  const fleet: EmbeddedFleet = await startEmbeddedFleet({
    // Pinned to a core with others, a node may wait for its turn longer than a fleet in earnest would forgive.
    ...{ port: 0, nodes: 0, nodesInitial: 1, nodeMemoryBytes: 0, deadAfterMs: 15_000 },
  });
  const controller = new ControllerClient(fleet.url);
  return {
    url: fleet.url,
    createJob: (name) => controller.createJob({ name, code: { d: 1, p: 0 }, leaseMs }),
    async stop() {
      controller.close();
      await fleet.stop();
    },
  };
}

/** Starts `mayfly node` and waits until it serves. @throws Error when it does not */
export async function startNodeProcess(
  start: NodeStart,
): Promise<{ process: PinnedProcess; host: string; port: number }> {
  const node = await spawnPinned({
    command: process.execPath,
    args: [
      ...(start.execArgs ?? []),
      ...[mainPath, "node", "--controller", start.controllerUrl, "--memory", String(start.memoryBytes)],
    ],
    cores: coresForBench()?.servers,
  });
  try {
    const line = await node.line(readyLine);
    const { ready } = JSON.parse(line) as { ready: { host: string; port: number } };
    return { process: node, host: ready.host, port: ready.port };
  } catch (thrown) {
    await node.stop();
    throw thrown;
  }
}

/** A controller and its only node. */
export async function startSingleNode(start: Omit<NodeStart, "controllerUrl">): Promise<SingleNode> {
  const controller = await startLoneController();
  try {
    const node = await startNodeProcess({ controllerUrl: controller.url, ...start });
    return {
      ...node,
      createJob: (name) => controller.createJob(name),
      async stop() {
        await node.process.stop();
        await controller.stop();
      },
    };
  } catch (thrown) {
    await controller.stop();
    throw thrown;
  }
}
