/** The controller as a process: what `mayfly controller` runs. */
import { MayflyError } from "../errors.ts";
import { createController } from "./controller.ts";
import type { ControllerOptions } from "./options.ts";
import { createProcessProvisioner, processPace } from "./provisioners/process.ts";

export interface RunControllerOptions extends ControllerOptions {
  /** Nodes to start as child processes, each of `nodeMemoryBytes`; none by default, `nodesMin` with an autoscaler. */
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
  const { nodeMemoryBytes, mainPath = process.argv[1] ?? "" } = options;
  const autoscale = options.autoscale && { ...processPace, ...options.autoscale };
  const { nodes = autoscale?.nodesMin ?? 0 } = options;
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
      ...(autoscale !== undefined && { autoscale }),
    },
    nodeMemoryBytes === undefined ? undefined : createProcessProvisioner({ mainPath }),
  );
  const stopped = untilSignal();
  try {
    const url = await controller.listen();
    // A fleet that sleeps starts its nodes when somebody needs it.
    const isAsleep = controller.state.map.hibernation?.state === "loading";
    const started = controller.startNodes(isAsleep ? 0 : nodes);
    const ready = await Promise.race([started.then(() => true), stopped.then(() => false)]);
    if (ready) process.stdout.write(`${JSON.stringify({ ready: { url, nodes } })}\n`);
    await stopped;
  } finally {
    await controller.close();
  }
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
}
