/**
 * Decides how a sort is cut up and what memory it takes, and only decides: no I/O, no clock. All sizes in bytes.
 */
import { MayflyError } from "../errors.ts";
import type { Code } from "../placement/types.ts";
import type { ShuffleRates } from "../shuffle-plan/plan-input.ts";
import { fleetMemoryFor, planShuffle, type ShufflePlan } from "../shuffle-plan/plan-shuffle.ts";
import {
  addresses,
  layOut,
  mapRegions,
  memoryBytesMax,
  partitionsMax,
  recordBytes,
  reduceRegions,
} from "./record-memory.ts";
import type { Wave } from "./sort-events.ts";

const mib = 2 ** 20;

/** Input of one map, and of one reduce: large enough to amortise a task, small enough to balance and to retry. */
const pieceBytes = 48e6;
/** Below this a task costs more than it saves. */
const pieceBytesMin = 4e6;
/** From here on there are two maps a worker at least, so that a slow one does not double the time. */
const twoWavesBytes = 200e6;
const mapsMax = 65_536;
/** Tables, output blocks and a useful number of records. */
const functionMemoryBytesMin = 8 * mib;
/** A partition may grow to so many even shares before its reducer needs a larger kernel than planned. */
const partitionSlack = 1.5;
const nodeStepBytes = 16 * mib;
/** Split points are sampled: a range of partitions is hardly ever more above its share. */
const waveSkew = 1.25;
const runBytesMin = 16 * mib;
/** Resident beyond what is planned here: the runtime, and in a worker the SDK's memory and its prefetch. */
const nodeProcessBytes = 64 * mib;
const workerProcessBytes = 160 * mib;

/**
 * Of functions and nodes that share one machine of 2 cores: with these 4 GB by two workers are expected to take as long as they do in
 * the scenario `sort` of `mayfly bench`, 19 s.
 */
const sortRates: Partial<ShuffleRates> = {
  inputBytesPerSecond: 300e6,
  fleetBytesPerSecond: 450e6,
  taskMs: 10,
};

/** Two blocks of 1 MiB: one is filled while the other is being written. */
export const reduceOutputBytes = 2 * mib;

export interface SortPlanInput {
  /** Of all records: a multiple of 100; 0 is allowed. */
  readonly bytes: number;
  /** Function processes at a time. */
  readonly workers: number;
  readonly nodes: number;
  readonly code: Code;
  /** What all nodes together may hold; without it each node gets what it needs. */
  readonly fleetMemoryBytes?: number;
  /** If nodes and workers run here: what is free for all of them. */
  readonly machineFreeBytes?: number;
  readonly maps?: number;
  readonly partitions?: number;
  /** The most a function's kernel may take; 4 GiB is what WASM can. */
  readonly functionMemoryBytes?: number;
}

export interface MapTask {
  readonly firstRecord: number;
  readonly records: number;
}

export interface SortPlan {
  readonly records: number;
  readonly maps: readonly MapTask[];
  readonly partitions: number;
  /** Which partitions are shuffled at a time. */
  readonly waves: readonly Wave[];
  /** Why so, and what it is expected to take. */
  readonly shuffle: ShufflePlan;
  /** Memory limit of one node, a multiple of 16 MiB. */
  readonly nodeMemoryBytes: number;
  /** Map outputs with parity, and their tables, on all nodes at the peak. */
  readonly storedBytesEstimate: number;
  /** Kernel memory of the largest map, and of a reduce up to 1.5 times the even share. The counts tell what it needs. */
  readonly functionMemoryBytes: { readonly map: number; readonly reduce: number };
}

/** How the work is cut, whatever the memory of the fleet. */
type Pieces = Pick<SortPlan, "records" | "partitions" | "functionMemoryBytes"> & { readonly maps: number };

const kernelBytes = (sizes: Record<string, number>): number => layOut(sizes).memoryBytes;

/** Records that fit a kernel of `limitBytes`: `perRecord` bytes each beside `fixedBytes`, the tables and alignment. */
function recordsThatFit(limitBytes: number, perRecord: number, fixedBytes = 0): number {
  const usable = Math.min(limitBytes, memoryBytesMax) - addresses.regions - fixedBytes - 2 ** 17;
  return Math.max(0, Math.floor(usable / perRecord));
}

/** How many pieces to cut `bytes` into: multiples of the workers where there are more pieces than workers. */
function pieces(bytes: number, workers: number, leastPerWorker: number): number {
  const wanted = Math.max(Math.ceil(bytes / pieceBytes), workers * leastPerWorker);
  const count = Math.max(1, Math.min(wanted, Math.ceil(bytes / pieceBytesMin)));
  return count > workers ? Math.ceil(count / workers) * workers : count;
}

function piecesOf(input: SortPlanInput): Pieces {
  const { bytes, workers } = input;
  const limit = input.functionMemoryBytes ?? memoryBytesMax;
  const records = bytes / recordBytes;
  const mapRecordsMax = Math.max(1, recordsThatFit(limit, 2 * recordBytes + 2));
  const reduceRecordsMax = Math.max(1, recordsThatFit(limit, recordBytes + 16, reduceOutputBytes));
  const mapsWanted = Math.max(
    pieces(bytes, workers, bytes > twoWavesBytes ? 2 : 1),
    Math.ceil(records / mapRecordsMax),
  );
  const maps = Math.min(input.maps ?? Math.min(mapsWanted, mapsMax), Math.max(1, records));
  const partitionsWanted = Math.max(
    pieces(bytes, workers, 1),
    Math.ceil((records * partitionSlack) / reduceRecordsMax),
  );
  const partitions = input.partitions ?? Math.min(partitionsWanted, partitionsMax);
  const mapRecords = Math.ceil(records / maps);
  const reduceRecords = Math.min(records, Math.ceil((records / partitions) * partitionSlack));

  if (mapRecords > mapRecordsMax) {
    throw outOfMemory(
      `one of ${maps} maps has ${mapRecords} records, but only ${mapRecordsMax} fit a function's ${size(limit)}`,
      raisePieces("maps", mapsMax, records, mapRecordsMax),
    );
  }
  if (reduceRecords > reduceRecordsMax) {
    throw outOfMemory(
      `one of ${partitions} partitions may get ${reduceRecords} records, but only ${reduceRecordsMax} fit a function's ${size(limit)}`,
      raisePieces("partitions", partitionsMax, records, reduceRecordsMax / partitionSlack),
    );
  }
  const functionMemoryBytes = {
    map: kernelBytes(mapRegions(mapRecords)),
    reduce: kernelBytes(reduceRegions(reduceRecords, reduceOutputBytes)),
  };
  return { records, maps, partitions, functionMemoryBytes };
}

/** Resident memory of one worker process. */
function workerBytes({ functionMemoryBytes }: Pieces): number {
  return Math.max(functionMemoryBytes.map, functionMemoryBytes.reduce) + workerProcessBytes;
}

function outOfMemory(problem: string, advice: string): MayflyError {
  return new MayflyError("OUT_OF_MEMORY", `${problem}: ${advice}`);
}

/** What to do about pieces too large for a function. */
function raisePieces(option: string, most: number, records: number, recordsEach: number): string {
  const needed = Math.ceil(records / recordsEach);
  if (needed <= most) return `raise --${option} to ${needed} or raise --function-memory`;
  const atOnce = Math.floor((most * recordsEach * recordBytes) / 1e9) * 1e9;
  return `no more than ${size(atOnce)} can be sorted at once with ${most} ${option}: sort in parts`;
}

/** Decimal, as disks and networks count: 1.23 GB. */
function size(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : [1e6, "MB"];
  return `${Number((bytes / unit).toFixed(2))} ${name}`;
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

/** What the nodes may hold together, at most. @throws MayflyError OUT_OF_MEMORY when a fleet of that size does not fit the machine */
function fleetLimit(input: SortPlanInput, pieces: Pieces): number {
  const { fleetMemoryBytes = Number.MAX_SAFE_INTEGER, machineFreeBytes, nodes, workers } = input;
  if (machineFreeBytes === undefined) return fleetMemoryBytes;
  const beside = nodes * nodeProcessBytes + workers * workerBytes(pieces);
  const limit = Math.max(0, machineFreeBytes - beside);
  if (input.fleetMemoryBytes === undefined || fleetMemoryBytes <= limit)
    return Math.min(limit, fleetMemoryBytes);
  const needed = `${whatOf(input)} needs ${size(fleetMemoryBytes)} for the fleet and ${besideText(input, pieces)}`;
  throw outOfMemory(
    `${needed}, ${size(fleetMemoryBytes + beside)} in all, but ${size(machineFreeBytes)} are free`,
    "lower --fleet-memory or --workers",
  );
}

function whatOf({ bytes, nodes, workers, code }: SortPlanInput): string {
  return `sorting ${size(bytes)} on ${nodes} nodes (code ${code.d}+${code.p}) with ${workers} workers`;
}

function besideText({ nodes, workers }: SortPlanInput, pieces: Pieces): string {
  return `${nodes} x ${size(nodeProcessBytes)} for its processes and ${workers} x ${size(workerBytes(pieces))} for workers`;
}

/** @throws MayflyError OUT_OF_MEMORY */
function shuffleOf(input: SortPlanInput, pieces: Pieces): ShufflePlan {
  const { bytes, nodes, workers, code, fleetMemoryBytes, machineFreeBytes } = input;
  const { maps, partitions } = pieces;
  const shuffle = {
    ...{ bytes, maps, partitions, nodes, code, workers, rates: sortRates, skew: waveSkew },
    // A map writes all it has as one run.
    runBytes: Math.max(runBytesMin, Math.ceil(bytes / maps)),
  };
  const memoryBytes = fleetLimit(input, pieces);
  const { least } = fleetMemoryFor(shuffle);
  if (least <= memoryBytes) return planShuffle({ ...shuffle, memoryBytes });
  const needed = `needs a fleet of at least ${size(least)}, partition by partition`;
  if (fleetMemoryBytes !== undefined && memoryBytes === fleetMemoryBytes) {
    const advice = "raise --fleet-memory or --partitions, or choose a --code with less parity";
    throw outOfMemory(`${whatOf(input)} ${needed}, not ${size(fleetMemoryBytes)}`, advice);
  }
  throw outOfMemory(
    `${whatOf(input)} ${needed}, beside ${besideText(input, pieces)}, but ${size(machineFreeBytes ?? 0)} are free`,
    "lower --workers or --nodes, raise --partitions, or use more machines",
  );
}

/**
 * The plan for one sort: in one pass where the fleet holds it, else in waves. Throws `INVALID_ARGUMENT` for impossible input,
 * `NOT_ENOUGH_NODES` if the code needs more, and `OUT_OF_MEMORY` if nodes, functions or the machine are too small whatever the waves,
 * saying which option to change.
 */
export function planSort(input: SortPlanInput): SortPlan {
  checkInput(input);
  const pieces = piecesOf(input);
  const shuffle = shuffleOf(input, pieces);
  const { nodes, fleetMemoryBytes } = input;
  const { records, maps, partitions, functionMemoryBytes } = pieces;
  const { storedBytes, memoryBytes } = shuffle.estimate;
  const first = (map: number): number => Math.floor((map * records) / maps);
  return {
    records,
    maps: Array.from({ length: maps }, (_, map) => ({
      firstRecord: first(map),
      records: first(map + 1) - first(map),
    })),
    partitions,
    waves: shuffle.passes.map((pass) => ({ first: pass.firstPartition, count: pass.partitions })),
    shuffle,
    // A fleet of a given size is used whole.
    nodeMemoryBytes: Math.floor((fleetMemoryBytes ?? memoryBytes) / nodes / nodeStepBytes) * nodeStepBytes,
    storedBytesEstimate: storedBytes,
    functionMemoryBytes,
  };
}
