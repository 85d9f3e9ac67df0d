/**
 * Puts and gets of values of 1 KiB to 16 MiB: a fleet of six nodes, code 4+2, all checks on, beside Redis with and
 * without replicas, an S3 server, and plain TCP and memory as the limits. Each contender's client is a process of its
 * own on the core of clients; all servers, ours too, share the other cores.
 */
import { type KvClient, startKvClient } from "./drivers/kv-client.ts";
import type { KvSample, KvSampleRequest } from "./drivers/kv-messages.ts";
import { type Contender, measureCase } from "./harness/compare.ts";
import { startBenchFleet } from "./harness/fleet.ts";
import { describeMachine } from "./harness/machine.ts";
import { cpuSecondsOf, untilIdle } from "./harness/processes.ts";
import {
  type Absent,
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { type KvCase, kvCases } from "./kv-cases.ts";
import type { KvServer } from "./peers/kv-store.ts";
import { startRawTcpServer } from "./peers/raw-tcp.ts";
import { startRedisServer, startReplicatedRedis } from "./peers/redis-server.ts";
import { startFastestS3Server } from "./peers/s3-servers.ts";

/** What a test of the scenario makes smaller. */
export interface KvScale {
  readonly nodeMemoryBytes: number;
  /** For puts and for gets, of each size to warm up with, of each contender. */
  readonly warmMs: number;
  /** The same for the fleet: each of its young processes sees a part of the calls that V8 learns from. */
  readonly fleetWarmMs: number;
}

const scaleDefault: KvScale = { nodeMemoryBytes: 512 * 1024 * 1024, warmMs: 1000, fleetWarmMs: 12_000 };
const kib = 1024;
const fleetNodes = 6;
const code = { d: 4, p: 2 } as const;
const leaseMs = 3_600_000;

/** A contender that runs: its client process, and the processes of its server. */
interface Running {
  readonly client: KvClient;
  readonly serverPids: readonly number[];
}

/** @throws the signal's reason when it is aborted, and whatever a contender throws; all has been stopped by then */
export async function benchKv(options: BenchOptions, scale: KvScale = scaleDefault): Promise<BenchReport> {
  const machine = describeMachine();
  const stops: (() => Promise<void>)[] = [];
  const cases: BenchCase[] = [];
  try {
    const running = startOnDemand(options, scale, stops);
    for (const each of kvCases.filter(({ name }) => isWanted(name, options))) {
      cases.push(await measureKvCase(each, running, options));
    }
  } finally {
    // In reverse: clients before their servers.
    for (const stop of stops.reverse()) await stop().catch((thrown) => options.log(`not stopped: ${thrown}`));
  }
  return { scenario: "kv", machine, rounds: options.rounds, cases };
}

async function measureKvCase(
  { name, compared, better, request, peers }: KvCase,
  running: (name: string) => Promise<Running | Absent>,
  options: BenchOptions,
): Promise<BenchCase> {
  const mayfly = await running("mayfly");
  if ("absent" in mayfly) throw new Error(`there is no fleet to measure: ${mayfly.absent}`);
  const others: Record<string, Contender | Absent> = {};
  for (const peer of peers) {
    const side = await running(peer);
    others[peer] = "absent" in side ? side : contenderOf(side, request);
  }
  const spec = { case: name, compared, better, mayfly: contenderOf(mayfly, request), peers: others };
  return measureCase(spec, options);
}

function contenderOf({ client, serverPids }: Running, request: KvSampleRequest): Contender {
  return {
    async sample() {
      const before = cpuSecondsOf(serverPids);
      const sample = await client.sample(request);
      return figuresOf(request, sample, cpuSecondsOf(serverPids) - before);
    },
  };
}

/** Bytes beside what is measured count for CPU time, since they cannot be told apart there, and for nothing else. */
export function figuresOf(request: KvSampleRequest, sample: KvSample, serverCpuSeconds: number): Figures {
  const { operations, seconds, p50Ms, p99Ms, cpuSeconds, besideBytes } = sample;
  const bytes = operations * request.valueBytes;
  const gigabytes = (bytes + besideBytes) / 1e9;
  return {
    mbPerSecond: bytes / seconds / 1e6,
    opsPerSecond: operations / seconds,
    p50Ms,
    p99Ms,
    clientCpuSecondsPerGb: cpuSeconds / gigabytes,
    ...(!Number.isNaN(serverCpuSeconds) && { serverCpuSecondsPerGb: serverCpuSeconds / gigabytes }),
    ...(request.beside !== undefined && { besideMbPerSecond: besideBytes / seconds / 1e6 }),
  };
}

/** Starts each contender when it is first asked for, and its server with it; adds to `stops` what ends them. */
function startOnDemand(
  { log, signal }: BenchOptions,
  scale: KvScale,
  stops: (() => Promise<void>)[],
): (name: string) => Promise<Running | Absent> {
  const once = <T>(start: () => Promise<T>): (() => Promise<T>) => {
    let started: Promise<T> | undefined;
    return () => {
      started ??= start();
      return started;
    };
  };
  const server = (start: () => Promise<KvServer | Absent>): (() => Promise<KvServer | Absent>) =>
    once(async () => {
      signal.throwIfAborted();
      const started = await start();
      if (!("absent" in started)) stops.push(() => started.stop());
      return started;
    });
  const redis = server(() => startRedisServer());
  const servers: Readonly<Record<string, () => Promise<KvServer | Absent>>> = {
    mayfly: server(() => startFleet(scale)),
    "redis-ioredis": redis,
    "redis-node-redis": redis,
    "redis-wait2": server(() => startReplicatedRedis(2)),
    s3: server(() => startFastestS3Server(log)),
    "raw-tcp": server(startRawTcpServer),
    memcpy: server(async () => ({ pids: [], target: {}, stop: async () => undefined })),
  };
  const running = new Map<string, Promise<Running | Absent>>();
  const start = async (name: string): Promise<Running | Absent> => {
    const serving = await servers[name]!();
    if ("absent" in serving) return serving;
    const client = await startKvClient(name, serving.target, signal);
    stops.push(() => client.stop());
    await warm(client, name === "mayfly" ? scale.fleetWarmMs : scale.warmMs);
    return { client, serverPids: serving.pids };
  };
  return (name) => {
    const started = running.get(name) ?? start(name);
    running.set(name, started);
    return started;
  };
}

/** Servers and clients live long, so what counts is how they are when V8 has compiled what they do most. */
async function warm(client: KvClient, durationMs: number): Promise<void> {
  for (const valueBytes of [kib, kib * kib]) {
    for (const operation of ["put", "get"] as const) {
      await client.sample({ operation, valueBytes, outstanding: 16, into: false, durationMs });
    }
  }
}

async function startFleet({ nodeMemoryBytes }: KvScale): Promise<KvServer> {
  const fleet = await startBenchFleet({ nodes: fleetNodes, nodeMemoryBytes });
  try {
    // Nodes touch their memory in the background, which is nobody's business here.
    await untilIdle(fleet.pids);
    const { ticket } = await fleet.createJob({ name: "bench-kv", code, leaseMs });
    return { pids: fleet.pids, target: { ticket }, stop: () => fleet.stop() };
  } catch (thrown) {
    await fleet.stop();
    throw thrown;
  }
}
