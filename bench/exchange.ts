/**
 * What functions say to one another: a message handed over between two that wait for each other, beside a Redis with two replicas; and many
 * clients at a barrier, from the last arrival to the last release. A fleet of six nodes, on the cores of servers as Redis is.
 *
 * A hand-over is half of a round trip, of which both halves are alike: `send`, and the other side has it. The two functions share the core of
 * clients, for they take turns. The clients of the barrier run on all cores, many to a process. Times of several processes are those of
 * `machineMs`, the monotonic clock that all of a machine share.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type AskedDriver, startAskedDriver } from "./drivers/ask-driver.ts";
import type {
  BarrierRelease,
  BarrierRequest,
  HandOverRequest,
  HandOvers,
} from "./drivers/exchange-messages.ts";
import {
  barrierCase,
  type ExchangeScale,
  exchangeScaleDefault,
  type HandOverCase,
  handOverCases,
} from "./exchange-cases.ts";
import { type Contender, measureCase } from "./harness/compare.ts";
import { type BenchFleet, startBenchFleet } from "./harness/fleet.ts";
import { describeMachine } from "./harness/machine.ts";
import { waitsOf } from "./harness/node-waits.ts";
import { coresForBench, untilIdle } from "./harness/processes.ts";
import {
  type Absent,
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { median } from "./harness/statistics.ts";
import type { MailTarget } from "./peers/mailboxes.ts";
import { startReplicatedRedis } from "./peers/redis-server.ts";

const fleetNodes = 6;
const nodeMemoryBytes = 128 * 1024 * 1024;
const code = { d: 4, p: 2 } as const;
const leaseMs = 3_600_000;
const answerWithinMs = 180_000;
const arrivedWithinMs = 120_000;

/** @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then */
export async function benchExchange(
  options: BenchOptions,
  scale: ExchangeScale = exchangeScaleDefault,
): Promise<BenchReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  const stops: (() => Promise<void>)[] = [];
  try {
    const fleet = await startBenchFleet({ nodes: fleetNodes, nodeMemoryBytes });
    stops.push(() => fleet.stop());
    await untilIdle(fleet.pids);
    const { ticket } = await fleet.createJob({ name: "bench-exchange", code, leaseMs });
    const handOvers = handOverCases.filter(({ name }) => isWanted(name, options));
    if (handOvers.length > 0) {
      const redis = await startReplicatedRedis(2);
      if (!("absent" in redis)) stops.push(() => redis.stop());
      const peer: MailTarget | Absent =
        "absent" in redis ? redis : { redis: { host: "127.0.0.1", port: redis.port } };
      const pair = async (target: MailTarget): Promise<Pair> => {
        const started = await startPair(target, options.signal);
        stops.push(started.stop);
        return started;
      };
      const own = await pair({ ticket });
      const others = "absent" in peer ? peer : await pair(peer);
      for (const each of handOvers) cases.push(await measureHandOver(each, own, others, scale, options));
    }
    if (isWanted(barrierCase(scale).name, options))
      cases.push(await measureBarrier(fleet, ticket, scale, options));
  } finally {
    // In reverse: clients before their servers.
    for (const stop of stops.reverse())
      await stop().catch((thrown: unknown) => options.log(`not stopped: ${thrown}`));
  }
  return { scenario: "exchange", machine, rounds: options.rounds, cases };
}

/** Two functions of a contender. */
interface Pair {
  handOver(request: Omit<HandOverRequest, "ask">): Promise<HandOvers>;
  stop(): Promise<void>;
}

async function startPair(target: MailTarget, signal: AbortSignal): Promise<Pair> {
  const drivers: AskedDriver[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(drivers.map((driver) => driver.stop()));
  };
  const cores = coresForBench()?.clients;
  const options = { driver: "hand-over-driver", target, cores, withinMs: answerWithinMs, signal };
  try {
    drivers.push(await startAskedDriver(options), await startAskedDriver(options));
  } catch (thrown) {
    await stop();
    throw thrown;
  }
  const [caller, server] = drivers as [AskedDriver, AskedDriver];
  return {
    async handOver(request) {
      const [handOvers] = await Promise.all([
        caller.ask({ ...request, ask: "call" }),
        server.ask({ ...request, ask: "serve" }),
      ]);
      return handOvers as HandOvers;
    },
    stop,
  };
}

function measureHandOver(
  { name, messageBytes }: HandOverCase,
  own: Pair,
  redis: Pair | Absent,
  { roundTrips }: ExchangeScale,
  options: BenchOptions,
): Promise<BenchCase> {
  let samples = 0;
  const contender = (pair: Pair): Contender => ({
    async sample() {
      return { ...(await pair.handOver({ name: `${name}-${samples++}`, messageBytes, roundTrips })) };
    },
  });
  const peers = { "redis-wait2": "absent" in redis ? redis : contender(redis) };
  const spec = { case: name, compared: "p50Ms", better: "lower", mayfly: contender(own), peers } as const;
  return measureCase(spec, options);
}

async function measureBarrier(
  fleet: BenchFleet,
  ticket: string,
  scale: ExchangeScale,
  options: BenchOptions,
): Promise<BenchCase> {
  const { name, clients: parties, processes } = barrierCase(scale);
  const each = parties / processes;
  const drivers: AskedDriver[] = [];
  let samples = 0;
  const sample = async (): Promise<Figures> => {
    const common = { name: `${name}-${samples++}`, parties };
    const ask = (driver: AskedDriver, request: Pick<BarrierRequest, "ask" | "clients">): Promise<unknown> =>
      driver.ask({ ...common, ...request });
    const clientsOf = (at: number): number => (at === 0 ? each - 1 : each);
    await Promise.all(drivers.map((driver, at) => ask(driver, { ask: "arrive", clients: clientsOf(at) })));
    await untilWaiting(fleet, parties - 1);
    const last = (await ask(drivers[0]!, { ask: "last", clients: 1 })) as BarrierRelease;
    const others = drivers.slice(1).map((driver) => ask(driver, { ask: "released", clients: 0 }));
    const releases = [last, ...((await Promise.all(others)) as BarrierRelease[])];
    const afterMs = releases.flatMap(({ releasedMs }) => releasedMs.map((ms) => ms - last.arrivedMs));
    if (afterMs.length !== parties) throw new Error(`${afterMs.length} of ${parties} were released`);
    return {
      lastReleaseMs: Math.max(...afterMs),
      firstReleaseMs: Math.min(...afterMs),
      medianReleaseMs: median(afterMs),
    };
  };
  try {
    for (let count = 0; count < processes; count++) {
      const target = { ticket, clients: each };
      const { signal } = options;
      drivers.push(
        await startAskedDriver({ driver: "barrier-driver", target, withinMs: answerWithinMs, signal }),
      );
    }
    const spec = { compared: "lastReleaseMs", better: "lower", mayfly: { sample }, peers: {} } as const;
    return await measureCase({ case: name, ...spec }, options);
  } finally {
    await Promise.all(drivers.map((driver) => driver.stop()));
  }
}

/** All that have arrived wait on the server: what is measured is the release, not the arrival of others. */
async function untilWaiting(fleet: BenchFleet, count: number): Promise<void> {
  const { nodes } = await fleet.status();
  const untilMs = performance.now() + arrivedWithinMs;
  for (let waits = await waitsOf(nodes); waits < count; waits = await waitsOf(nodes)) {
    if (performance.now() > untilMs) throw new Error(`${waits} of ${count} clients wait at the barrier`);
    await sleep(50);
  }
}
