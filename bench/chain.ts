/**
 * A chain of encoders after ExCamera (examples/excamera-chain): each function encodes its frames, takes the state of the one
 * before, and hands on its own. The same functions over a fleet of six nodes with code 4+2, over one Redis, and over an S3
 * server; what they encode is compared, each time, with what one process makes. All functions run at a time, as processes on the
 * core of clients; all servers share the other cores. Pictures come from a file and results go by the executor, so that the
 * exchange of states is all that differs.
 */
import { encodeSerially } from "../examples/excamera-chain/chunk.ts";
import { framesOf, plateFile, readFilm } from "../examples/excamera-chain/film.ts";
import { packChunk } from "../examples/excamera-chain/stream.ts";
import { systemClock, systemRng } from "../src/clock.ts";
import type { Executor, HandlerRef } from "../src/executor/executor.ts";
import { createLocalExecutor } from "../src/executor/local-executor.ts";
import {
  type ChainLinkEvent,
  type ChainLinkResult,
  digestOf,
  type ExchangeName,
} from "./drivers/chain-link.ts";
import { type Contender, measureCase } from "./harness/compare.ts";
import { startBenchFleet } from "./harness/fleet.ts";
import { describeMachine } from "./harness/machine.ts";
import { coresForBench, pinProcesses, untilIdle } from "./harness/processes.ts";
import {
  type Absent,
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { median } from "./harness/statistics.ts";
import type { KvServer, StoreTarget } from "./peers/kv-store.ts";
import { startRedisServer } from "./peers/redis-server.ts";
import { startFastestS3Server } from "./peers/s3-servers.ts";

export interface ChainCase {
  readonly links: number;
  readonly framesPerLink: number;
}

/** What a test of the scenario makes smaller. */
export interface ChainScale {
  readonly nodeMemoryBytes: number;
  readonly cases: readonly ChainCase[];
}

const scaleDefault: ChainScale = {
  nodeMemoryBytes: 256 * 1024 * 1024,
  cases: [
    // Chunks of 6 frames are what ExCamera found best; of one frame there is the most to exchange.
    { links: 8, framesPerLink: 6 },
    { links: 16, framesPerLink: 1 },
  ],
};
const fleetNodes = 6;
const code = { d: 4, p: 2 } as const;
const leaseMs = 3_600_000;
const step = 8;
const linkTimeoutMs = 120_000;
const peers = ["redis", "s3"] as const;

const link: HandlerRef = {
  module: new URL("./drivers/chain-link.js", import.meta.url).href,
  name: "runChainLink",
};

/** @throws the signal's reason when it is aborted, and whatever a contender throws; all has been stopped by then */
export async function benchChain(
  options: BenchOptions,
  scale: ChainScale = scaleDefault,
): Promise<BenchReport> {
  const machine = describeMachine();
  const wanted = scale.cases
    .map((each) => ({ ...each, name: `${each.links} functions of ${frameCount(each)}` }))
    .filter(({ name }) => isWanted(name, options));
  const cases: BenchCase[] = [];
  const stops: (() => Promise<void>)[] = [];
  try {
    const running = wanted.length === 0 ? undefined : await startAll(options, scale, stops);
    for (const { name, ...each } of wanted) {
      const contenders = await contendersOf(running!, each, options.signal);
      const { mayfly, ...others } = contenders;
      if (!("sample" in mayfly)) throw new Error(`there is no fleet to measure: ${mayfly.absent}`);
      const spec = { case: name, compared: "exchangeShare", better: "lower", mayfly, peers: others } as const;
      cases.push(await measureCase(spec, options));
    }
  } finally {
    for (const stop of stops.reverse()) await stop().catch((thrown) => options.log(`not stopped: ${thrown}`));
  }
  return { scenario: "chain", machine, rounds: options.rounds, cases };
}

function frameCount({ framesPerLink }: ChainCase): string {
  return framesPerLink === 1 ? "1 frame" : `${framesPerLink} frames`;
}

interface Running {
  readonly executor: Executor;
  readonly target: StoreTarget;
}

type Side<T> = Readonly<Record<ExchangeName, T | Absent>>;

/** Servers, and for each of them functions of its own. */
async function startAll(
  { log, signal }: BenchOptions,
  { nodeMemoryBytes, cases }: ChainScale,
  stops: (() => Promise<void>)[],
): Promise<Side<Running>> {
  const fleet = await startBenchFleet({ nodes: fleetNodes, nodeMemoryBytes });
  stops.push(() => fleet.stop());
  await untilIdle(fleet.pids);
  const { ticket } = await fleet.createJob({ name: "bench-chain", code, leaseMs });
  const workers = Math.max(...cases.map(({ links }) => links));
  const functions = (target: StoreTarget): Running => {
    const executor = createLocalExecutor({ workers, ticket, clock: systemClock, rng: systemRng });
    stops.push(() => executor.close());
    return { executor, target };
  };
  const peer = async (start: () => Promise<KvServer | Absent>): Promise<Running | Absent> => {
    signal.throwIfAborted();
    const server = await start();
    if ("absent" in server) return server;
    stops.push(() => server.stop());
    return functions(server.target);
  };
  return {
    mayfly: functions({}),
    redis: await peer(() => startRedisServer()),
    s3: await peer(() => startFastestS3Server(log)),
  };
}

async function contendersOf(
  running: Side<Running>,
  each: ChainCase,
  signal: AbortSignal,
): Promise<Side<Contender>> {
  const digests = await expectedDigests(each);
  const contender = (exchange: ExchangeName): Contender | Absent => {
    const side = running[exchange];
    return "absent" in side ? side : contenderOf(exchange, side, each, digests, signal);
  };
  const [redis, s3] = peers.map(contender) as [Contender | Absent, Contender | Absent];
  return { mayfly: contender("mayfly"), redis, s3 };
}

/** Of each link, as one process makes it. */
async function expectedDigests({ links, framesPerLink }: ChainCase): Promise<string[]> {
  const film = await readFilm(plateFile());
  const coded = encodeSerially({ ...film, step }, framesOf(film, links * framesPerLink));
  return Array.from({ length: links }, (_, index) =>
    digestOf(packChunk(coded.slice(index * framesPerLink, (index + 1) * framesPerLink))),
  );
}

function contenderOf(
  exchange: ExchangeName,
  { executor, target }: Running,
  { links, framesPerLink }: ChainCase,
  digests: readonly string[],
  signal: AbortSignal,
): Contender {
  const cores = coresForBench()?.clients;
  const pinned = new Set<number>();
  let chains = 0;
  return {
    async sample() {
      chains += 1;
      const chain = `chain-${links}x${framesPerLink}-${chains}`;
      const common = { exchange, target, chain, links, framesPerLink, step, timeoutMs: linkTimeoutMs };
      const events = digests.map((_, index): ChainLinkEvent => ({ ...common, index }));
      const beganMs = performance.now();
      const results = (await untilAborted(executor.map(link, events), signal)) as ChainLinkResult[];
      const seconds = (performance.now() - beganMs) / 1000;
      for (const [index, { digest }] of results.entries()) {
        if (digest !== digests[index]) throw new Error(`over ${exchange} link ${index} made other bytes`);
      }
      const fresh = results.map(({ pid }) => pid).filter((pid) => !pinned.has(pid));
      pinProcesses(fresh, cores);
      for (const pid of fresh) pinned.add(pid);
      return figuresOf(seconds, results);
    },
  };
}

/** Shares are of the time that functions took, waiting included. */
export function figuresOf(seconds: number, results: readonly Pick<ChainLinkResult, "facts">[]): Figures {
  const sum = (of: (facts: ChainLinkResult["facts"]) => number): number =>
    results.reduce((total, { facts }) => total + of(facts), 0);
  const exchangeMs = sum((facts) => facts.exchangeMs);
  const waitMs = sum((facts) => facts.waitMs);
  const encodeMs = sum((facts) => facts.encodeMs);
  const totalMs = exchangeMs + waitMs + encodeMs;
  return {
    exchangeShare: exchangeMs / totalMs,
    waitShare: waitMs / totalMs,
    exchangeMs,
    handOverP50Ms: median(results.flatMap(({ facts }) => facts.handOverMs ?? [])),
    seconds,
  };
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
