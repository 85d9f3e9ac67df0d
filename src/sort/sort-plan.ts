/**
 * Decides how a sort is cut up and what memory it takes, and only decides: no I/O, no clock. All sizes in bytes.
 */
import { MayflyError } from "../errors.ts";
import type { Code } from "../placement/types.ts";
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
/** Headroom of a node over its share of the stored bytes: placement is random, and segments are not all full. */
const nodeHeadroom = 1.15;
const nodeSlackBytes = 32 * mib;
const nodeStepBytes = 16 * mib;
/** What the tables of a shuffle take for one map and partition: a row of 24 bytes, on the primary and two backups. */
const tableRowBytes = 3 * 24;
/** Resident beyond what is planned here: the runtime, and in a worker the SDK's memory and its prefetch. */
const nodeProcessBytes = 64 * mib;
const workerProcessBytes = 160 * mib;

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
  /** Memory limit of one node, a multiple of 16 MiB. */
  readonly nodeMemoryBytes: number;
  /** Map outputs with parity, and their tables, on all nodes. */
  readonly storedBytesEstimate: number;
  /** Kernel memory of the largest map, and of a reduce up to 1.5 times the even share. The counts tell what it needs. */
  readonly functionMemoryBytes: { readonly map: number; readonly reduce: number };
}

type Sizes = Omit<SortPlan, "maps" | "waves"> & { readonly maps: number };

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

function sizesOf(input: SortPlanInput): Sizes {
  const { bytes, workers, nodes, code } = input;
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
  const expansion = (code.d + code.p) / code.d;
  const storedBytesEstimate = Math.ceil(bytes * expansion) + maps * partitions * tableRowBytes;
  const nodeMemoryBytes =
    Math.ceil(((storedBytesEstimate / nodes) * nodeHeadroom + nodeSlackBytes) / nodeStepBytes) *
    nodeStepBytes;
  const functionMemoryBytes = {
    map: kernelBytes(mapRegions(mapRecords)),
    reduce: kernelBytes(reduceRegions(reduceRecords, reduceOutputBytes)),
  };
  return { records, maps, partitions, nodeMemoryBytes, storedBytesEstimate, functionMemoryBytes };
}

/** Resident memory of one worker process. */
function workerBytes({ functionMemoryBytes }: Sizes): number {
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

/** Which smaller input `fits`, for an error to suggest. It was tried: sizes do not grow evenly with the input. */
function whatFits(input: SortPlanInput, fits: (sizes: Sizes) => boolean): string {
  const tried = (bytes: number): boolean => fits(sizesOf({ ...input, bytes }));
  if (!tried(0)) return "not even an empty input would fit";
  // Steps that `size` prints exactly; the fine one is for when less than the coarse one fits.
  for (const stepBytes of [1e7, 1e6]) {
    let [good, bad] = [0, Math.ceil(input.bytes / stepBytes)];
    while (bad - good > 1) {
      const middle = Math.floor((good + bad) / 2);
      if (tried(middle * stepBytes)) good = middle;
      else bad = middle;
    }
    if (good > 0) return `${size(good * stepBytes)} would fit`;
  }
  return "less than 1 MB would fit";
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

/**
 * The plan for one sort. Throws `INVALID_ARGUMENT` for impossible input, `NOT_ENOUGH_NODES` if the code needs more, and
 * `OUT_OF_MEMORY` if nodes, functions or the machine are too small, saying what would fit and which option to change.
 */
export function planSort(input: SortPlanInput): SortPlan {
  checkInput(input);
  const sizes = sizesOf(input);
  const { bytes, nodes, workers, code, fleetMemoryBytes, machineFreeBytes } = input;
  const what = `sorting ${size(bytes)} on ${nodes} nodes (code ${code.d}+${code.p})`;

  if (fleetMemoryBytes !== undefined && nodes * sizes.nodeMemoryBytes > fleetMemoryBytes) {
    const smaller = whatFits(input, ({ nodeMemoryBytes }) => nodes * nodeMemoryBytes <= fleetMemoryBytes);
    throw outOfMemory(
      `${what} stores ${size(sizes.storedBytesEstimate)} and needs a fleet of ${size(nodes * sizes.nodeMemoryBytes)}, not ${size(fleetMemoryBytes)}`,
      `${smaller}; raise --fleet-memory or choose a --code with less parity`,
    );
  }
  // A fleet of a given size is used, and charged, whole.
  const nodeBytes = (needed: Sizes): number =>
    fleetMemoryBytes === undefined
      ? needed.nodeMemoryBytes
      : Math.floor(fleetMemoryBytes / nodes / nodeStepBytes) * nodeStepBytes;
  const totalBytes = (needed: Sizes): number =>
    nodes * (nodeBytes(needed) + nodeProcessBytes) + workers * workerBytes(needed);
  if (machineFreeBytes !== undefined && totalBytes(sizes) > machineFreeBytes) {
    const smaller = whatFits(input, (needed) => totalBytes(needed) <= machineFreeBytes);
    throw outOfMemory(
      `${what} with ${workers} workers needs ${nodes} x ${size(nodeBytes(sizes) + nodeProcessBytes)} for nodes and ${workers} x ${size(workerBytes(sizes))} for workers, ${size(totalBytes(sizes))} in all, but ${size(machineFreeBytes)} are free`,
      `${smaller}; lower --workers${fleetMemoryBytes === undefined ? "" : " or --fleet-memory"}, choose a --code with less parity, or use more machines`,
    );
  }
  const { records, maps, partitions, storedBytesEstimate, functionMemoryBytes } = sizes;
  const nodeMemoryBytes = nodeBytes(sizes);
  const first = (map: number): number => Math.floor((map * records) / maps);
  return {
    records,
    maps: Array.from({ length: maps }, (_, map) => ({
      firstRecord: first(map),
      records: first(map + 1) - first(map),
    })),
    partitions,
    waves: [{ first: 0, count: partitions }],
    nodeMemoryBytes,
    storedBytesEstimate,
    functionMemoryBytes,
  };
}
