/** A whole fleet on this machine: a controller in this process, and nodes as child processes. */
import { fileURLToPath } from "node:url";
import { type Controller, createController } from "./controller/controller.ts";
import type { ControllerOptions } from "./controller/options.ts";
import { createProcessProvisioner, processPace } from "./controller/provisioners/process.ts";
import type { ProvisionedNode } from "./controller/provisioners/provisioner.ts";

export interface EmbeddedFleetOptions extends ControllerOptions {
  /** To begin with. */
  readonly nodes: number;
  readonly nodeMemoryBytes: number;
  /** The CLI's main file, which the node processes run; default: that of this package. */
  readonly mainPath?: string;
}

export interface EmbeddedFleet {
  readonly url: string;
  readonly controller: Controller;
  /** Those it began with. */
  readonly nodes: readonly ProvisionedNode[];
  /** Ends all node processes and the controller. */
  stop(): Promise<void>;
}

/** Starts the fleet and resolves when all nodes serve. @throws MayflyError PORT_IN_USE, NODE_UNREACHABLE */
export async function startEmbeddedFleet(options: EmbeddedFleetOptions): Promise<EmbeddedFleet> {
  const { nodes: count, mainPath = cliMain(), ...controllerOptions } = options;
  const autoscale = options.autoscale && { ...processPace, ...options.autoscale };
  const controller = createController(
    {
      ...{ port: 0, nodesInitial: count, ...controllerOptions },
      ...(autoscale !== undefined && { autoscale }),
    },
    createProcessProvisioner({ mainPath }),
  );
  try {
    const url = await controller.listen();
    // A fleet that sleeps starts its nodes when somebody needs it.
    const isAsleep = controller.state.map.hibernation?.state === "loading";
    const nodes = await controller.startNodes(isAsleep ? 0 : count);
    // Without a place for its state the fleet ends here, and all its jobs.
    const isForgotten = options.stateDir === undefined && options.store === undefined;
    return { url, controller, nodes, stop: () => controller.close({ isForgotten }) };
  } catch (error) {
    await controller.close();
    throw error;
  }
}

function cliMain(): string {
  return fileURLToPath(new URL("./cli/main.js", import.meta.url));
}
