/**
 * A shuffle of M maps and R partitions: a fleet of six nodes, code 4+2, beside Redis through ioredis and an S3 server, all through one
 * interface (peers/shuffle-store.ts). Workers are processes; each does its share of the maps, then, when all have done theirs, its share
 * of the partitions, and compares each byte with what was written. Time counts from the first map's beginning to the last
 * partition's end.
 *
 * Nothing is pinned, for no contender: two workers need two cores, and share them with whatever serves them, as functions that wait
 * for their store leave theirs to others. Servers and workers live long, so each case begins with a shuffle that is not measured, of as many
 * bytes and fewer blocks.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AskedDriver, startAskedDriver } from "./drivers/ask-driver.ts";
import type { ShufflePhase, ShuffleRequest } from "./drivers/shuffle-messages.ts";
import { type Chart, type ChartedReport, chartOf } from "./harness/charts.ts";
import { type Contender, measureCase } from "./harness/compare.ts";
import { startBenchFleet } from "./harness/fleet.ts";
import { describeMachine } from "./harness/machine.ts";
import { cpuSecondsOf, untilIdle } from "./harness/processes.ts";
import { type Absent, type BenchCase, type BenchOptions, type Figures, isWanted } from "./harness/report.ts";
import { startRedisServer } from "./peers/redis-server.ts";
import { startFastestS3Server } from "./peers/s3-servers.ts";
import type { RedisBatches, S3Place, ShuffleTarget } from "./peers/shuffle-store.ts";
import { type ShuffleCase, type ShuffleScale, shuffleCases, shuffleScaleDefault } from "./shuffle-cases.ts";

/** The server side of contenders. */
interface Serving {
  readonly pids: readonly number[];
  /** By contender. */
  readonly targets: Readonly<Record<string, ShuffleTarget>>;
  /** Resolves when what was deleted takes no memory any more. */
  freed(): Promise<void>;
  stop(): Promise<void>;
}

const fleetNodes = 6;
const code = { d: 4, p: 2 } as const;
const leaseMs = 3_600_000;
/** Of each worker, whoever serves it: while one waits for its commit or its first blocks another one moves bytes. */
const tasksAtOnce = 2;
/** Maps and partitions of the shuffle to warm up. */
const warmSide = 50;
const phaseWithinMs = 540_000;
const freedWithinMs = 60_000;

/** @throws the signal's reason when it is aborted, and whatever a contender throws; all has been stopped by then */
export async function benchShuffle(
  options: BenchOptions,
  scale: ShuffleScale = shuffleScaleDefault,
): Promise<ChartedReport> {
  const machine = describeMachine();
  const wanted = shuffleCases(scale).filter(({ name }) => isWanted(name, options));
  const servers = startOnDemand(options, scale);
  const cases: BenchCase[] = [];
  try {
    for (const each of wanted) cases.push(await measureShuffle(each, servers.of, options));
  } finally {
    await servers.stop();
  }
  const charts = scale.workers.flatMap((workers) => chartsOf(wanted, cases, workers));
  return { scenario: "shuffle", machine, rounds: options.rounds, cases, charts };
}

async function measureShuffle(
  each: ShuffleCase,
  servingOf: (name: string) => Promise<Serving | Absent>,
  options: BenchOptions,
): Promise<BenchCase> {
  const workers: AskedDriver[] = [];
  const contender = async (name: string): Promise<Contender | Absent> => {
    const serving = await servingOf(name);
    if ("absent" in serving) return serving;
    const own: AskedDriver[] = [];
    for (let count = 0; count < each.workers; count++) {
      const target = serving.targets[name];
      const worker = await startAskedDriver({
        ...{ driver: "shuffle-driver", target, withinMs: phaseWithinMs, signal: options.signal },
      });
      workers.push(worker);
      own.push(worker);
    }
    return contenderOf(name, each, serving, own);
  };
  try {
    const mayfly = await contender("mayfly");
    if ("absent" in mayfly) throw new Error(`there is no fleet to measure: ${mayfly.absent}`);
    const peers: Record<string, Contender | Absent> = {};
    for (const peer of each.peers) peers[peer] = await contender(peer);
    return await measureCase(
      { case: each.name, compared: "mbPerSecond", better: "higher", mayfly, peers },
      options,
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()));
  }
}

/** Each sample is a shuffle of its own, which is gone when the sample has ended. */
function contenderOf(
  name: string,
  each: ShuffleCase,
  serving: Serving,
  workers: readonly AskedDriver[],
): Contender {
  let samples = 0;
  return {
    async sample() {
      const { maps, partitions, blockBytes } = samples === 0 ? warmed(each) : each;
      const shape = { name: `${each.name} ${name} ${samples++}`, maps, partitions };
      const phase = (ask: ShuffleRequest["ask"], tasks: number): Promise<ShufflePhase[]> =>
        Promise.all(
          workers.map(async (worker, at) => {
            const own = Array.from({ length: tasks }, (_, task) => task).filter(
              (task) => task % workers.length === at,
            );
            const request: ShuffleRequest = { ask, shape, blockBytes, tasks: own, tasksAtOnce };
            return (await worker.ask(request)) as ShufflePhase;
          }),
        );
      const before = cpuSecondsOf(serving.pids);
      const mapped = await phase("map", maps);
      const reduced = await phase("reduce", partitions);
      const serverCpuSeconds = cpuSecondsOf(serving.pids) - before;
      await workers[0]!.ask({ ask: "delete", shape, blockBytes, tasks: [], tasksAtOnce });
      await serving.freed();
      return figuresOf(maps * partitions * blockBytes, mapped, reduced, serverCpuSeconds);
    },
  };
}

/** Of as many bytes: what they lie in has been touched then. */
function warmed({
  maps,
  partitions,
  blockBytes,
}: ShuffleCase): Pick<ShuffleCase, "maps" | "partitions" | "blockBytes"> {
  const [few, fewer] = [Math.min(maps, warmSide), Math.min(partitions, warmSide)];
  return {
    ...{ maps: few, partitions: fewer },
    blockBytes: Math.round((maps * partitions * blockBytes) / (few * fewer)),
  };
}

export function figuresOf(
  bytes: number,
  mapped: readonly ShufflePhase[],
  reduced: readonly ShufflePhase[],
  serverCpuSeconds: number,
): Figures {
  const all = [...mapped, ...reduced];
  const seconds = secondsOf(all);
  const sum = (of: (phase: ShufflePhase) => number, phases: readonly ShufflePhase[] = all): number =>
    phases.reduce((total, phase) => total + of(phase), 0);
  return {
    mbPerSecond: bytes / seconds / 1e6,
    ...{ seconds, mapSeconds: secondsOf(mapped), reduceSeconds: secondsOf(reduced) },
    mapRequests: sum(({ requests }) => requests, mapped),
    reduceRequests: sum(({ requests }) => requests, reduced),
    clientCpuSeconds: sum(({ cpuSeconds }) => cpuSeconds),
    ...(!Number.isNaN(serverCpuSeconds) && { serverCpuSeconds }),
  };
}

/** From the first beginning to the last end. */
function secondsOf(phases: readonly ShufflePhase[]): number {
  const began = Math.min(...phases.map(({ beganMs }) => beganMs));
  return (Math.max(...phases.map(({ endedMs }) => endedMs)) - began) / 1000;
}

/** Starts each server when one of its contenders is first asked for. */
function startOnDemand(
  { log, signal }: BenchOptions,
  scale: ShuffleScale,
): { of(name: string): Promise<Serving | Absent>; stop(): Promise<void> } {
  const starts: Readonly<Record<string, () => Promise<Serving | Absent>>> = {
    mayfly: () => startFleet(scale),
    redis: startRedis,
    s3: () => startS3(log),
  };
  const started = new Map<string, Promise<Serving | Absent>>();
  return {
    of(name) {
      signal.throwIfAborted();
      const server = name.split("-")[0]!;
      const serving = started.get(server) ?? starts[server]!();
      started.set(server, serving);
      return serving;
    },
    async stop() {
      for (const [name, starting] of started) {
        const serving = await starting.catch(() => undefined);
        if (serving === undefined || "absent" in serving) continue;
        await serving.stop().catch((thrown: unknown) => log(`${name} not stopped: ${thrown}`));
      }
    },
  };
}

async function startFleet({ bytes, nodeMemoryBytes }: ShuffleScale): Promise<Serving> {
  const fleet = await startBenchFleet({ nodes: fleetNodes, nodeMemoryBytes, isPinned: false });
  try {
    // Nodes touch their memory in the background, which is nobody's business here.
    await untilIdle(fleet.pids);
    const { ticket } = await fleet.createJob({ name: "bench-shuffle", code, leaseMs });
    const claimed = async (): Promise<number> =>
      (await fleet.status()).nodes.reduce((sum, node) => sum + node.claimedBytes, 0);
    const atFirst = await claimed();
    return {
      ...{ pids: fleet.pids, targets: { mayfly: { ticket } }, stop: () => fleet.stop() },
      async freed() {
        const untilMs = performance.now() + freedWithinMs;
        for (let now = await claimed(); now > atFirst + bytes / 10; now = await claimed()) {
          if (performance.now() > untilMs)
            throw new Error(`the nodes hold ${now} bytes long after the shuffle was deleted`);
          await sleep(50);
        }
      },
    };
  } catch (thrown) {
    await fleet.stop();
    throw thrown;
  }
}

async function startRedis(): Promise<Serving | Absent> {
  const server = await startRedisServer({ isPinned: false });
  if ("absent" in server) return server;
  const of = (batches: RedisBatches): ShuffleTarget => ({
    redis: { host: "127.0.0.1", port: server.port, batches },
  });
  return {
    ...{ pids: server.pids, stop: () => server.stop(), freed: async () => undefined },
    targets: { "redis-multi-key": of("multi-key"), "redis-pipeline": of("pipeline") },
  };
}

async function startS3(log: (line: string) => void): Promise<Serving | Absent> {
  const server = await startFastestS3Server(log, false);
  if ("absent" in server) return server;
  const of = (objects: S3Place["objects"]): ShuffleTarget => ({ s3: { ...server.place, objects } });
  return {
    ...{ pids: server.pids, stop: () => server.stop(), freed: async () => undefined },
    targets: { "s3-blocks": of("block"), "s3-ranges": of("run") },
  };
}

function chartsOf(wanted: readonly ShuffleCase[], measured: readonly BenchCase[], workers: number): Chart[] {
  const points = wanted.flatMap(({ maps, partitions, ...each }, at) =>
    each.workers === workers && measured[at] !== undefined
      ? [{ x: maps * partitions, of: measured[at] }]
      : [],
  );
  const title = `MB/s over M x R, ${workers === 1 ? "1 worker" : `${workers} workers`}`;
  return points.length === 0 ? [] : [chartOf(title, "mbPerSecond", points)];
}
