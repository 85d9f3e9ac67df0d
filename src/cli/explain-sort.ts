/** The plan of a sort before it is run: an object for machines, lines for people. */
import { formatCode } from "../placement/code.ts";
import type { Code } from "../placement/types.ts";
import { countText, secondsText, sizeText } from "../shuffle-plan/figure-text.ts";
import { recordBytes } from "../sort/record-memory.ts";
import type { SortPasses } from "../sort/sort-passes.ts";
import type { SortPlan } from "../sort/sort-plan.ts";
import { formatBytes } from "./sizes.ts";
import type { DiskUse } from "./sort-machine.ts";
import { type Column, formatTable } from "./table.ts";

export interface DryRun {
  readonly plan: SortPlan;
  readonly code: Code;
  readonly nodes: number;
  readonly workers: number;
  /** For all processes; undefined on a fleet that is there already. */
  readonly budgetBytes: number | undefined;
  readonly spill: string | undefined;
  readonly disks: readonly DiskUse[];
}

export function dryRunJson({ plan, code, nodes, workers, budgetBytes, spill, disks }: DryRun): object {
  const { passes, memory } = plan;
  const bytes = plan.records * recordBytes;
  return {
    ...{ records: plan.records, bytes, code: formatCode(code), nodes, workers },
    ...{ waves: plan.waves.length, maps: plan.maps.length, partitions: plan.partitions },
    seconds: rounded(passes.seconds),
    mbPerSecond: rounded(bytes / 1e6 / passes.seconds),
    phases: {
      map: rounded(passes.secondsOf.map),
      reduce: rounded(passes.secondsOf.reduce),
      spill: rounded(passes.secondsOf.spill),
    },
    memory: { budgetBytes: budgetBytes ?? null, nodeMemoryBytes: plan.nodeMemoryBytes, ...memory },
    bytesStored: plan.storedBytesEstimate,
    spill: { url: spill ?? null, bytes: passes.spilledBytes, atOnceBytes: passes.spilledAtOnceBytes },
    storeRequests: passes.store,
    nodeRequests: plan.shuffle.estimate.requests.nodes,
    disks,
    alternatives: plan.alternatives.map((each) => ({
      ...{ waves: each.waves, fits: each.fits, chosen: isChosen(each, plan), seconds: rounded(each.seconds) },
      ...{ memoryBytes: each.memory.totalBytes, spilledBytes: each.spilledBytes, storeRequests: each.store },
    })),
  };
}

const columns: readonly Column[] = [
  { title: "PLAN" },
  ...["TIME", "MB/s", "MEMORY", "SPILLED", "PUTS", "GETS"].map(
    (title): Column => ({ title, align: "right" }),
  ),
];
/** As many as say something: between the first and the last they differ little. */
const rowsMax = 8;

export function dryRunText(dryRun: DryRun): string[] {
  const { plan, code, nodes, workers, budgetBytes, spill, disks } = dryRun;
  const { passes, memory } = plan;
  const bytes = plan.records * recordBytes;
  const waves = plan.waves.length;
  const largest = Math.max(...plan.waves.map(({ count }) => count));
  const rows = [
    ["records", `${countText(plan.records)} (${sizeText(bytes)})`],
    [
      "plan",
      waves === 1
        ? "one pass"
        : `${countText(waves, "wave")} of up to ${countText(largest, "partition")}; each makes or reads the input again and keeps its range of keys`,
    ],
    ["functions", `${plan.maps.length} maps a wave, ${plan.partitions} reduces in all, ${workers} at a time`],
    ["time", `${secondsText(passes.seconds)}, ${(bytes / 1e6 / passes.seconds).toFixed(0)} MB/s`],
    [
      "phases",
      `map ${secondsText(passes.secondsOf.map)}, reduce ${secondsText(passes.secondsOf.reduce)}, spill ${secondsText(passes.secondsOf.spill)}`,
    ],
    ["fleet", `${nodes} nodes of ${formatBytes(plan.nodeMemoryBytes)}, code ${formatCode(code)}`],
    [
      "memory",
      budgetBytes === undefined
        ? `${formatBytes(memory.fleetBytes)} of the fleet`
        : `${formatBytes(memory.totalBytes)} of ${formatBytes(budgetBytes)} for all processes: nodes ` +
          `${formatBytes(memory.fleetBytes + memory.nodeProcessesBytes)}, functions ${formatBytes(memory.workersBytes)}, ` +
          `controller ${formatBytes(memory.coordinatorBytes)}`,
    ],
    [
      "spill",
      passes.spilledBytes === 0
        ? "nothing"
        : `${sizeText(passes.spilledBytes)} to ${spill}, ${sizeText(passes.spilledAtOnceBytes)} at a time`,
    ],
    ["requests", `${countText(passes.store.puts, "PUT")}, ${countText(passes.store.gets, "GET")}`],
    ...disks.map((disk) => [
      "disk",
      `${sizeText(disk.neededBytes)} of ${disk.what} in ${disk.folder}, ${sizeText(disk.freeBytes)} free`,
    ]),
  ];
  return [
    ...formatTable([{ title: "" }, { title: "" }], rows).slice(1),
    "",
    ...formatTable(
      columns,
      alternativesOf(plan).map((each) => rowOf(each, plan, bytes)),
    ),
  ];
}

function alternativesOf(plan: SortPlan): SortPasses[] {
  const { alternatives } = plan;
  const step = Math.ceil(alternatives.length / rowsMax);
  return alternatives.filter(
    (each, at) => at % step === 0 || at === alternatives.length - 1 || isChosen(each, plan),
  );
}

function isChosen({ waves }: SortPasses, plan: SortPlan): boolean {
  return waves === plan.passes.waves;
}

function rowOf(each: SortPasses, plan: SortPlan, bytes: number): string[] {
  const { waves, seconds, memory, spilledBytes, store } = each;
  const name = waves === 1 ? "one pass" : `${waves} waves`;
  return [
    `${isChosen(each, plan) ? "*" : " "} ${name}`,
    secondsText(seconds),
    (bytes / 1e6 / seconds).toFixed(0),
    sizeText(memory.totalBytes),
    spilledBytes === 0 ? "-" : sizeText(spilledBytes),
    ...[store.puts, store.gets].map((count) => (count === 0 ? "-" : countText(count))),
  ];
}

function rounded(value: number): number {
  return Number.isFinite(value) ? Number(value.toFixed(1)) : 0;
}
