/**
 * The death of a node, by SIGKILL, in a fleet of seven with the default timeouts. Under load: how long any key stands
 * still, and what those feel whom it does not concern. Without load: how soon lost shards have been made anew.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { groupOf } from "../src/placement/groups.ts";
import type { FillReply, KeySet, LoadReply, LoadStream } from "./drivers/steady-messages.ts";
import type { FleetWatch } from "./harness/fleet-watch.ts";
import { failures, latenciesMs, longestGap, operationsPerBin } from "./harness/load-figures.ts";
import { describeMachine } from "./harness/machine.ts";
import { availableBytes, watchCpu } from "./harness/machine-load.ts";
import { machineMs, type TimeWindow } from "./harness/operation-log.ts";
import type { ProcessFleet } from "./harness/process-fleet.ts";
import { repeatCase } from "./harness/repeat-case.ts";
import { type BenchCase, type BenchOptions, type Figures, isWanted } from "./harness/report.ts";
import { inScene, numbered, positions } from "./harness/scene.ts";
import { quantile } from "./harness/statistics.ts";
import type { TimedReport, Timeline } from "./harness/timeline.ts";

const mebibyte = 1024 * 1024;
const gibibyte = 1024 * mebibyte;
const fleetNodes = 7;
const code = { d: 4, p: 2 } as const;

const killCase = "kill -9 under load";
const repairCase = "repair of 1 GiB of shards";

const loadMemoryBytes = 512 * mebibyte;
const warmMs = 5000;
/** Before the kill and after it. */
const minuteMs = 60_000;
const mendedWithinMs = 180_000;

/** One key in each of so many groups: of every row, primary and backup is the node that dies in some. */
const cellKeys = 256;
const cellBytes = 512;
const objectBytes = mebibyte;
/** Of which there are enough that have nothing to do with the node that dies. */
const objectsKept = 400;
const unaffectedRead = 20;
const affectedRead = 10;
const objectsWritten = 5;
const periodMs = 500;
const binMs = 250;

const lostBytes = gibibyte;
/** What the lost shards need on the others, and room for segments. */
const memoryPerLostByte = 1.5;
const repairObjectBytes = [4, 8, 16].map((size) => size * mebibyte);

/**
 * @param scale of the minute, of its keys and of the lost bytes: 1, or less for a look
 * @throws the signal's reason when it is aborted, and whatever fails; all has been stopped by then
 */
export async function benchFailover(options: BenchOptions, scale = 1): Promise<TimedReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  const timelines: Timeline[] = [];
  if (isWanted(killCase, options)) {
    const courses: Timeline[] = [];
    cases.push(
      await repeatCase(
        {
          ...{ case: killCase, compared: "longestGapMs", summed: ["failed", "skipped"] },
          largest: ["longestGapMs", "longestWriteGapMs", "longestReadGapMs", "longestObjectGapMs"],
          sample: async (round) => {
            const { figures, course } = await killUnderLoad(round, scale, options);
            courses.push(course);
            return figures;
          },
        },
        options,
      ),
    );
    timelines.push(...courses.slice(-1));
  }
  if (isWanted(repairCase, options)) {
    const sample = (): Promise<Figures> => repair(lostBytes * scale, options);
    const sums = { summed: ["wrongObjects", "lostObjects"] };
    cases.push(await repeatCase({ case: repairCase, compared: "secondsPerGib", ...sums, sample }, options));
  }
  return { scenario: "failover", machine, rounds: options.rounds, cases, timelines };
}

async function killUnderLoad(
  round: number,
  scale: number,
  options: BenchOptions,
): Promise<{ figures: Figures; course: Timeline }> {
  const { log, signal } = options;
  const windowMs = minuteMs * scale;
  const fleetOptions = { nodes: fleetNodes, nodeMemoryBytes: loadMemoryBytes, code };
  return inScene(fleetOptions, options, async ({ fleet, watch, client }) => {
    const [cells, objects] = [await client(), await client()];
    const cellSet = { name: "cells", keys: keysOfGroups(Math.ceil(cellKeys * scale)), valueBytes: cellBytes };
    await cells.fill(cellSet, 64);
    const kept: KeySet = { name: "kept", keys: numbered("kept", objectsKept), valueBytes: objectBytes };
    const { nodes } = await objects.fill(kept, 4);
    const written = { name: "written", keys: numbered("written", objectsWritten), valueBytes: objectBytes };
    await objects.fill(written, 4);

    const victims = [...fleet.pids];
    const [victim, pid] = victims[round % victims.length]!;
    const unaffected = kept.keys.map(
      (key, at) => !nodes[at]!.includes(victim) && leaderOf(fleet, key) !== victim,
    );
    const ledByOthers = cellSet.keys.map((key) => leaderOf(fleet, key) !== victim);
    await cells.start([
      ...splitCells(ledByOthers, "get"),
      { name: "put cells", operation: "put", set: "cells", keys: positions(cellSet.keys), periodMs },
    ]);
    await objects.start(objectStreams(unaffected, scale));
    await sleep(warmMs, undefined, { signal });

    const beganMs = machineMs();
    const cpuUsed = watchCpu([...fleet.pids.values(), cells.pid, objects.pid]);
    await sleep(windowMs, undefined, { signal });
    const cpu = cpuUsed();
    const killedMs = machineMs();
    process.kill(pid, "SIGKILL");
    const dead = await watch.until("the node is dead", isDead, mendedWithinMs);
    const [full, mended] = await Promise.all([
      watch.until("rows are full", (now) => isDead(now) && now.rowsFull === now.rowsTotal, mendedWithinMs),
      watch.until("objects are whole", (now) => isDead(now) && now.isMended, mendedWithinMs),
    ]);
    log(`repaired after ${Math.round(mended.atMs - killedMs)} ms`);
    await sleep(Math.max(0, killedMs + windowMs - machineMs()), undefined, { signal });
    const endMs = machineMs();
    const loads = await Promise.all([cells.stopLoad(), objects.stopLoad()]);
    for (const line of loads.flatMap(({ complaints }) => complaints)) log(`failed: ${line}`);
    const windows = {
      before: { fromMs: beganMs, toMs: killedMs },
      after: { fromMs: killedMs, toMs: killedMs + windowMs },
      all: { fromMs: beganMs, toMs: endMs },
    };
    const figures = {
      ...loadFigures(loads, windows),
      declaredMs: dead.atMs - killedMs,
      rowsFullMs: full.atMs - killedMs,
      repairedMs: mended.atMs - killedMs,
      ...cpu,
    };
    return { figures, course: courseOf(loads, watch, windows.all, killedMs, mended.atMs) };
  });
}

/** @throws Error when others died too: then there are too few nodes to repair onto, and the figures mean nothing. */
function isDead({ active }: { readonly active: number }): boolean {
  if (active >= fleetNodes - 1) return active < fleetNodes;
  const others = fleetNodes - 1 - active;
  throw new Error(
    `${others} more nodes were declared dead than were killed; is the machine busy with other work?`,
  );
}

interface Windows {
  readonly before: TimeWindow;
  readonly after: TimeWindow;
  readonly all: TimeWindow;
}

const unaffectedObjects = "get unaffected objects";
const unaffectedCells = "get unaffected cells";

function loadFigures(loads: readonly LoadReply[], { before, after, all }: Windows): Figures {
  const logs = loads.map((load) => load.log);
  const gapOf = (begin: string): number => longestGap(logs, all, (name) => name.startsWith(begin)).ms;
  const p999 = (stream: string, window: TimeWindow): number =>
    quantile(
      latenciesMs(logs, window, (name) => name === stream),
      0.999,
    );
  const p99 = (stream: string, window: TimeWindow): number =>
    quantile(
      latenciesMs(logs, window, (name) => name === stream),
      0.99,
    );
  const objects = { before: p999(unaffectedObjects, before), after: p999(unaffectedObjects, after) };
  const small = { before: p999(unaffectedCells, before), after: p999(unaffectedCells, after) };
  const done = latenciesMs(logs, before).length;
  return {
    longestGapMs: longestGap(logs, all).ms,
    longestWriteGapMs: gapOf("put cells"),
    longestReadGapMs: Math.max(gapOf(unaffectedCells), gapOf("get affected cells")),
    longestObjectGapMs: Math.max(gapOf("get unaffected obj"), gapOf("get affected obj"), gapOf("put obj")),
    unaffectedRatio: objects.after / objects.before,
    unaffectedBeforeP999Ms: objects.before,
    unaffectedAfterP999Ms: objects.after,
    unaffectedBeforeP99Ms: p99(unaffectedObjects, before),
    unaffectedAfterP99Ms: p99(unaffectedObjects, after),
    cellRatio: small.after / small.before,
    cellBeforeP999Ms: small.before,
    cellAfterP999Ms: small.after,
    failed: failures(logs),
    skipped: loads.reduce((sum, { skipped }) => sum + skipped, 0),
    opsPerSecond: (done * 1000) / (before.toMs - before.fromMs),
  };
}

function splitCells(ledByOthers: readonly boolean[], operation: "get"): LoadStream[] {
  const where = (others: boolean): number[] =>
    ledByOthers.flatMap((each, at) => (each === others ? [at] : []));
  const common = { operation, set: "cells", periodMs };
  return [
    { name: unaffectedCells, ...common, keys: where(true) },
    { name: "get affected cells", ...common, keys: where(false) },
  ];
}

function objectStreams(unaffected: readonly boolean[], scale: number): LoadStream[] {
  const some = (wanted: boolean, count: number): number[] =>
    unaffected.flatMap((each, at) => (each === wanted ? [at] : [])).slice(0, Math.ceil(count));
  const common = { set: "kept", operation: "get", periodMs } as const;
  const keys = {
    unaffected: some(true, unaffectedRead * scale),
    affected: some(false, affectedRead * scale),
  };
  if (keys.unaffected.length === 0) throw new Error("every object has to do with the node that dies");
  return [
    { name: unaffectedObjects, ...common, keys: keys.unaffected },
    { name: "get affected objects", ...common, keys: keys.affected },
    {
      name: "put objects",
      operation: "put",
      set: "written",
      keys: positions({ length: objectsWritten }),
      periodMs,
    },
  ];
}

function courseOf(
  loads: readonly LoadReply[],
  watch: FleetWatch,
  window: TimeWindow,
  killedMs: number,
  mendedMs: number,
): Timeline {
  const logs = loads.map(({ log }) => log);
  const seconds = (ms: number): number => Math.round(ms - killedMs) / 1000;
  const bins = (isWanted: (name: string) => boolean): (readonly [number, number])[] =>
    operationsPerBin(logs, window, binMs, isWanted).map(
      (count, at) => [seconds(window.fromMs + at * binMs), (count * 1000) / binMs] as const,
    );
  const samples = watch.samples.filter(({ atMs }) => atMs >= window.fromMs && atMs < window.toMs);
  return {
    title: "a node is killed under load",
    curves: [
      {
        title: "reads and writes of cells, ops/s",
        points: bins((name) => name.endsWith("cells")),
        isStep: true,
      },
      {
        title: "reads and writes of 1 MiB, ops/s",
        points: bins((name) => name.endsWith("objects")),
        isStep: true,
      },
      { title: "rows with all members", points: samples.map((now) => [seconds(now.atMs), now.rowsFull]) },
      { title: "objects to repair", points: samples.map((now) => [seconds(now.atMs), now.objectsLeft]) },
    ],
    events: [
      { seconds: 0, label: "kill -9" },
      { seconds: seconds(mendedMs), label: "repaired" },
    ],
  };
}

/** Victims hold `bytes` of shards: so do all others. */
async function repair(bytes: number, options: BenchOptions): Promise<Figures> {
  const { log, signal } = options;
  const nodeMemoryBytes = Math.ceil((bytes * memoryPerLostByte) / mebibyte + 64) * mebibyte;
  const [needed, available] = [fleetNodes * nodeMemoryBytes + gibibyte, availableBytes()];
  if (available < needed) {
    const gib = (count: number): string => `${(count / gibibyte).toFixed(1)} GiB`;
    throw new Error(
      `${gib(needed)} of memory are needed and ${gib(available)} are free; give --scale 0.5, or less`,
    );
  }
  return inScene({ nodes: fleetNodes, nodeMemoryBytes, code }, options, async (scene) => {
    const { fleet, watch } = scene;
    const client = await scene.client();
    // A third of the bytes in objects of each size.
    const userBytes = (bytes * fleetNodes * code.d) / (code.d + code.p);
    const fills: FillReply[] = [];
    const sets = repairObjectBytes.map((valueBytes): KeySet => {
      const count = Math.ceil(userBytes / repairObjectBytes.length / valueBytes);
      return { name: `${valueBytes}`, keys: numbered(`repair-${valueBytes}`, count), valueBytes };
    });
    for (const set of sets) fills.push(await client.fill(set, 4));
    const held = (node: number): number =>
      fills.reduce((sum, { shardBytes }) => sum + (shardBytes.get(node) ?? 0), 0);
    // Who has just the bytes that were asked for, or as near as can be.
    const [victim, pid] = [...fleet.pids].sort(
      ([a], [b]) => Math.abs(held(a) - bytes) - Math.abs(held(b) - bytes),
    )[0]!;
    log(`${(held(victim) / gibibyte).toFixed(3)} GiB of shards are on node ${victim}`);
    await sleep(warmMs, undefined, { signal });
    const [killedMs, cpuUsed] = [machineMs(), watchCpu([])];
    process.kill(pid, "SIGKILL");
    const dead = await watch.until("the node is dead", isDead, mendedWithinMs);
    const mended = await watch.until(
      "objects are whole",
      (now) => isDead(now) && now.isMended,
      mendedWithinMs,
    );
    const { machineShare } = cpuUsed();
    const seconds = (mended.atMs - killedMs) / 1000;
    log(`repaired after ${seconds.toFixed(2)} s; reading everything back`);
    const checks = [];
    for (const set of sets) checks.push(await client.check(set.name, 4));
    for (const line of checks.flatMap(({ complaints }) => complaints)) log(`wrong: ${line}`);
    return {
      secondsPerGib: (seconds * gibibyte) / held(victim),
      repairedSeconds: seconds,
      declaredSeconds: (dead.atMs - killedMs) / 1000,
      fromDeclarationSeconds: (mended.atMs - dead.atMs) / 1000,
      gbPerSecond: held(victim) / 1e9 / seconds,
      lostShardGb: held(victim) / 1e9,
      wrongObjects: checks.reduce((sum, { wrong }) => sum + wrong, 0),
      lostObjects: mended.lostObjects,
      machineShare,
    };
  });
}

function leaderOf({ controller }: ProcessFleet, key: string): number | undefined {
  return controller.state.map.rows[groupOf(Buffer.from(key))]?.nodes[0];
}

/** One key in each of so many groups. */
function keysOfGroups(count: number): string[] {
  const keys = new Map<number, string>();
  for (let at = 0; keys.size < count; at++) {
    const group = groupOf(Buffer.from(`cell/${at}`));
    if (!keys.has(group)) keys.set(group, `cell/${at}`);
  }
  return [...keys.values()];
}
