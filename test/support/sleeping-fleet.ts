/** A fleet in the process of the test that can sleep: its controller starts nodes by itself, and its object store is in memory. */
import { onTestFinished } from "vitest";
import { startCacheNode } from "../../cache-node/node.ts";
import type { CacheNode } from "../../cache-node/node-options.ts";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import type { Job } from "../../client/job.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import { type Controller, createController } from "../../src/controller/controller.ts";
import type { ControllerOptions } from "../../src/controller/options.ts";
import type { Provisioner } from "../../src/controller/provisioners/provisioner.ts";
import type { CreateJobRequest } from "../../src/wire/control-api.ts";
import type { HibernationProgress } from "../../src/wire/hibernation-api.ts";
import type { MemoryObjects } from "./memory-objects.ts";
import { until } from "./until.ts";

const mebibyte = 2 ** 20;

export interface SleepingFleet {
  readonly controller: Controller;
  readonly client: ControllerClient;
  /** Nodes that have not ended, by their ids. */
  readonly nodes: ReadonlyMap<number, CacheNode>;
  begin(request?: CreateJobRequest): Promise<Job>;
  connect(ticket: string): Promise<Job>;
  /** Asks it to sleep, and resolves when it does. */
  sleep(): Promise<void>;
  until(stage: HibernationProgress["stage"]): Promise<void>;
  /** The node ends without telling anybody. */
  kill(node: number): void;
  /** The controller ends without telling anybody. Its nodes live on. */
  killController(): Promise<void>;
}

export interface SleepingFleetOptions extends ControllerOptions {
  /** To begin with; none for a fleet that is restored. */
  readonly nodes: number;
  readonly objects: MemoryObjects;
  /** Where nodes find their controller, when it is started anew in its place. */
  readonly provisioner?: Provisioner & { readonly nodes: Map<number, CacheNode> };
}

/** Nodes as parts of this process. They outlive their controller, and end with the test. */
export function createInProcessProvisioner(
  objects: MemoryObjects,
): Provisioner & { readonly nodes: Map<number, CacheNode> } {
  const nodes = new Map<number, CacheNode>();
  onTestFinished(async () => {
    for (const node of nodes.values()) await node.stop();
  });
  return {
    nodes,
    startsNodes: true,
    async start({ controllerUrl, memoryBytes }) {
      let end = (): void => undefined;
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      let node: CacheNode | undefined;
      const stop = (): void => {
        if (node !== undefined) nodes.delete(node.nodeId);
        void node?.stop();
        end();
      };
      node = await startCacheNode({
        ...{ clock: systemClock, rng: systemRng, controllerUrl, memoryBytes, pid: process.pid },
        ...{ onDeclaredDead: stop, onDrained: stop },
        openStore: async () => objects,
      });
      nodes.set(node.nodeId, node);
      return { name: `node ${node.nodeId}`, pid: undefined, ended };
    },
    async stop() {},
    async stopAll() {},
  };
}

export async function startSleepingFleet(options: SleepingFleetOptions): Promise<SleepingFleet> {
  const { nodes: count, objects, provisioner = createInProcessProvisioner(objects), ...rest } = options;
  const controller = createController(
    {
      ...{
        port: 0,
        nodesInitial: Math.max(1, count),
        heartbeatMs: 100,
        deadAfterMs: 2000,
        nodeMemoryBytes: 32 * mebibyte,
      },
      ...{ durableUrl: "file:///memory", openObjectStore: async () => objects },
      ...rest,
    },
    provisioner,
  );
  const url = await controller.listen();
  onTestFinished(() => controller.close());
  const client = new ControllerClient(url);
  onTestFinished(() => client.close());
  if (count > 0) await controller.startNodes(count);
  const fleet: SleepingFleet = {
    controller,
    client,
    nodes: provisioner.nodes,
    async begin(request) {
      return await fleet.connect((await client.createJob(request ?? {})).ticket);
    },
    async connect(ticket) {
      const job = await connect({ ticket, stripeMemoryBytes: 16 * mebibyte });
      onTestFinished(() => job.close());
      return job;
    },
    async sleep() {
      await client.hibernate();
      await until("the fleet sleeps", async () => {
        const { stage } = await client.hibernationProgress();
        // On a busy machine a node is missed now and then, and that keeps a fleet awake.
        if (stage === "awake") await client.hibernate();
        return stage === "asleep";
      });
    },
    until: (stage) =>
      until(`the fleet is ${stage}`, async () => (await client.hibernationProgress()).stage === stage),
    kill(id) {
      const node = provisioner.nodes.get(id)!;
      provisioner.nodes.delete(id);
      (node as CacheNode & { close(): void }).close();
    },
    killController: () => controller.close(),
  };
  return fleet;
}
