/** A controller and nodes inside the test's own process: for what needs a fleet and no processes. */
import { startCacheNode } from "../../cache-node/node.ts";
import type { CacheNode } from "../../cache-node/node-options.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import { createController } from "../../src/controller/controller.ts";

export interface FleetInProcess {
  /** Of a job with the default code. */
  readonly ticket: string;
  readonly nodes: readonly CacheNode[];
  stop(): Promise<void>;
}

export async function startFleetInProcess(count: number): Promise<FleetInProcess> {
  const controller = createController({ port: 0, nodesInitial: count, heartbeatMs: 50 });
  const controllerUrl = await controller.listen();
  const start = (): Promise<CacheNode> =>
    startCacheNode({
      ...{ clock: systemClock, rng: systemRng, controllerUrl, memoryBytes: 64 * 2 ** 20, pid: process.pid },
      onDeclaredDead: () => undefined,
      onDrained: () => undefined,
    });
  const nodes = await Promise.all(Array.from({ length: count }, start));
  const client = new ControllerClient(controllerUrl);
  const { ticket } = await client.createJob({});
  client.close();
  return {
    ticket,
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.stop()));
      await controller.close();
    },
  };
}
