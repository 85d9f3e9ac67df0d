/**
 * A fleet as it is in earnest, to be scaled and to lose nodes: default timeouts, processes on all cores, and it is known
 * which process is which node. The controller is in this process.
 */
import { ControllerClient } from "../../client/controller-client.ts";
import { type EmbeddedFleet, startEmbeddedFleet } from "../../src/embedded-fleet.ts";

export interface ProcessFleetOptions {
  readonly nodes: number;
  readonly nodeMemoryBytes: number;
  /** A line for each decision of the controller. */
  readonly log?: (line: string) => void;
}

export interface ProcessFleet {
  readonly controller: EmbeddedFleet["controller"];
  readonly client: ControllerClient;
  /** Process ids of the first nodes, by node. */
  readonly pids: ReadonlyMap<number, number>;
  /** Ends nodes and controller. */
  stop(): Promise<void>;
}

/** Resolves when all nodes serve. @throws MayflyError NODE_UNREACHABLE */
export async function startProcessFleet(options: ProcessFleetOptions): Promise<ProcessFleet> {
  const { nodes, nodeMemoryBytes, log = () => undefined } = options;
  const none = { port: 0, nodes: 0, nodesInitial: nodes, nodeMemoryBytes, log };
  const { url: controllerUrl, controller, stop: stopFleet } = await startEmbeddedFleet(none);
  const pids = new Map<number, number>();
  try {
    // One after the other, so that it is seen who is who.
    while (pids.size < nodes) {
      const { pid = 0 } = await controller.provisioner.start({ controllerUrl, memoryBytes: nodeMemoryBytes });
      const fresh = controller.state.map.nodes.find(({ id }) => !pids.has(id));
      if (fresh === undefined) throw new Error(`process ${pid} serves and is no node of the fleet`);
      pids.set(fresh.id, pid);
    }
    const client = new ControllerClient(controllerUrl);
    return {
      ...{ controller, client, pids },
      async stop() {
        client.close();
        await stopFleet();
      },
    };
  } catch (thrown) {
    await stopFleet();
    throw thrown;
  }
}
