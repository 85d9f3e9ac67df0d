/** A fleet to be measured: the controller in this process, nodes as processes on the cores of servers. */
import { ControllerClient } from "../../client/controller-client.ts";
import { type EmbeddedFleetOptions, startEmbeddedFleet } from "../../src/embedded-fleet.ts";
import type { CreateJobReply, CreateJobRequest, StatusReply } from "../../src/wire/control-api.ts";
import { coresForBench, pinProcesses } from "./processes.ts";

export interface BenchFleetOptions extends Partial<EmbeddedFleetOptions> {
  readonly nodes: number;
  readonly nodeMemoryBytes: number;
  /** On the cores of servers; true by default. */
  readonly isPinned?: boolean;
}

export interface BenchFleet {
  /** Of the controller. */
  readonly url: string;
  /** Of the node processes; `cpuSecondsOf(pids)` tells what they have used. */
  readonly pids: readonly number[];
  createJob(request?: CreateJobRequest): Promise<CreateJobReply>;
  status(): Promise<StatusReply>;
  /** Ends nodes and controller. */
  stop(): Promise<void>;
}

/** Resolves when all nodes serve and are pinned. @throws MayflyError NODE_UNREACHABLE */
export async function startBenchFleet({
  isPinned = true,
  ...options
}: BenchFleetOptions): Promise<BenchFleet> {
  // Pinned to one core together, a node may wait for its turn longer than a fleet in earnest would forgive.
  const fleet = await startEmbeddedFleet({ port: 0, deadAfterMs: 15_000, ...options });
  const controller = new ControllerClient(fleet.url);
  const stop = async (): Promise<void> => {
    controller.close();
    await fleet.stop();
  };
  try {
    const pids = fleet.nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
    if (isPinned) pinProcesses(pids, coresForBench()?.servers);
    return {
      ...{ url: fleet.url, pids, stop },
      createJob: (request = {}) => controller.createJob(request),
      status: () => controller.status(),
    };
  } catch (thrown) {
    await stop();
    throw thrown;
  }
}
