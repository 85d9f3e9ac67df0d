/** Runs a sort as it was planned: starts what it needs, tells how far it is, and stops everything, however it ends. */
import type { ControllerClient } from "../../client/controller-client.ts";
import type { Job } from "../../client/job.ts";
import { type Clock, type Rng, seededRng, systemRng } from "../clock.ts";
import type { EmbeddedFleet } from "../embedded-fleet.ts";
import { MayflyError } from "../errors.ts";
import type { Executor } from "../executor/executor.ts";
import { formatCode } from "../placement/code.ts";
import type { Code } from "../placement/types.ts";
import type { SortResult } from "../sort/run-sort.ts";
import type { SortInput } from "../sort/sort-events.ts";
import type { SortOutput } from "../sort/sort-output.ts";
import type { SortPlan } from "../sort/sort-plan.ts";
import type { StatusReply } from "../wire/control-api.ts";
import { peakResidentBytes, type ResidentMemory, watchResidentMemory } from "./resident-memory.ts";
import { formatBytes } from "./sizes.ts";
import type { SortOptions } from "./sort-options.ts";
import { createSortProgress } from "./sort-progress.ts";
import { reportOf, type SortReport } from "./sort-report.ts";
import type { SortState } from "./sort-state.ts";
import type { EndSignal } from "./until-signal.ts";
import type { VerbContext } from "./verb.ts";

/** Runs that are ended on purpose should not use up those that a function has. */
const attemptsMaxOfTests = 10;
const recordBytes = 100;

export interface SortSetup {
  readonly context: VerbContext;
  readonly given: SortOptions;
  readonly input: SortInput;
  readonly workers: number;
  readonly nodes: number;
  readonly code: Code;
  readonly plan: SortPlan;
  /** For all processes together; undefined on a fleet that is there already. */
  readonly budgetBytes: number | undefined;
  readonly clock: Clock;
}

export interface PlannedSort extends SortSetup {
  readonly state: SortState | undefined;
  readonly signal: EndSignal;
}

type Stops = (() => Promise<void>)[];

/** An unfinished output is removed, unless it can be resumed. */
export async function runPlannedSort(setup: PlannedSort): Promise<SortReport> {
  const { context, signal, state } = setup;
  const stops: Stops = [];
  const memory = watchResidentMemory(process.pid);
  try {
    if (state !== undefined) stops.push(state.journal.close);
    const stopped = signal.promise.then(() => {
      const left =
        state === undefined
          ? "nothing of it is left"
          : `it goes on by --resume ${setup.given.resume ?? setup.given.state}`;
      throw new MayflyError("ABORTED", `The sort was stopped by a signal; ${left}.`);
    });
    stopped.catch(() => undefined);
    return await Promise.race([sortOn(setup, stops, memory), stopped]);
  } finally {
    memory.stop();
    for (const stop of stops.reverse()) await stop().catch((error: Error) => context.note(error.message));
  }
}

async function sortOn(setup: PlannedSort, stops: Stops, memory: ResidentMemory): Promise<SortReport> {
  const { given, nodes, code, plan, workers, state } = setup;
  const output = await openOutput(setup, stops);
  const fleet = given.controller === undefined ? await startFleet(setup, stops) : undefined;
  const { controller, job, ticket } = await beginJob(setup, fleet?.url ?? given.controller ?? "", stops);
  const executor = await startExecutor(setup, ticket, stops);
  const killed: number[] = [];
  const betweenPhases = async (): Promise<void> => {
    if (given["kill-node"]) killed.push(killOne(fleet));
  };
  const resumedBytes = (state?.journal.done.reduced ?? []).reduce(
    (sum, { records }) => sum + records * recordBytes,
    0,
  );
  const before = spillUse(await controller.status());
  const result = await run(setup, { job, executor, output, betweenPhases, memory });
  const status = await controller.status();
  const after = spillUse(status);
  const nodeRssBytes = (fleet?.nodes ?? []).reduce((sum, { pid }) => sum + peakResidentBytes(pid), 0);
  return reportOf({
    ...{ result, plan, nodes, workers, resumedBytes },
    spilledBytes: after.spilledBytes - before.spilledBytes,
    storeRequests: after.storeRequests - before.storeRequests,
    ...{ code: formatCode(code), killedNodes: killed.length },
    usedBytesOfNodes: status.nodes.map(({ usedBytes }) => usedBytes),
    peakMemoryBytes: nodeRssBytes + result.workerRssBytes + peakResidentBytes(process.pid),
    output: given.output,
  });
}

/** Of all nodes since they began, by their last heartbeats. */
function spillUse({ spill }: StatusReply): { spilledBytes: number; storeRequests: number } {
  if (spill === undefined) return { spilledBytes: 0, storeRequests: 0 };
  const { puts, gets, heads, lists, deletes } = spill.requests;
  return { spilledBytes: spill.spilledBytes, storeRequests: puts + gets + heads + lists + deletes };
}

async function openOutput(
  { given, plan, state }: PlannedSort,
  stops: Stops,
): Promise<SortOutput | undefined> {
  if (given.output === undefined) return undefined;
  const { createSortOutput, reopenSortOutput } = await import("../sort/sort-output.ts");
  const { resolve } = await import("node:path");
  const path = resolve(given.output);
  const sizeBytes = plan.records * recordBytes;
  if (state?.run.temporaryPath !== undefined) {
    const isBegun = state.journal.done.reduced.length > 0;
    return await reopenSortOutput(path, sizeBytes, state.run.temporaryPath, isBegun);
  }
  const output = await createSortOutput(path, sizeBytes, systemRng);
  stops.push(() => output.discard());
  return output;
}

async function startFleet(
  { context, given, nodes, plan }: PlannedSort,
  stops: Stops,
): Promise<EmbeddedFleet> {
  const { startEmbeddedFleet } = await import("../embedded-fleet.ts");
  if (!context.json) {
    context.note(`Starting ${nodes} nodes of ${formatBytes(plan.nodeMemoryBytes)} each ...`);
  }
  const fleet = await startEmbeddedFleet({
    ...{ nodes, nodeMemoryBytes: plan.nodeMemoryBytes },
    ...(given.spill !== undefined && plan.passes.spilledBytes > 0 && { durableUrl: given.spill }),
    ...(given.verbose && { log: context.note }),
  });
  stops.push(() => fleet.stop());
  return fleet;
}

async function beginJob(
  { code, plan }: PlannedSort,
  url: string,
  stops: Stops,
): Promise<{ controller: ControllerClient; job: Job; ticket: string }> {
  const { ControllerClient } = await import("../../client/controller-client.ts");
  const { connect } = await import("../../client/connect.ts");
  const controller = new ControllerClient(url);
  stops.push(async () => controller.close());
  // The estimate counts parity, and a hint does not.
  const hints = { bytes: Math.ceil((plan.storedBytesEstimate * code.d) / (code.d + code.p)) };
  const created = await controller.createJob({ name: `sort-${process.pid}`, code, hints });
  stops.push(() => controller.endJob(created.job.job));
  const job = await connect(created.ticket);
  stops.push(async () => job.close());
  return { controller, job, ticket: created.ticket };
}

async function startExecutor(
  { given, workers, clock }: PlannedSort,
  ticket: string,
  stops: Stops,
): Promise<Executor> {
  const { createLocalExecutor } = await import("../executor/local-executor.ts");
  // Functions that mostly run kernels start with optimised ones; see record-kernel.ts.
  const executor = createLocalExecutor({
    ...{ workers, ticket, execArgv: ["--no-liftoff"] },
    ...{ clock, rng: rngOf(given), speculate: given.speculate },
    ...(given["fail-rate"] !== undefined && {
      failRate: given["fail-rate"],
      attemptsMax: attemptsMaxOfTests,
    }),
  });
  stops.push(() => executor.close());
  return executor;
}

interface SortParts {
  readonly job: Job;
  readonly executor: Executor;
  readonly output: SortOutput | undefined;
  readonly betweenPhases: () => Promise<void>;
  readonly memory: ResidentMemory;
}

async function run(setup: PlannedSort, { memory, ...parts }: SortParts): Promise<SortResult> {
  const { context, plan, code, input, workers, clock, state } = setup;
  const { runSort } = await import("../sort/run-sort.ts");
  const progress = createSortProgress(context.stderr, { enabled: !context.json, clock, plan });
  try {
    return await runSort({
      ...{ clock, rng: rngOf(setup.given), plan, code, input, workers, ...parts },
      ...(state !== undefined && { splits: state.run.splits, journal: state.journal }),
      takePeakMemory: memory.takePeak,
      onProgress: progress.update,
      onWave: progress.wave,
    });
  } finally {
    progress.close();
  }
}

export function rngOf({ seed }: SortOptions): Rng {
  return seed === undefined ? systemRng : seededRng(seed);
}

/** kill -9, as a machine that is gone. */
function killOne(fleet: EmbeddedFleet | undefined): number {
  const pid = fleet?.nodes.at(-1)?.pid;
  if (pid === undefined) throw new MayflyError("INTERNAL", "There is no node process to kill.");
  process.kill(pid, "SIGKILL");
  return pid;
}
