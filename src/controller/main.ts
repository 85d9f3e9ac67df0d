/** The controller as a process: what `mayfly controller` runs. */
import { MayflyError } from "../errors.ts";
import { type Controller, createController } from "./controller.ts";
import type { ControllerOptions } from "./options.ts";
import { createProcessProvisioner } from "./provisioners/process.ts";

export interface RunControllerOptions extends ControllerOptions {
  /** Nodes to start as child processes, each of `nodeMemoryBytes`; none by default. */
  readonly nodes?: number;
  /** The CLI's main file, which those children run; the one of this process by default. */
  readonly mainPath?: string;
}

/**
 * Runs a controller until SIGINT or SIGTERM. When it serves, and its nodes are ready, it prints
 * `{"ready":{"url":"http://...","nodes":3}}` as one line on standard output; decisions go to standard error.
 *
 * @throws MayflyError what `Controller.listen` throws, or NODE_UNREACHABLE when a node does not start.
 */
export async function runController(options: RunControllerOptions = {}): Promise<void> {
  const { nodes = 0, nodeMemoryBytes, mainPath = process.argv[1] ?? "" } = options;
  if (nodes > 0 && nodeMemoryBytes === undefined) {
    throw new MayflyError(
      "INVALID_ARGUMENT",
      `${nodes} nodes are to be started, and nobody said how large: --memory`,
    );
  }
  const controller = createController(
    {
      nodesInitial: Math.max(1, nodes),
      log: (line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
      ...options,
    },
    nodeMemoryBytes === undefined ? undefined : createProcessProvisioner({ mainPath }),
  );
  const stopped = untilSignal();
  try {
    const url = await controller.listen();
    const started = startNodes(controller, url, nodes, nodeMemoryBytes ?? 0);
    const ready = await Promise.race([started.then(() => true), stopped.then(() => false)]);
    if (ready) process.stdout.write(`${JSON.stringify({ ready: { url, nodes } })}\n`);
    await stopped;
  } finally {
    await controller.close();
  }
}

async function startNodes(
  controller: Controller,
  controllerUrl: string,
  count: number,
  memoryBytes: number,
): Promise<void> {
  const start = () => controller.provisioner.start({ controllerUrl, memoryBytes });
  await Promise.all(Array.from({ length: count }, start));
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
