/** What a sort tells at its end: one object for machines, a table for people. */
import type { SortResult } from "../sort/run-sort.ts";
import type { WaveFigures } from "../sort/sort-journal.ts";
import type { SortPlan } from "../sort/sort-plan.ts";
import { formatBytes } from "./sizes.ts";
import { formatTable } from "./table.ts";

export interface SortReport {
  readonly records: number;
  readonly bytes: number;
  readonly checksum: string;
  readonly duplicateKeys: number;
  readonly ordered: boolean;
  readonly firstKey: string;
  readonly lastKey: string;
  /** From the first map's start to the last validation. */
  readonly seconds: number;
  readonly mbPerSecond: number;
  readonly phases: Readonly<Record<"map" | "shuffle" | "reduce", { seconds: number; mbPerSecond: number }>>;
  /** Shards, parity and their checksums. */
  readonly bytesStored: number;
  /** Stored bytes that are not the records themselves, as a share of the records. */
  readonly parityOverhead: number;
  /** Sum over all processes of what each had resident at its peak. */
  readonly peakMemoryBytes: number;
  readonly code: string;
  readonly nodes: number;
  readonly killedNodes: number;
  readonly workers: number;
  readonly maps: number;
  readonly partitions: number;
  readonly waves: number;
  /** One a wave that was run or had been; without a part that was done when the sort was killed. */
  readonly waveFigures: readonly WaveReport[];
  /** The most that all processes had resident together, sampled; pages that they share count for each. */
  readonly rssPeakBytes: number;
  /** Sorted before this run went on. */
  readonly resumedBytes: number;
  readonly spilledBytes: number;
  /** To the object store. */
  readonly storeRequests: number;
  /** Maps that ran again because their output was lost. */
  readonly mapsRunAgain: number;
  readonly usedBytesOfNodes: readonly number[];
  readonly output: string | null;
}

interface WaveReport {
  readonly wave: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly mbPerSecond: number;
  readonly mapSeconds: number;
  readonly reduceSeconds: number;
  readonly storedBytes: number;
  readonly rssPeakBytes: number;
}

export interface SortFacts {
  readonly result: SortResult;
  readonly plan: SortPlan;
  readonly code: string;
  readonly nodes: number;
  readonly killedNodes: number;
  readonly workers: number;
  readonly usedBytesOfNodes: readonly number[];
  readonly peakMemoryBytes: number;
  readonly output: string | undefined;
  readonly resumedBytes: number;
  readonly spilledBytes: number;
  readonly storeRequests: number;
}

const recordBytes = 100;

export function reportOf(facts: SortFacts): SortReport {
  const { result, plan, code, nodes, killedNodes, workers, usedBytesOfNodes, peakMemoryBytes } = facts;
  const bytes = result.records * recordBytes;
  const waveFigures = result.waves.map(waveReport);
  // What was being done when a sort was killed has no time.
  const timedBytes = waveFigures.reduce((sum, wave) => sum + wave.bytes, 0);
  const timed = (seconds: number): { seconds: number; mbPerSecond: number } => ({
    seconds: rounded(seconds, 3),
    mbPerSecond: seconds > 0 ? rounded(timedBytes / 1e6 / seconds, 1) : 0,
  });
  const { records, checksum, duplicateKeys, ordered, firstKey, lastKey, phaseSeconds } = result;
  return {
    ...{ records, bytes, checksum, duplicateKeys, ordered, firstKey, lastKey },
    ...timed(result.seconds),
    phases: {
      map: timed(phaseSeconds.map),
      shuffle: timed(phaseSeconds.shuffle),
      reduce: timed(phaseSeconds.reduce),
    },
    bytesStored: result.storedBytes,
    parityOverhead: bytes > 0 ? rounded((result.storedBytes - bytes) / bytes, 4) : 0,
    ...{ peakMemoryBytes, code, nodes, killedNodes, workers },
    ...{ maps: plan.maps.length, partitions: plan.partitions, waves: plan.waves.length },
    ...{ waveFigures, rssPeakBytes: Math.max(0, ...waveFigures.map((wave) => wave.rssPeakBytes)) },
    ...{ resumedBytes: facts.resumedBytes },
    ...{ spilledBytes: facts.spilledBytes, storeRequests: facts.storeRequests },
    ...{ mapsRunAgain: result.mapsRunAgain, usedBytesOfNodes },
    output: facts.output ?? null,
  };
}

function waveReport(figures: WaveFigures): WaveReport {
  const { wave, bytes, seconds, mapSeconds, reduceSeconds, storedBytes, rssPeakBytes } = figures;
  return {
    ...{ wave, bytes, seconds: rounded(seconds, 3) },
    mbPerSecond: seconds > 0 ? rounded(bytes / 1e6 / seconds, 1) : 0,
    ...{ mapSeconds: rounded(mapSeconds, 3), reduceSeconds: rounded(reduceSeconds, 3) },
    ...{ storedBytes, rssPeakBytes },
  };
}

/** Lines for a terminal. */
export function sortTable(report: SortReport): string[] {
  const rate = ({ seconds, mbPerSecond }: { seconds: number; mbPerSecond: number }): string =>
    `${seconds.toFixed(2)} s  ${mbPerSecond.toFixed(0)} MB/s`;
  const { phases } = report;
  const killed = report.killedNodes > 0 ? `, ${report.killedNodes} killed between map and reduce` : "";
  const again =
    report.mapsRunAgain > 0 ? `; ${report.mapsRunAgain} maps ran again, their output was lost` : "";
  const waves = report.waves > 1 ? ` in ${report.waves} waves` : "";
  const functions = `${report.maps} maps, ${report.partitions} reduces${waves}, ${report.workers} at a time${again}`;
  const rows = [
    ["records", `${report.records.toLocaleString("en-US")} (${formatBytes(report.bytes, "decimal")})`],
    ["checksum", report.checksum],
    ["duplicate keys", String(report.duplicateKeys)],
    ["ordered", report.ordered ? "yes, and every record accounted for" : "NO"],
    ["total", rate(report)],
    ["map", rate(phases.map)],
    ["shuffle", `${rate(phases.shuffle)}  (mean of ${report.workers} workers)`],
    ["reduce", `${rate(phases.reduce)}  (mean of ${report.workers} workers)`],
    [
      "stored",
      `${formatBytes(report.bytesStored, "decimal")} (parity and checksums add ${(report.parityOverhead * 100).toFixed(1)} %)`,
    ],
    [
      "peak memory",
      `${formatBytes(report.rssPeakBytes)} resident in all processes (the sum of their peaks: ${formatBytes(report.peakMemoryBytes)})`,
    ],
    ...(report.resumedBytes > 0
      ? [["resumed", `${formatBytes(report.resumedBytes, "decimal")} had been sorted before`]]
      : []),
    ["fleet", `${report.nodes} nodes, code ${report.code}${killed}`],
    ["functions", functions],
    ["output", report.output ?? "validated and discarded"],
  ];
  // Without the titles: what the lines say is plain.
  return formatTable([{ title: "" }, { title: "" }], rows).slice(1);
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
