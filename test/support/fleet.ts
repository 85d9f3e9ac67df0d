/**
 * A fleet of real node processes for one test, stopped when the test has ended, however it ends. Nodes are named by
 * their ids; which process is which node is asked of the nodes.
 */
import { onTestFinished } from "vitest";
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import type { Job } from "../../client/job.ts";
import {
  type EmbeddedFleet,
  type EmbeddedFleetOptions,
  startEmbeddedFleet,
} from "../../src/embedded-fleet.ts";
import type { NodeId } from "../../src/ids.ts";
import type { FleetMap, NodeEntry } from "../../src/placement/types.ts";
import type { CreateJobReply, CreateJobRequest } from "../../src/wire/control-api.ts";
import { mainPath } from "./main-path.ts";
import { askNodeInfo } from "./node-info.ts";
import { until } from "./until.ts";

const mebibyte = 2 ** 20;

export interface TestFleet {
  readonly url: string;
  readonly embedded: EmbeddedFleet;
  readonly controller: ControllerClient;
  /** The controller's newest map. */
  readonly map: FleetMap;
  readonly nodeIds: readonly NodeId[];
  pidOf(node: NodeId): number;
  /** Settles when the process of the node has ended. */
  ended(node: NodeId): Promise<void>;
  /** kill -9; resolves when the process is gone, which is before the controller knows. */
  kill(node: NodeId): Promise<void>;
  /** SIGSTOP or SIGCONT; a stopped node goes on when the test ends. */
  signal(node: NodeId, signal: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void;
  untilDead(...nodes: readonly NodeId[]): Promise<void>;
  createJob(request?: CreateJobRequest): Promise<CreateJobReply>;
  /** Creates a job and connects to it. */
  begin(request?: CreateJobRequest): Promise<Job>;
  /** Another client, as another function would have. */
  connect(ticket: string): Promise<Job>;
}

/** Nodes of 64 MiB that report every 200 ms and are dead after 2 s of silence, unless `options` say otherwise. */
export async function startFleet(
  nodes: number,
  options: Partial<EmbeddedFleetOptions> = {},
): Promise<TestFleet> {
  const embedded = await startEmbeddedFleet({
    ...{ nodes, nodeMemoryBytes: 64 * mebibyte, mainPath, port: 0, heartbeatMs: 200, deadAfterMs: 2000 },
    ...options,
  });
  onTestFinished(() => embedded.stop());
  const controller = new ControllerClient(embedded.url);
  onTestFinished(() => controller.close());
  const entries = embedded.controller.state.map.nodes;
  const pids = await pidsOf(entries);
  return fleetOf(embedded, controller, pids);
}

async function pidsOf(entries: readonly NodeEntry[]): Promise<ReadonlyMap<NodeId, number>> {
  const infos = await Promise.all(entries.map(askNodeInfo));
  return new Map(entries.map(({ id }, at) => [id, infos[at]!.pid]));
}

function fleetOf(
  embedded: EmbeddedFleet,
  controller: ControllerClient,
  pids: ReadonlyMap<NodeId, number>,
): TestFleet {
  const pidOf = (node: NodeId): number => pids.get(node)!;
  const fleet: TestFleet = {
    url: embedded.url,
    embedded,
    controller,
    get map() {
      return embedded.controller.state.map;
    },
    nodeIds: [...pids.keys()],
    pidOf,
    ended: (node) => embedded.nodes.find(({ pid }) => pid === pidOf(node))!.ended,
    async kill(node) {
      process.kill(pidOf(node), "SIGKILL");
      await fleet.ended(node);
    },
    signal(node, signal) {
      process.kill(pidOf(node), signal);
      // A stopped process would not hear the SIGTERM of the end.
      if (signal === "SIGSTOP") onTestFinished(() => continueIfThere(pidOf(node)));
    },
    untilDead: (...nodes) =>
      until(`the controller knows that nodes ${nodes.join(", ")} are dead`, () => {
        const alive = fleet.map.nodes.filter(({ state }) => state !== "dead").map(({ id }) => id);
        return nodes.every((node) => !alive.includes(node));
      }),
    createJob: (request = {}) => controller.createJob(request),
    async begin(request = {}) {
      const { ticket } = await controller.createJob(request);
      return fleet.connect(ticket);
    },
    async connect(ticket) {
      const job = await connect(ticket);
      onTestFinished(() => job.close());
      return job;
    },
  };
  return fleet;
}

function continueIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch {
    // It has ended.
  }
}
