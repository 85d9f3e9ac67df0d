/** One run: starts the fleet and the load, lets faults happen, waits until all is well again, reads back and judges. */
import { mkdirSync } from "node:fs";
import { type Clock, seededRng, sleep } from "../../src/clock.ts";
import type { ChaosOptions } from "./command-line.ts";
import { type FaultCounts, Faults } from "./faults.ts";
import { ChaosFleet } from "./fleet.ts";
import { createJob } from "./job.ts";
import type { RecordedOperation, Workload } from "./load/recorded.ts";
import { LoadProcesses } from "./load-processes.ts";
import { LossBudget } from "./loss-budget.ts";
import { clientsPlace, type Network } from "./network.ts";
import { untilRepaired } from "./repair-watch.ts";
import { errorsOf, type ReportFacts } from "./report.ts";
import { chooseFault } from "./schedule.ts";
import { Sorts } from "./sorts.ts";
import { judge } from "./verdict.ts";

export interface RunTools {
  readonly options: ChaosOptions;
  readonly network: Network;
  readonly clock: Clock;
  /** For logs and the journal. */
  readonly dir: string;
  readonly note: (line: string) => void;
  readonly faultLog: (line: string) => void;
  /** Resolves when somebody wants it to end now. */
  readonly stopped: Promise<void>;
}

const loadProcesses = 2;
const faultsAtOnceMax = 3;
const progressMs = 5000;

/** Undefined when it was stopped. */
export async function runChaos(tools: RunTools): Promise<ReportFacts | undefined> {
  const { options, network, clock, dir, stopped } = tools;
  mkdirSync(dir, { recursive: true });
  const fleet = new ChaosFleet(options, network, clock, dir);
  const loads: LoadProcesses[] = [];
  try {
    return await Promise.race([work(tools, fleet, loads), stopped.then(() => undefined)]);
  } finally {
    for (const load of loads) load.end();
    await fleet.stop();
    await network.close();
  }
}

async function work(tools: RunTools, fleet: ChaosFleet, loads: LoadProcesses[]): Promise<ReportFacts> {
  const { options, network, clock, dir, note, faultLog } = tools;
  const startMs = clock.now();
  await fleet.start();
  const place = await network.addPlace(clientsPlace);
  const load = await LoadProcesses.start(loadProcesses, place, dir);
  loads.push(load);
  const ticket = await createJob(fleet.controllerUrl, options.code);
  note(`${options.nodes} nodes serve in ${network.kind}; logs are in ${dir}`);
  for (const limit of network.limits) note(`with ${network.kind} ${limit}`);
  load.begin({ ticket, seed: options.seed, slackMs: options.slackMs });
  const sorts = new Sorts();
  if (options.sorts) sorts.begin({ options, fleet, place, dir, clock, log: faultLog });

  const counts = noFaults();
  const rng = seededRng(options.seed);
  const budget = new LossBudget(options.lossesMax);
  const faults = new Faults({ ...{ options, fleet, network, budget, counts, clock, rng }, log: faultLog });
  for (const node of fleet.nodes) faults.watch(node);
  const endMs = clock.now() + options.minutes * 60_000;
  const ended = { yet: false };
  void progress(tools, fleet, load, faults, ended);
  while (clock.now() < endMs) {
    await sleep(clock, Math.min(endMs - clock.now(), options.faultEveryMs * (0.25 + 1.5 * rng.random())));
    if (faults.underWay >= faultsAtOnceMax || clock.now() >= endMs) continue;
    const fault = chooseFault(rng, faults.situation());
    if (fault !== undefined) faults.begin(fault);
  }
  note("no more faults; waiting until they are over and repaired");
  await faults.end();
  await Promise.all([load.stop(), sorts.end()]);
  const whole = await untilRepaired({ fleet, clock, options, id: 0 });
  if (whole === undefined) note(`the fleet is not whole after ${options.repairWithinMs} ms`);
  const keys = writtenKeys(load.operations);
  note(`reading back ${keys.length} keys`);
  const before = load.operations.length;
  await load.readBack(keys);
  ended.yet = true;
  const unreadable = unreadableKeys(load.operations, before);
  note(`checking ${load.operations.length} operations`);
  const verdict = judge(load.operations);
  const seconds = (clock.now() - startMs) / 1000;
  const mostLostAtOnce = budget.most;
  const facts = { options, verdict, unreadable, counts, mostLostAtOnce, network: network.kind, seconds };
  return { ...facts, load: load.result(), sorts: sorts.counts };
}

function noFaults(): FaultCounts {
  return {
    ...{
      nodesKilled: 0,
      nodesStopped: 0,
      nodesExpelled: 0,
      nodesCrashed: 0,
      partitions: 0,
      drains: 0,
      drainsUnfinished: 0,
    },
    ...{ nodesAdded: 0, controllerRestarts: 0, repairs: 0, repairsUnfinished: 0 },
  };
}

function writtenKeys(operations: readonly RecordedOperation[]): (readonly [Workload, string])[] {
  const writes = operations.filter(({ op }) => op.kind === "put");
  return [...new Map(writes.map(({ workload, key }) => [key, [workload, key] as const])).values()];
}

/** Keys of which no read since `from` had a result, and that hold something if the last write that is known stands. */
function unreadableKeys(operations: readonly RecordedOperation[], from: number): string[] {
  const reads = operations.slice(from);
  const answered = new Set(reads.filter(({ result }) => result !== undefined).map(({ key }) => key));
  const silent = new Map(reads.filter(({ key }) => !answered.has(key)).map((read) => [read.key, read]));
  return [...silent.values()].flatMap(({ key, error, message }) => {
    const last = operations.findLast(
      (operation) =>
        operation.key === key &&
        (operation.result?.kind === "written" || operation.result?.kind === "deleted"),
    );
    return last?.result?.kind === "written"
      ? [`key ${key}: cannot be read at the end: ${error} ${message}`]
      : [];
  });
}

async function progress(
  { clock, note }: RunTools,
  fleet: ChaosFleet,
  load: LoadProcesses,
  faults: Faults,
  ended: { readonly yet: boolean },
): Promise<void> {
  const startMs = clock.now();
  for (let before = 0; ; ) {
    await sleep(clock, progressMs);
    if (ended.yet) return;
    const news = load.operations.slice(before);
    before += news.length;
    const errors = Object.entries(errorsOf(news)).map(([code, count]) => `${count} ${code}`);
    const after = `${((clock.now() - startMs) / 1000).toFixed(0)} s`.padStart(6);
    const perSecond = `${Math.round((news.length * 1000) / progressMs)} op/s`.padStart(9);
    note(
      `${after} ${perSecond}, ${fleet.nodes.length} nodes, ${faults.underWay} faults under way` +
        `${errors.length === 0 ? "" : `; errors: ${errors.join(", ")}`}`,
    );
  }
}
