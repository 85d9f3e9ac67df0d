/**
 * Decides how a sort is cut up and what memory it takes, and only decides: no I/O, no clock. All sizes in bytes.
 */
import { MayflyError } from "../errors.ts";
import type { Code } from "../placement/types.ts";
import { fleetMemoryFor, planShuffle, type ShufflePlan } from "../shuffle-plan/plan-shuffle.ts";
import { partitionsMax, recordBytes } from "./record-memory.ts";
import type { Wave } from "./sort-events.ts";
import { besideText, fleetLimit, type SortMemory } from "./sort-memory.ts";
import { fewestWaves, type PassesDetail, passesOf, type SortPasses, type SortSource } from "./sort-passes.ts";
import { functionMemoryBytesMin, mapsMax, outOfMemory, piecesOf, size } from "./sort-pieces.ts";

const nodeStepBytes = 16 * 2 ** 20;
/** So many numbers of waves that would spill are looked at. */
const spillCandidatesMax = 12;

export interface SortPlanInput {
  /** Of all records: a multiple of 100; 0 is allowed. */
  readonly bytes: number;
  /** Function processes at a time. */
  readonly workers: number;
  readonly nodes: number;
  readonly code: Code;
  /** What all nodes together may hold; without it each node gets what it needs. */
  readonly fleetMemoryBytes?: number;
  /** If nodes and workers run here: what all of them together may take. */
  readonly machineFreeBytes?: number;
  readonly maps?: number;
  readonly partitions?: number;
  /** The most a function's kernel may take; 4 GiB is what WASM can. */
  readonly functionMemoryBytes?: number;
  /** What waves read again: `binary` by default. */
  readonly source?: SortSource;
  /** So many waves and no others. */
  readonly waves?: number;
  /** Whether there is a place to spill to. False by default. */
  readonly canSpill?: boolean;
}

export interface MapTask {
  readonly firstRecord: number;
  readonly records: number;
}

export interface SortPlan {
  readonly records: number;
  readonly maps: readonly MapTask[];
  /** Records that a map's kernel holds: what it keeps of its input beyond that becomes another run. */
  readonly mapCapacity: number;
  readonly partitions: number;
  /** Which partitions are shuffled at a time. */
  readonly waves: readonly Wave[];
  /** What it is expected to take. */
  readonly passes: SortPasses;
  /** What was looked at, that of the plan among them. */
  readonly alternatives: readonly SortPasses[];
  /** Why so among the ways to shuffle, with the figures of each. */
  readonly shuffle: ShufflePlan;
  readonly memory: SortMemory;
  /** Memory limit of one node, a multiple of 16 MiB. */
  readonly nodeMemoryBytes: number;
  /** Map outputs with parity, and their tables, on all nodes at the peak. */
  readonly storedBytesEstimate: number;
  /** Kernel memory of the largest map, and of a reduce up to 1.5 times the even share. The counts tell what it needs. */
  readonly functionMemoryBytes: { readonly map: number; readonly reduce: number };
}

function checkInput(input: SortPlanInput): void {
  const fail = (message: string): never => {
    throw new MayflyError("INVALID_ARGUMENT", message);
  };
  const { bytes, code, nodes } = input;
  if (!Number.isSafeInteger(bytes) || bytes < 0) fail(`${bytes} is not a number of bytes to sort`);
  if (bytes % recordBytes !== 0) {
    const below = bytes - (bytes % recordBytes);
    fail(
      `${bytes} bytes are not whole records of ${recordBytes} bytes: sort ${below} or ${below + recordBytes}`,
    );
  }
  const counts: readonly (readonly [string, number | undefined, number, number])[] = [
    ["workers", input.workers, 1, 10_000],
    ["nodes", nodes, 1, 10_000],
    ["maps", input.maps, 1, mapsMax],
    ["partitions", input.partitions, 1, partitionsMax],
    ["waves", input.waves, 1, partitionsMax],
    ["fleet-memory", input.fleetMemoryBytes, 1, Number.MAX_SAFE_INTEGER],
    ["function-memory", input.functionMemoryBytes, functionMemoryBytesMin, Number.MAX_SAFE_INTEGER],
  ];
  for (const [option, value, least, most] of counts) {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= least && value <= most)) {
      fail(`--${option} ${value} is not a whole number from ${least} to ${most}`);
    }
  }
  if (code.d + code.p > nodes) {
    throw new MayflyError(
      "NOT_ENOUGH_NODES",
      `code ${code.d}+${code.p} puts each shard on its own node and needs ${code.d + code.p} of them, not ${nodes}: raise --nodes or choose a smaller --code`,
    );
  }
}

/** @throws MayflyError INVALID_ARGUMENT when there are fewer partitions than waves */
function forcedWaves(input: SortPlanInput, waves: number): PassesDetail {
  const passes = passesOf(input, waves);
  const { partitions } = passes.pieces;
  if (waves <= partitions) return passes;
  const message = `--waves ${waves} is more than the ${partitions} partitions that there are, and each wave has one at least`;
  throw new MayflyError("INVALID_ARGUMENT", message);
}

/** The ways that are looked at: in memory with the fewest waves, and with a place to spill to also fewer of them. */
function candidatesOf(input: SortPlanInput): PassesDetail[] {
  if (input.waves !== undefined) return [forcedWaves(input, input.waves)];
  const fewest = fewestWaves(input);
  if (fewest?.waves === 1) return [fewest];
  const most = (fewest?.waves ?? piecesOf(input).partitions + 1) - 1;
  const count = Math.min(most, spillCandidatesMax);
  const spilling = Array.from({ length: count }, (_, at) =>
    passesOf({ ...input, canSpill: true }, 1 + Math.floor((at * most) / count)),
  );
  return [...spilling, ...(fewest === undefined ? [] : [fewest])];
}

function chooseFrom(candidates: readonly PassesDetail[], input: SortPlanInput): PassesDetail {
  const possible = candidates.filter(({ fits }) => fits || input.canSpill === true);
  const first = possible[0] ?? refuse(candidates, input);
  return possible.reduce((best, each) => (each.seconds < best.seconds ? each : best), first);
}

/** Says what would fit. */
function refuse(candidates: readonly PassesDetail[], input: SortPlanInput): never {
  const last = candidates.at(-1)!;
  const { pieces, facts, estimate } = last;
  const { fleetMemoryBytes, machineFreeBytes } = input;
  const limit = fleetLimit(input, pieces, false, whatOf(input));
  if (input.waves !== undefined) {
    const { memoryBytes } = estimate;
    const fewest = fewestWaves(input);
    const advice = [
      `let ${size(last.spilledBytes)} be spilled with --spill file:///DIR or --spill s3://BUCKET`,
      ...(fewest === undefined ? [] : [`use --waves ${fewest.waves}`]),
    ];
    const waves = `in ${input.waves} ${input.waves === 1 ? "wave" : "waves"}`;
    throw outOfMemory(
      `${whatOf(input)} ${waves} needs a fleet of ${size(memoryBytes)}, and it may have ${size(limit)}`,
      advice.join(", or "),
    );
  }
  const { least } = fleetMemoryFor(facts);
  const needed = `needs a fleet of at least ${size(least)}, partition by partition`;
  if (fleetMemoryBytes !== undefined && limit === fleetMemoryBytes) {
    const advice = "raise --fleet-memory or --partitions, or choose a --code with less parity";
    throw outOfMemory(`${whatOf(input)} ${needed}, not ${size(fleetMemoryBytes)}`, advice);
  }
  throw outOfMemory(
    `${whatOf(input)} ${needed}, beside ${besideText(input, pieces)}, but ${size(machineFreeBytes ?? 0)} may be used`,
    "raise --memory, lower --workers or --nodes, raise --partitions, or use more machines",
  );
}

function whatOf({ bytes, nodes, workers, code }: SortPlanInput): string {
  return `sorting ${size(bytes)} on ${nodes} nodes (code ${code.d}+${code.p}) with ${workers} workers`;
}

/**
 * The plan for one sort: in one pass where the fleet holds it, else in waves or with spilling, whichever is expected to end first.
 * Throws `INVALID_ARGUMENT` for impossible input, `NOT_ENOUGH_NODES` if the code needs more, and `OUT_OF_MEMORY` if nodes, functions
 * or the machine are too small, saying which option to change.
 */
export function planSort(input: SortPlanInput): SortPlan {
  checkInput(input);
  const candidates = candidatesOf(input);
  const chosen = chooseFrom(candidates, input);
  const { pieces, estimate, facts, memory } = chosen;
  const { nodes, fleetMemoryBytes } = input;
  const { records, maps, partitions, functionMemoryBytes, mapCapacity } = pieces;
  const { waves } = chosen;
  const first = (map: number): number => Math.floor((map * records) / maps);
  const firstPartition = (wave: number): number => Math.floor((wave * partitions) / waves);
  return {
    records,
    maps: Array.from({ length: maps }, (_, map) => ({
      firstRecord: first(map),
      records: first(map + 1) - first(map),
    })),
    ...{ mapCapacity, partitions },
    waves: Array.from({ length: waves }, (_, wave) => ({
      first: firstPartition(wave),
      count: firstPartition(wave + 1) - firstPartition(wave),
    })),
    passes: figuresOf(chosen),
    alternatives: candidates.map(figuresOf),
    shuffle: planShuffle({ ...facts, memoryBytes: Math.max(memory.fleetBytes, estimate.memoryBytes) }),
    memory,
    // A fleet of a given size is used whole.
    nodeMemoryBytes:
      Math.floor((fleetMemoryBytes ?? memory.fleetBytes) / nodes / nodeStepBytes) * nodeStepBytes,
    storedBytesEstimate: chosen.storedBytes,
    functionMemoryBytes,
  };
}

function figuresOf({ pieces: _, facts: __, estimate: ___, ...figures }: PassesDetail): SortPasses {
  return figures;
}
