/** `mayfly sort`: sorts 100-byte records through a fleet of memory nodes, with functions as separate processes. */
import { availableParallelism } from "node:os";
import type { ControllerClient } from "../../client/controller-client.ts";
import type { Job } from "../../client/job.ts";
import { type Clock, type Rng, seededRng, sleep, systemRng } from "../clock.ts";
import type { EmbeddedFleet } from "../embedded-fleet.ts";
import { MayflyError } from "../errors.ts";
import type { Executor } from "../executor/executor.ts";
import { defaultCode, formatCode } from "../placement/code.ts";
import type { Code } from "../placement/types.ts";
import type { SortPhase, SortResult } from "../sort/run-sort.ts";
import type { SortInput } from "../sort/sort-events.ts";
import type { SortOutput } from "../sort/sort-output.ts";
import type { SortPlan } from "../sort/sort-plan.ts";
import { freeMemoryBytes } from "./machine-memory.ts";
import { createProgress } from "./progress.ts";
import { peakResidentBytes } from "./resident-memory.ts";
import { formatBytes } from "./sizes.ts";
import {
  checkOptions,
  inputOf,
  nodesDefault,
  options,
  recordBytes,
  type SortOptions,
} from "./sort-options.ts";
import { reportOf, type SortReport, sortTable } from "./sort-report.ts";
import { type EndSignal, untilSignal } from "./until-signal.ts";
import { defineVerb, type VerbContext } from "./verb.ts";

/** Runs that are ended on purpose should not use up those that a function has. */
const attemptsMaxOfTests = 10;
const codeDefault: Code = { d: 4, p: 2 };

export const sortVerb = defineVerb({
  name: "sort",
  summary: "sort 100-byte records through an erasure-coded fleet, and prove the output right",
  usage: "",
  description:
    "Records have 100 bytes and sort by their first 10, as in the sort benchmark. Mappers and reducers are separate " +
    "processes that know nothing but their ticket. With --json one object is printed: records, checksum, " +
    "duplicateKeys, ordered, seconds, mbPerSecond, bytesStored, code, nodes, killedNodes, and more. What does not fit " +
    "the fleet's memory at once is sorted in waves, each of a range of keys; each reads the input again.",
  options,
  examples: [
    "mayfly sort --generate 1GB --kill-node",
    "mayfly sort --input records.bin --output sorted.bin --workers 4",
    "mayfly sort --generate 100MB --ascii --skew --json",
    "mayfly sort --generate 50GB --fleet-memory 8GB --explain",
  ],
  async run(context) {
    const { options: given, clock } = context;
    checkOptions(given);
    const signal = untilSignal();
    const { input, records } = await inputOf(given);
    const workers = given.workers ?? availableParallelism();
    const { planSort } = await import("../sort/sort-plan.ts");
    const planFor = (fleet: RemoteFleet | undefined): Planned => {
      const nodes = fleet?.nodes ?? given.nodes ?? nodesDefault;
      const code = given.code ?? (nodes >= nodesDefault ? codeDefault : defaultCode(nodes));
      const plan = planSort({
        ...{ bytes: records * recordBytes, workers, nodes, code },
        ...(given.maps !== undefined && { maps: given.maps }),
        ...(given.partitions !== undefined && { partitions: given.partitions }),
        ...(given["fleet-memory"] !== undefined && { fleetMemoryBytes: given["fleet-memory"] }),
        ...(given["function-memory"] !== undefined && { functionMemoryBytes: given["function-memory"] }),
        ...(fleet === undefined && { machineFreeBytes: freeMemoryBytes() }),
        ...(fleet !== undefined && { fleetMemoryBytes: fleet.memoryBytes }),
      });
      return { nodes, code, plan };
    };
    const { nodes, code, plan } =
      given.controller === undefined
        ? planFor(undefined)
        : await planOnFleet(given.controller, planFor, clock);
    if (given.explain) {
      const { explainShuffle } = await import("./explain-shuffle.ts");
      if (context.json) context.print(JSON.stringify(plan.shuffle));
      else for (const line of explainShuffle(plan.shuffle)) context.print(line);
      return;
    }
    const report = await sortWith({ context, given, input, workers, nodes, code, plan, signal, clock });
    if (context.json) context.print(JSON.stringify(report));
    else for (const line of sortTable(report)) context.print(line);
  },
});

interface RemoteFleet {
  readonly nodes: number;
  /** Free on all of them together. */
  readonly memoryBytes: number;
}

type Planned = Pick<Setup, "nodes" | "code" | "plan">;

/** Of a job that ended a moment ago nodes still have to report that its memory is free; and a new controller has to hear of them. */
const reportedWithinMs = 3000;
const askAgainMs = 200;

async function planOnFleet(
  url: string,
  planFor: (fleet: RemoteFleet) => Planned,
  clock: Clock,
): Promise<Planned> {
  const untilMs = clock.now() + reportedWithinMs;
  for (;;) {
    const isLast = clock.now() > untilMs;
    try {
      const planned = planFor(await remoteFleet(url));
      if (isLast || planned.plan.waves.length === 1) return planned;
    } catch (thrown) {
      const { code } = MayflyError.from(thrown);
      const mayPass = code === "OUT_OF_MEMORY" || code === "UNAVAILABLE";
      if (!mayPass || isLast) throw thrown;
    }
    await sleep(clock, askAgainMs);
  }
}

async function remoteFleet(url: string): Promise<RemoteFleet> {
  const { withController } = await import("./fleet-access.ts");
  const status = await withController(url, (controller) => controller.status());
  const active = status.nodes.filter(({ state }) => state === "active");
  const silent = active.filter(({ limitBytes }) => limitBytes === 0).map(({ id }) => id);
  if (silent.length > 0) {
    const why = `The controller has not heard yet how much memory nodes ${silent.join(", ")} have; try again.`;
    throw new MayflyError("UNAVAILABLE", why, { retryAfterMs: askAgainMs });
  }
  // At least a byte: the planner says what a full fleet would need, and takes 0 for a mistake in its arguments.
  const freeBytes = active.reduce((sum, { limitBytes, usedBytes }) => sum + limitBytes - usedBytes, 0);
  return { nodes: active.length, memoryBytes: Math.max(1, freeBytes) };
}

interface Setup {
  readonly context: VerbContext;
  readonly given: SortOptions;
  readonly input: SortInput;
  readonly workers: number;
  readonly nodes: number;
  readonly code: Code;
  readonly plan: SortPlan;
  readonly signal: EndSignal;
  readonly clock: Clock;
}

/** Everything that was started is stopped, and an unfinished output removed, however it ends. */
async function sortWith(setup: Setup): Promise<SortReport> {
  const { context, given, nodes, code, plan, signal } = setup;
  const stops: (() => Promise<void>)[] = [];
  try {
    const work = async (): Promise<SortReport> => {
      const output = await openOutput(setup, stops);
      const fleet = given.controller === undefined ? await startFleet(setup, stops) : undefined;
      const { controller, job, ticket } = await beginJob(setup, fleet?.url ?? given.controller ?? "", stops);
      const executor = await startExecutor(setup, ticket, stops);
      const killed: number[] = [];
      const betweenPhases = async (): Promise<void> => {
        if (given["kill-node"]) killed.push(killOne(fleet));
      };
      const result = await run(setup, job, executor, output, betweenPhases);
      const status = await controller.status();
      const nodeRssBytes = (fleet?.nodes ?? []).reduce((sum, { pid }) => sum + peakResidentBytes(pid), 0);
      return reportOf({
        ...{
          result,
          plan,
          code: formatCode(code),
          nodes,
          killedNodes: killed.length,
          workers: setup.workers,
        },
        usedBytesOfNodes: status.nodes.map(({ usedBytes }) => usedBytes),
        peakMemoryBytes: nodeRssBytes + result.workerRssBytes + peakResidentBytes(process.pid),
        output: given.output,
      });
    };
    const stopped = signal.promise.then(() => {
      throw new MayflyError("ABORTED", "The sort was stopped by a signal; nothing of it is left.");
    });
    stopped.catch(() => undefined);
    return await Promise.race([work(), stopped]);
  } finally {
    for (const stop of stops.reverse()) await stop().catch((error: Error) => context.note(error.message));
  }
}

async function openOutput(
  { given, plan }: Setup,
  stops: (() => Promise<void>)[],
): Promise<SortOutput | undefined> {
  if (given.output === undefined) return undefined;
  const { createSortOutput } = await import("../sort/sort-output.ts");
  const { resolve } = await import("node:path");
  const output = await createSortOutput(resolve(given.output), plan.records * recordBytes, systemRng);
  stops.push(() => output.discard());
  return output;
}

async function startFleet(
  { context, given, nodes, plan }: Setup,
  stops: (() => Promise<void>)[],
): Promise<EmbeddedFleet> {
  const { startEmbeddedFleet } = await import("../embedded-fleet.ts");
  if (!context.json) {
    context.note(`Starting ${nodes} nodes of ${formatBytes(plan.nodeMemoryBytes)} each ...`);
  }
  const fleet = await startEmbeddedFleet({
    ...{ nodes, nodeMemoryBytes: plan.nodeMemoryBytes },
    ...(given.verbose && { log: context.note }),
  });
  stops.push(() => fleet.stop());
  return fleet;
}

async function beginJob(
  { code, plan }: Setup,
  url: string,
  stops: (() => Promise<void>)[],
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
  { given, workers, clock }: Setup,
  ticket: string,
  stops: (() => Promise<void>)[],
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

async function run(
  setup: Setup,
  job: Job,
  executor: Executor,
  output: SortOutput | undefined,
  betweenPhases: () => Promise<void>,
): Promise<SortResult> {
  const { context, plan, code, input, workers, clock } = setup;
  const { runSort } = await import("../sort/run-sort.ts");
  const progress = createProgress(context.stderr, { enabled: !context.json, clock });
  const totalBytes = plan.records * recordBytes;
  const bars = new Map<SortPhase, ReturnType<typeof progress.bar>>();
  const onProgress = (phase: SortPhase, doneBytes: number): void => {
    let bar = bars.get(phase);
    if (bar === undefined) {
      bar = progress.bar({ label: phase, totalBytes });
      bars.set(phase, bar);
    }
    bar.update(doneBytes);
    if (doneBytes === totalBytes) bar.finish();
  };
  try {
    return await runSort({
      ...{ clock, rng: rngOf(setup.given), job, executor, plan, code, input, output, workers },
      ...{ betweenPhases, onProgress },
    });
  } finally {
    progress.close();
  }
}

function rngOf({ seed }: SortOptions): Rng {
  return seed === undefined ? systemRng : seededRng(seed);
}

/** kill -9, as a machine that is gone. */
function killOne(fleet: EmbeddedFleet | undefined): number {
  const pid = fleet?.nodes.at(-1)?.pid;
  if (pid === undefined) throw new MayflyError("INTERNAL", "There is no node process to kill.");
  process.kill(pid, "SIGKILL");
  return pid;
}
