/**
 * One node by itself, under redis-benchmark: SET and GET of 1 KiB, beside redis-server under the same load. Servers share
 * a core, and redis-benchmark has another.
 */
import { type Contender, measureCase } from "./harness/compare.ts";
import { describeMachine } from "./harness/machine.ts";
import { untilIdle } from "./harness/processes.ts";
import {
  type Absent,
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  isWanted,
} from "./harness/report.ts";
import { startSingleNode } from "./harness/single-node.ts";
import { type RedisLoad, type RedisTarget, runRedisBenchmark } from "./peers/redis-benchmark.ts";
import { startRedisServer } from "./peers/redis-server.ts";

const nodeMemoryBytes = 512 * 1024 * 1024;
const valueBytes = 1024;
const keys = 10_000;

/** Requests by how many are pipelined: about half a second a sample. */
const requestsOf: Readonly<Record<number, number>> = { 1: 50_000, 16: 300_000 };

interface NodeCase {
  readonly name: string;
  readonly load: RedisLoad;
}

export const nodeCases: readonly NodeCase[] = [1, 16].flatMap((pipelined) =>
  [50, 1000].flatMap((connections) =>
    (["set", "get"] as const).map((command) => ({
      name: `${command.toUpperCase()} 1KiB P=${pipelined} c=${connections}`,
      load: { command, valueBytes, connections, pipelined, requests: requestsOf[pipelined]!, keys },
    })),
  ),
);

/** Each key is there before it is read: a missing one costs less. */
const fill: RedisLoad = {
  ...{ command: "set", valueBytes, connections: 50, pipelined: 16, requests: 20 * keys, keys },
};

/** @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then */
export async function benchNode(options: BenchOptions): Promise<BenchReport> {
  const machine = describeMachine();
  const stops: (() => Promise<void>)[] = [];
  const cases: BenchCase[] = [];
  const contenderOf = async (target: RedisTarget): Promise<(load: RedisLoad) => Contender> => {
    await runRedisBenchmark(fill, target, options.signal);
    return (load) => ({ sample: () => runRedisBenchmark(load, target, options.signal) });
  };
  try {
    const mayfly = await contenderOf(await startMayfly(stops));
    const server = await startRedisServer();
    const redis = "absent" in server ? server : { host: "127.0.0.1", port: server.port };
    if (!("absent" in server)) stops.push(() => server.stop());
    const peer: Absent | ((load: RedisLoad) => Contender) =
      "absent" in redis ? redis : await contenderOf(redis);
    for (const { name, load } of nodeCases.filter((each) => isWanted(each.name, options))) {
      const peers = { "redis-server": typeof peer === "function" ? peer(load) : peer };
      const spec = {
        case: name,
        compared: "opsPerSecond",
        better: "higher",
        mayfly: mayfly(load),
        peers,
      } as const;
      cases.push(await measureCase(spec, options));
    }
  } finally {
    for (const stop of stops.reverse()) await stop().catch((thrown) => options.log(`not stopped: ${thrown}`));
  }
  return { scenario: "node", machine, rounds: options.rounds, cases };
}

/** A fleet of one node, which so serves every key, and a job in it. */
async function startMayfly(stops: (() => Promise<void>)[]): Promise<RedisTarget> {
  const node = await startSingleNode({ memoryBytes: nodeMemoryBytes });
  stops.push(() => node.stop());
  await untilIdle([node.process.pid]);
  const { job, token } = await node.createJob("bench-node");
  return { host: node.host, port: node.port, user: String(job.job), password: token };
}
