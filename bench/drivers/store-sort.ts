/**
 * The code of `mayfly sort` with Redis or S3 in the place of the fleet, as a process that starts its server and ends it, as `mayfly
 * sort` does with its nodes: planning, record kernels, functions, executor and output are the same.
 */
import { connect } from "../../client/connect.ts";
import { ControllerClient } from "../../client/controller-client.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import { startEmbeddedFleet } from "../../src/embedded-fleet.ts";
import { createLocalExecutor } from "../../src/executor/local-executor.ts";
import { runSort } from "../../src/sort/run-sort.ts";
import { recordsOfFile } from "../../src/sort/sort-input.ts";
import { createSortOutput } from "../../src/sort/sort-output.ts";
import { planSort } from "../../src/sort/sort-plan.ts";
import { mainPath } from "../harness/single-node.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import { startFastestS3Server } from "../peers/s3-servers.ts";
import type { ShuffleTarget } from "../peers/shuffle-store.ts";
import type { StoreSortRequest } from "../peers/store-sort.ts";
import { driverRequest } from "./run-driver.ts";

const { store, input, output, workers } = driverRequest() as StoreSortRequest;
const stops: (() => unknown)[] = [];
const code = { d: 1, p: 0 };
/** Functions are given a job, which they do not use here. */
const idleNodeBytes = 32 * 2 ** 20;

async function startStore(): Promise<ShuffleTarget> {
  if (store === "redis") {
    const server = await startRedisServer({ isPinned: false });
    if ("absent" in server) throw new Error(server.absent);
    stops.push(() => server.stop());
    return { redis: { host: "127.0.0.1", port: server.port, batches: "multi-key" } };
  }
  const server = await startFastestS3Server(() => undefined, false);
  if ("absent" in server) throw new Error(server.absent);
  stops.push(() => server.stop());
  return { s3: { ...server.place, objects: "run" } };
}

async function sort(): Promise<void> {
  const target = await startStore();
  const fleet = await startEmbeddedFleet({ nodes: 1, nodeMemoryBytes: idleNodeBytes, mainPath, port: 0 });
  stops.push(() => fleet.stop());
  const controller = new ControllerClient(fleet.url);
  stops.push(() => controller.close());
  const { ticket } = await controller.createJob({ name: "sort", code });
  const job = await connect(ticket);
  stops.push(() => job.close());
  const executor = createLocalExecutor({ workers, ticket, execArgv: ["--no-liftoff"] });
  stops.push(() => executor.close());
  const records = await recordsOfFile(input);
  const functions = new URL("./store-sort-functions.js", import.meta.url);
  functions.search = encodeURIComponent(JSON.stringify(target));
  process.stdout.write(`${JSON.stringify({ started: true })}\n`);
  const sorted = await createSortOutput(output, records * 100, systemRng);
  stops.push(() => sorted.discard());
  const { seconds, ordered } = await runSort({
    ...{ clock: systemClock, rng: systemRng, job, executor, code, workers, output: sorted },
    plan: planSort({ bytes: records * 100, workers, nodes: 6, code: { d: 4, p: 2 } }),
    input: { file: input },
    functions: {
      map: { module: functions.href, name: "mapRecords" },
      reduce: { module: functions.href, name: "reducePartition" },
    },
    betweenPhases: async () => undefined,
    onProgress: () => undefined,
  });
  process.stdout.write(`${JSON.stringify({ sorted: { seconds, ordered } })}\n`);
}

const onSignal = (): void => {
  process.exitCode = 1;
  void stopAll().then(() => process.exit());
};
process.once("SIGTERM", onSignal).once("SIGINT", onSignal);

async function stopAll(): Promise<void> {
  for (const stop of stops.splice(0).reverse()) await stop();
}

try {
  await sort();
} finally {
  await stopAll();
}
