/** `mayfly sort`: sorts 100-byte records through a fleet of memory nodes, with functions as separate processes. */
import { availableParallelism } from "node:os";
import { dirname, resolve } from "node:path";
import { type Clock, sleep } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import { defaultCode } from "../placement/code.ts";
import type { Code } from "../placement/types.ts";
import { dryRunJson, dryRunText } from "./explain-sort.ts";
import { runPlannedSort, type SortSetup } from "./run-planned-sort.ts";
import { checkDisks, type DiskNeed, diskUses, memoryBudget, spillFolder } from "./sort-machine.ts";
import {
  checkOptions,
  inputOf,
  nodesDefault,
  options,
  recordBytes,
  type SortOptions,
} from "./sort-options.ts";
import { sortTable } from "./sort-report.ts";
import { readSortState, type SortState, writeSortState } from "./sort-state.ts";
import { type EndSignal, untilSignal } from "./until-signal.ts";
import { defineVerb, type VerbContext } from "./verb.ts";

const codeDefault: Code = { d: 4, p: 2 };

export const sortVerb = defineVerb({
  name: "sort",
  summary: "sort 100-byte records through an erasure-coded fleet, and prove the output right",
  usage: "",
  description:
    "Records have 100 bytes and sort by their first 10, as in the sort benchmark. Mappers and reducers are separate " +
    "processes that know nothing but their ticket. With --json one object is printed: records, checksum, " +
    "duplicateKeys, ordered, seconds, mbPerSecond, bytesStored, code, nodes, killedNodes, and more. What does not fit " +
    "the memory at once is sorted in waves, each of a range of keys; each makes or reads the input again. With --state " +
    "a sort that was killed goes on by --resume. docs/SORT.md has the plan and its formulas.",
  options,
  examples: [
    "mayfly sort --generate 1GB --kill-node",
    "mayfly sort --input records.bin --output sorted.bin --workers 4",
    "mayfly sort --generate 100MB --ascii --skew --json",
    "mayfly sort --generate 100GB --memory 20GiB --dry-run",
    "mayfly sort --generate 100GB --state sort-100g",
    "mayfly sort --resume sort-100g",
  ],
  async run(context) {
    const { options: given } = context;
    checkOptions(given);
    const signal = untilSignal();
    const resumed = given.resume === undefined ? undefined : await readSortState(resolve(given.resume));
    try {
      await runSortVerb(context, resumed, signal);
    } finally {
      await resumed?.journal.close();
    }
  },
});

async function runSortVerb(
  context: VerbContext<typeof options>,
  resumed: SortState | undefined,
  signal: EndSignal,
): Promise<void> {
  const { options: given } = context;
  const setup = resumed === undefined ? await begun(context) : asBegun(context, resumed);
  if (given.explain) {
    const { explainShuffle } = await import("./explain-shuffle.ts");
    if (context.json) context.print(JSON.stringify(setup.plan.shuffle));
    else for (const line of explainShuffle(setup.plan.shuffle)) context.print(line);
    return;
  }
  const disks = await diskUses(disksOf(setup));
  await checkDisks(disks);
  if (given["dry-run"]) {
    const dryRun = { ...setup, spill: setup.given.spill, disks };
    if (context.json) context.print(JSON.stringify(dryRunJson(dryRun)));
    else for (const line of dryRunText(dryRun)) context.print(line);
    return;
  }
  const state =
    resumed ?? (given.state === undefined ? undefined : await writeSortState(resolve(given.state), setup));
  const report = await runPlannedSort({ ...setup, state, signal });
  if (context.json) context.print(JSON.stringify(report));
  else for (const line of sortTable(report)) context.print(line);
}

async function begun(context: VerbContext<typeof options>): Promise<SortSetup> {
  const { options: given, clock } = context;
  const { input, records } = await inputOf(given);
  const workers = given.workers ?? availableParallelism();
  const budgetBytes = given.controller === undefined ? memoryBudget(given.memory) : undefined;
  const { planSort } = await import("../sort/sort-plan.ts");
  const planFor = (fleet: RemoteFleet | undefined): Planned => {
    const nodes = fleet?.nodes ?? given.nodes ?? nodesDefault;
    const code = given.code ?? (nodes >= nodesDefault ? codeDefault : defaultCode(nodes));
    const plan = planSort({
      ...{ bytes: records * recordBytes, workers, nodes, code },
      ...{ canSpill: given.spill !== undefined },
      source: "file" in input ? "file" : input.generate.ascii ? "ascii" : "binary",
      ...(given.waves !== undefined && { waves: given.waves }),
      ...(given.maps !== undefined && { maps: given.maps }),
      ...(given.partitions !== undefined && { partitions: given.partitions }),
      ...(given["fleet-memory"] !== undefined && { fleetMemoryBytes: given["fleet-memory"] }),
      ...(given["function-memory"] !== undefined && { functionMemoryBytes: given["function-memory"] }),
      ...(budgetBytes !== undefined && { machineFreeBytes: budgetBytes }),
      ...(fleet !== undefined && { fleetMemoryBytes: fleet.memoryBytes }),
    });
    return { nodes, code, plan };
  };
  const planned =
    given.controller === undefined
      ? planFor(undefined)
      : await planOnFleet(given.controller, planFor, clock, given.waves);
  return { context, given, input, workers, budgetBytes, clock, ...planned };
}

/** With everything as it was, but the workers if they are given. @throws MayflyError OUT_OF_MEMORY when so much is not free any more */
function asBegun(context: VerbContext<typeof options>, state: SortState): SortSetup {
  const { options: now, clock } = context;
  const { options: before, input, nodes, code, plan } = state.run;
  const given: SortOptions = { ...now, ...before, resume: now.resume, verbose: now.verbose, seed: now.seed };
  const workers = now.workers ?? state.run.workers;
  const ownFleet = before.controller === undefined;
  const budgetBytes = ownFleet ? memoryBudget(plan.memory.totalBytes) : undefined;
  return { context, given, input, workers, budgetBytes, clock, nodes, code, plan };
}

function disksOf({ given, plan }: SortSetup): DiskNeed[] {
  const needs: DiskNeed[] = [];
  const folder = given.spill === undefined ? undefined : spillFolder(given.spill);
  if (folder !== undefined && plan.passes.spilledAtOnceBytes > 0)
    needs.push({ what: "spill", folder, neededBytes: plan.passes.spilledAtOnceBytes });
  // What a resumed sort has written already is not needed again; it is sparse, so nobody knows how much that is.
  if (given.output !== undefined && given.resume === undefined)
    needs.push({
      what: "output",
      folder: dirname(resolve(given.output)),
      neededBytes: plan.records * recordBytes,
    });
  return needs;
}

interface RemoteFleet {
  readonly nodes: number;
  /** Free on all of them together. */
  readonly memoryBytes: number;
}

type Planned = Pick<SortSetup, "nodes" | "code" | "plan">;

/** Of a job that ended a moment ago nodes still have to report that its memory is free; and a new controller has to hear of them. */
const reportedWithinMs = 3000;
const askAgainMs = 200;

async function planOnFleet(
  url: string,
  planFor: (fleet: RemoteFleet) => Planned,
  clock: Clock,
  waves = 1,
): Promise<Planned> {
  const untilMs = clock.now() + reportedWithinMs;
  for (;;) {
    const isLast = clock.now() > untilMs;
    try {
      const planned = planFor(await remoteFleet(url));
      if (isLast || planned.plan.waves.length === waves) return planned;
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
