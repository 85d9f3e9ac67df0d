/** What each way to shuffle is expected to take; docs/EXCHANGE.md, "Planning", has the formulas. */
import { countText, sizeText } from "./figure-text.ts";
import { type FleetUse, fleetUseOf } from "./fleet-memory.ts";
import { type PhaseWork, type ShufflePhase, timePhase } from "./phase-times.ts";
import { rangeSkew, type ShuffleFacts } from "./plan-input.ts";

/**
 * - `memory`: one pass in memory.
 * - `waves`: ranges of partitions one after another; each wave reads the input again and keeps only its range.
 * - `s3-rounds`: ranges of maps one after another; each round is shuffled in memory, and what it has for a partition goes to S3
 *   as one object. At the end each partition is merged from one object of each round.
 * - `s3`: without the fleet: one object for each map, of which each partition reads a range.
 */
export type ShuffleStrategy = "memory" | "waves" | "s3-rounds" | "s3";

export interface StrategyEstimate {
  readonly strategy: ShuffleStrategy;
  /** Waves or rounds: as few as fit, or as many as there can be when none fit. 1 for `memory` and `s3`. */
  readonly passes: number;
  readonly feasible: boolean;
  /** Why it is feasible, or why not: goes behind "waves: ". */
  readonly reason: string;
  readonly seconds: number;
  readonly phases: readonly ShufflePhase[];
  /** On all nodes together at the peak, parity and tables counted; 0 without a fleet. */
  readonly storedBytes: number;
  /** Memory of the fleet that this takes, with headroom. */
  readonly memoryBytes: number;
  readonly requests: { readonly nodes: number; readonly s3Puts: number; readonly s3Gets: number };
  readonly bytesMoved: { readonly input: number; readonly fleet: number; readonly s3: number };
  readonly dollars: number;
}

const gib = 2 ** 30;
const monthSeconds = 30 * 24 * 3600;
/** Of one PUT. */
const s3ObjectBytesMax = 5 * gib;

/** One way of cutting the shuffle, and whether it can be done. */
interface Cut {
  readonly passes: number;
  /** Of one pass, the largest. */
  readonly use: FleetUse;
  /** Why not, whatever the memory. */
  readonly fault: string | undefined;
}

export function estimateMemory(facts: ShuffleFacts): StrategyEstimate {
  const { bytes, maps, partitions } = facts;
  const use = fleetUseOf({ mapBytes: bytes / maps, maps, partitions }, facts);
  const phases: PhaseWork[] = [
    { phase: "map", tasks: maps, tasksAtOnce: maps, inputBytes: bytes, fleetBytes: wireBytes(facts) },
    { phase: "reduce", tasks: partitions, tasksAtOnce: partitions, fleetBytes: bytes },
  ];
  return estimate("memory", { passes: 1, use, fault: use.fault }, phases, facts);
}

/** @param given how many waves; as few as fit by default */
export function estimateWaves(facts: ShuffleFacts, given?: number): StrategyEstimate {
  const { bytes, maps, partitions } = facts;
  const useOf = (most: number): FleetUse => {
    const mapBytes = Math.min(1, (most * rangeSkew(most, facts)) / partitions) * (bytes / maps);
    return fleetUseOf({ mapBytes, maps, partitions: most }, facts);
  };
  const { passes, use } =
    given === undefined
      ? fewestPasses(partitions, useOf, facts)
      : { passes: given, use: useOf(Math.ceil(partitions / given)) };
  const fault = facts.canRereadInput ? undefined : "the input can be read only once, and each wave reads it";
  const atOnce = Math.ceil(partitions / passes);
  const phases: PhaseWork[] = [
    {
      ...{ phase: "map", tasks: passes * maps, tasksAtOnce: maps },
      ...{ inputBytes: bytes, skippedBytes: (passes - 1) * bytes, fleetBytes: wireBytes(facts) },
    },
    { phase: "reduce", tasks: partitions, tasksAtOnce: atOnce, fleetBytes: bytes },
  ];
  const cut = { passes, use, fault: fault ?? tooFew(passes, "partition") ?? use.fault };
  return estimate("waves", cut, phases, facts);
}

export function estimateS3Rounds(facts: ShuffleFacts): StrategyEstimate {
  const { bytes, maps, partitions } = facts;
  const useOf = (most: number): FleetUse =>
    fleetUseOf({ mapBytes: bytes / maps, maps: most, partitions }, facts);
  const { passes, use } = fewestPasses(maps, useOf, facts);
  const objects = passes * partitions * parts(bytes / (passes * partitions));
  const atOnce = Math.ceil(maps / passes);
  const phases: PhaseWork[] = [
    { phase: "map", tasks: maps, tasksAtOnce: atOnce, inputBytes: bytes, fleetBytes: wireBytes(facts) },
    {
      ...{ phase: "merge", tasks: passes * partitions, tasksAtOnce: partitions },
      ...{ fleetBytes: bytes, s3Bytes: bytes, s3Puts: objects },
    },
    { phase: "reduce", tasks: partitions, tasksAtOnce: partitions, s3Bytes: bytes, s3Gets: objects },
  ];
  const cut = { passes, use, fault: bucketFault(facts) ?? tooFew(passes, "map") ?? use.fault };
  return estimate("s3-rounds", cut, phases, facts);
}

export function estimateS3(facts: ShuffleFacts): StrategyEstimate {
  const { bytes, maps, partitions } = facts;
  const phases: PhaseWork[] = [
    {
      ...{ phase: "map", tasks: maps, tasksAtOnce: maps },
      ...{ inputBytes: bytes, s3Bytes: bytes, s3Puts: maps * parts(bytes / maps) },
    },
    {
      phase: "reduce",
      tasks: partitions,
      tasksAtOnce: partitions,
      s3Bytes: bytes,
      s3Gets: maps * partitions,
    },
  ];
  const use = { storedBytes: 0, memoryBytes: 0, requests: 0, fault: undefined };
  return estimate("s3", { passes: 1, use, fault: bucketFault(facts) }, phases, facts);
}

/**
 * Cuts `pieces` into as few ranges of nearly the same length as fit the memory, two at least. When not even single pieces fit there
 * are as many ranges as pieces.
 * @param useOf what a range of so many pieces takes; it must not shrink as they get more
 */
function fewestPasses(
  pieces: number,
  useOf: (most: number) => FleetUse,
  { memoryBytes }: ShuffleFacts,
): { passes: number; use: FleetUse } {
  const fits = (most: number): boolean => {
    const use = useOf(most);
    return use.fault === undefined && use.memoryBytes <= memoryBytes;
  };
  let [good, bad] = [1, Math.ceil(pieces / 2) + 1];
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2);
    if (fits(middle)) good = middle;
    else bad = middle;
  }
  const passes = Math.ceil(pieces / good);
  return { passes, use: useOf(Math.ceil(pieces / passes)) };
}

function estimate(
  strategy: ShuffleStrategy,
  { passes, use, fault }: Cut,
  work: readonly PhaseWork[],
  facts: ShuffleFacts,
): StrategyEstimate {
  const { storedBytes, memoryBytes } = use;
  const phases = work.map((each) => timePhase(each, facts));
  const sumOf = (
    figure: "inputBytes" | "skippedBytes" | "fleetBytes" | "s3Bytes" | "s3Puts" | "s3Gets",
  ): number => work.reduce((sum, each) => sum + (each[figure] ?? 0), 0);
  const requests = { nodes: passes * use.requests, s3Puts: sumOf("s3Puts"), s3Gets: sumOf("s3Gets") };
  const input = sumOf("inputBytes") + sumOf("skippedBytes");
  const bytesMoved = { input, fleet: sumOf("fleetBytes"), s3: sumOf("s3Bytes") };
  const figures = { storedBytes, memoryBytes, requests, bytesMoved, phases };
  const fits = memoryBytes <= facts.memoryBytes;
  return {
    ...{ strategy, passes, feasible: fault === undefined && fits },
    reason: fault === undefined ? memoryReason(strategy, passes, use, facts) : `${fault}.`,
    seconds: phases.reduce((sum, { seconds }) => sum + seconds, 0),
    ...figures,
    dollars: dollarsOf(figures, facts),
  };
}

function memoryReason(strategy: ShuffleStrategy, passes: number, use: FleetUse, facts: ShuffleFacts): string {
  if (strategy === "s3") return "it needs no memory of the fleet.";
  const what = {
    memory: "all at once",
    waves: `${countText(passes, "wave")} of ${countText(Math.ceil(facts.partitions / passes), "partition")}`,
    "s3-rounds": `${countText(passes, "round")} of ${countText(Math.ceil(facts.maps / passes), "map")}`,
  }[strategy];
  const fits = use.memoryBytes <= facts.memoryBytes;
  const each = passes === 1 ? "needs" : "need, one at a time,";
  const verdict = fits ? "within" : "more than";
  const limit = sizeText(facts.memoryBytes);
  return `${what} ${each} a fleet of ${sizeText(use.memoryBytes)}, ${verdict} the ${limit} that may be used.`;
}

function tooFew(passes: number, piece: string): string | undefined {
  return passes > 1 ? undefined : `there is only one ${piece}, which cannot be cut`;
}

function bucketFault({ hasBucket }: ShuffleFacts): string | undefined {
  return hasBucket ? undefined : "there is no bucket to write to";
}

/** What all map outputs are on the wire, and in memory without tables. */
function wireBytes({ bytes, code }: ShuffleFacts): number {
  return (bytes * (code.d + code.p)) / code.d;
}

/** PUTs, and GETs, of one object. */
function parts(objectBytes: number): number {
  return Math.max(1, Math.ceil(objectBytes / s3ObjectBytesMax));
}

type Figures = Pick<StrategyEstimate, "memoryBytes" | "requests" | "bytesMoved" | "phases">;

/** The fleet and what S3 stores are paid for the whole time, functions while they have something to do, S3's requests each. */
function dollarsOf(figures: Figures, facts: ShuffleFacts): number {
  const { memoryBytes, requests, bytesMoved, phases } = figures;
  const { prices, functionMemoryBytes } = facts;
  const seconds = phases.reduce((sum, phase) => sum + phase.seconds, 0);
  const workerSeconds = phases.reduce((sum, phase) => sum + phase.seconds * phase.workers, 0);
  const s3Stored = bytesMoved.s3 > 0 ? facts.bytes : 0;
  return (
    ((memoryBytes / gib) * seconds * prices.fleetPerGibHour) / 3600 +
    workerSeconds * (functionMemoryBytes / gib) * prices.functionPerGibSecond +
    (requests.s3Puts * prices.s3Per1000Puts + requests.s3Gets * prices.s3Per1000Gets) / 1000 +
    ((s3Stored / gib) * seconds * prices.s3PerGibMonth) / monthSeconds
  );
}
