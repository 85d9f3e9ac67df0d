/**
 * A fleet that grows from 3 nodes to 12 and shrinks to 3 again while a load goes on that does not care, and how soon a
 * new node serves.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../client/connect.ts";
import type { Job } from "../client/job.ts";
import type { SteadyClient } from "./drivers/steady-client.ts";
import type { LoadReply } from "./drivers/steady-messages.ts";
import type { FleetSample, FleetWatch } from "./harness/fleet-watch.ts";
import { failures, latenciesMs, longestRunBelow, operationsPerBin } from "./harness/load-figures.ts";
import { describeMachine } from "./harness/machine.ts";
import { watchCpu } from "./harness/machine-load.ts";
import { machineMs, type TimeWindow } from "./harness/operation-log.ts";
import { repeatCase } from "./harness/repeat-case.ts";
import { type BenchCase, type BenchOptions, type Figures, isWanted } from "./harness/report.ts";
import { inScene, numbered, positions, type Scene } from "./harness/scene.ts";
import { median, quantile } from "./harness/statistics.ts";
import type { TimedReport, Timeline } from "./harness/timeline.ts";

const mebibyte = 1024 * 1024;
const nodeMemoryBytes = 512 * mebibyte;
/** With this code 1 GB of objects is 1.5 GB of shards, 93 % of three nodes. */
const code = { d: 2, p: 1 } as const;
const nodesFew = 3;
const nodesMany = 12;
const scaledWithinMs = 180_000;

const scaleCase = "3 to 12 to 3 nodes at 200 MB/s";
const servesCase = "a new node serves";

const objectBytes = mebibyte;
/** Of objects, without parity. */
const aliveBytes = 1e9;
const loadBytesPerSecond = 200e6;
const clients = 2;
const fillOutstanding = 4;
/** Of the operations; all others are gets. */
const putShare = 0.5;
const warmMs = 5000;
/** Before, between and after the changes. */
const steadyMs = 15_000;
const binMs = 100;

/** Large enough to be no part of a cell. */
const probeBytes = 64 * 1024;
const servesWithinMs = 20_000;
const servesRepeats = 5;
const pauseMs = 2;

/**
 * @param scale of the bytes alive, of the load and of the quiet times: 1, or less for a look
 * @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then
 */
export async function benchElastic(options: BenchOptions, scale = 1): Promise<TimedReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  const courses: Timeline[] = [];
  if (isWanted(scaleCase, options)) {
    cases.push(
      await repeatCase(
        {
          ...{
            case: scaleCase,
            compared: "longestUnderHalfMs",
            summed: ["failed", "skipped", "lostObjects"],
          },
          largest: ["longestUnderHalfMs", "growUnderHalfMs", "shrinkUnderHalfMs"],
          async sample() {
            const { figures, course } = await scaleUnderLoad(scale, options);
            courses.push(course);
            return figures;
          },
        },
        options,
      ),
    );
  }
  if (isWanted(servesCase, options)) {
    const sample = (): Promise<Figures> => nodeServes(options);
    const largest = ["servesMaxMs"];
    cases.push(await repeatCase({ case: servesCase, compared: "servesMs", largest, sample }, options));
  }
  return { scenario: "elastic", machine, rounds: options.rounds, cases, timelines: courses.slice(-1) };
}

async function scaleUnderLoad(
  scale: number,
  options: BenchOptions,
): Promise<{ figures: Figures; course: Timeline }> {
  const { signal, log } = options;
  return inScene({ nodes: nodesFew, nodeMemoryBytes, code }, options, async (scene) => {
    const { fleet, watch } = scene;
    const quiet = (): Promise<void> => sleep(steadyMs * scale, undefined, { signal });
    const loads = await startLoad(scene, scale);
    await sleep(warmMs, undefined, { signal });
    const beganMs = machineMs();
    const cpuUsed = watchCpu([...fleet.pids.values(), ...loads.map(({ pid }) => pid)]);
    await quiet();
    const cpu = cpuUsed();
    const change = async (nodes: number): Promise<TimeWindow> => {
      const fromMs = machineMs();
      await fleet.client.scale(nodes);
      const isDone = (now: FleetSample): boolean => now.isScaled && now.active === nodes;
      const { atMs } = await watch.until(`${nodes} nodes`, isDone, scaledWithinMs);
      log(`${nodes} nodes after ${((atMs - fromMs) / 1000).toFixed(1)} s`);
      return { fromMs, toMs: atMs };
    };
    const grow = await change(nodesMany);
    await quiet();
    const shrink = await change(nodesFew);
    await quiet();
    const endMs = machineMs();
    const replies = await Promise.all(loads.map((load) => load.stopLoad()));
    for (const line of replies.flatMap(({ complaints }) => complaints)) log(`failed: ${line}`);
    const phases = { all: { fromMs: beganMs, toMs: endMs }, grow, shrink };
    const figures = {
      ...scaleFigures(replies, phases),
      ...cpu,
      aliveGb: (aliveBytes * scale) / 1e9,
      lostObjects: watch.samples.at(-1)?.lostObjects ?? Number.NaN,
    };
    return { figures, course: courseOf(replies, watch, phases) };
  });
}

/** In equal parts of all clients. */
async function startLoad({ client }: Scene, scale: number): Promise<SteadyClient[]> {
  const loads = await Promise.all(Array.from({ length: clients }, client));
  const keys = Math.floor((aliveBytes * scale) / objectBytes / clients);
  const operationsPerSecond = (loadBytesPerSecond * scale) / objectBytes / clients;
  for (const [at, load] of loads.entries()) {
    const set = { name: "objects", keys: numbered(`client-${at}`, keys), valueBytes: objectBytes };
    await load.fill(set, fillOutstanding);
  }
  const stream = (name: string, operation: "get" | "put", share: number) => ({
    ...{ name, operation, set: "objects", keys: positions({ length: keys }) },
    periodMs: (keys * 1000) / (operationsPerSecond * share),
  });
  const starts = loads.map((load) =>
    load.start([stream("put", "put", putShare), stream("get", "get", 1 - putShare)]),
  );
  await Promise.all(starts);
  return loads;
}

interface Phases {
  readonly all: TimeWindow;
  readonly grow: TimeWindow;
  readonly shrink: TimeWindow;
}

function scaleFigures(replies: readonly LoadReply[], { all, grow, shrink }: Phases): Figures {
  const logs = replies.map(({ log }) => log);
  const steady = { fromMs: all.fromMs, toMs: grow.fromMs };
  const perBin = median(operationsPerBin(logs, steady, binMs));
  const underHalfMs = (window: TimeWindow): number =>
    longestRunBelow(operationsPerBin(logs, window, binMs), perBin / 2) * binMs;
  const p99 = (window: TimeWindow, stream: string): number =>
    quantile(
      latenciesMs(logs, window, (name) => name === stream),
      0.99,
    );
  const changes = { fromMs: grow.fromMs, toMs: all.toMs };
  const done = latenciesMs(logs, steady).length;
  return {
    longestUnderHalfMs: underHalfMs(changes),
    growUnderHalfMs: underHalfMs({ fromMs: grow.fromMs, toMs: shrink.fromMs }),
    shrinkUnderHalfMs: underHalfMs({ fromMs: shrink.fromMs, toMs: all.toMs }),
    failed: failures(logs),
    skipped: replies.reduce((sum, { skipped }) => sum + skipped, 0),
    growSeconds: (grow.toMs - grow.fromMs) / 1000,
    shrinkSeconds: (shrink.toMs - shrink.fromMs) / 1000,
    steadyMbPerSecond: (done * objectBytes) / 1e3 / (steady.toMs - steady.fromMs),
    putP99Ms: p99(steady, "put"),
    getP99Ms: p99(steady, "get"),
    growPutP99Ms: p99(grow, "put"),
    growGetP99Ms: p99(grow, "get"),
    shrinkPutP99Ms: p99(shrink, "put"),
    shrinkGetP99Ms: p99(shrink, "get"),
  };
}

function courseOf(replies: readonly LoadReply[], watch: FleetWatch, { all, grow, shrink }: Phases): Timeline {
  const logs = replies.map(({ log }) => log);
  const seconds = (ms: number): number => Math.round(ms - all.fromMs) / 1000;
  const bins = operationsPerBin(logs, all, binMs).map(
    (count, at) => [(at * binMs) / 1000, (count * objectBytes) / 1e3 / binMs] as const,
  );
  const samples = watch.samples.filter(({ atMs }) => atMs >= all.fromMs && atMs < all.toMs);
  const curve = (title: string, read: (sample: FleetSample) => number) => ({
    ...{ title, isStep: true },
    points: samples.map((now) => [seconds(now.atMs), read(now)] as const),
  });
  return {
    title: `${nodesFew} to ${nodesMany} to ${nodesFew} nodes`,
    curves: [
      { title: `puts and gets of 1 MiB, MB/s in each ${binMs} ms`, points: bins, isStep: true },
      curve("nodes, draining ones too", ({ active, draining }) => active + draining),
      curve("rows to move", ({ rowsMoving }) => rowsMoving),
      curve("objects to move", ({ objectsLeft }) => objectsLeft),
      curve("used by nodes, GB", ({ usedBytes }) => usedBytes / 1e9),
    ],
    events: [
      { seconds: seconds(grow.fromMs), label: `scale ${nodesMany}` },
      { seconds: seconds(grow.toMs), label: "done" },
      { seconds: seconds(shrink.fromMs), label: `scale ${nodesFew}` },
      { seconds: seconds(shrink.toMs), label: "done" },
    ],
  };
}

/** Medians of several new nodes. */
async function nodeServes(options: BenchOptions): Promise<Figures> {
  return inScene({ nodes: nodesFew, nodeMemoryBytes, code }, options, async ({ fleet, watch, ticket }) => {
    await using job = await connect(ticket);
    const servesMs: number[] = [];
    const listedMs: number[] = [];
    await job.put("warm", Buffer.alloc(probeBytes));
    for (let repeat = 0; repeat < servesRepeats; repeat++) {
      const known = new Set(fleet.controller.state.map.nodes.map(({ id }): number => id));
      await fleet.client.scale(nodesFew + 1);
      const decidedMs = machineMs();
      const served = await firstServed(job, known, options);
      servesMs.push(served.atMs - decidedMs);
      const isThere = watch.samples.find((now) => now.atMs >= decidedMs && now.active > nodesFew);
      listedMs.push((isThere?.atMs ?? Number.NaN) - decidedMs);
      await watch.until("one more node", (now) => now.isScaled && now.active > nodesFew, scaledWithinMs);
      await fleet.client.scale(nodesFew);
      const isBack = (now: FleetSample): boolean => now.isScaled && now.active === nodesFew;
      await watch.until("one node less", isBack, scaledWithinMs);
    }
    return {
      servesMs: median(servesMs),
      servesMaxMs: Math.max(...servesMs),
      listedMs: median(listedMs),
    };
  });
}

/** Writes objects until a shard of one lies on a node that was not known, and reads it back. */
async function firstServed(
  job: Job,
  known: ReadonlySet<number>,
  { signal }: BenchOptions,
): Promise<{ readonly atMs: number }> {
  const data = Buffer.alloc(probeBytes, "probe");
  for (const untilMs = machineMs() + servesWithinMs; machineMs() < untilMs; ) {
    const ref = await job.put("probe", data);
    if (ref.stripes?.flat().some((node) => !known.has(node)) === true) return { atMs: machineMs() };
    await sleep(pauseMs, undefined, { signal });
  }
  throw new Error(`no object had a shard on the new node within ${servesWithinMs} ms`);
}
