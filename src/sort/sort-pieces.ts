/** How a sort is cut into maps and partitions, and what memory a function takes for one: pure. All sizes in bytes. */
import { MayflyError } from "../errors.ts";
import { outputAlignBytes } from "./output-blocks.ts";
import { rangeBlockRecords } from "./record-kernel.ts";
import {
  addresses,
  layOut,
  mapRegions,
  memoryBytesMax,
  partitionsMax,
  recordBytes,
  reduceRegions,
} from "./record-memory.ts";

const mib = 2 ** 20;

/** What one map writes, and one reduce reads: large enough to amortise a task, small enough to balance and to retry. */
export const pieceBytesDefault = 48e6;
/** Below this a task costs more than it saves. */
const pieceBytesMin = 4e6;
/** From here on there are two maps a worker at least, so that a slow one does not double the time. */
const twoWavesBytes = 200e6;
export const mapsMax = 65_536;
/** Tables, output blocks and a useful number of records. */
export const functionMemoryBytesMin = 8 * mib;
/** A partition may grow to so many even shares before its reducer needs a larger kernel than planned. */
const partitionSlack = 1.5;
/** Two blocks of 4 MiB: one is filled while the other is being written; and what it takes to align them. */
export const reduceOutputBytes = 8 * mib + outputAlignBytes;
/** What a map keeps of its input varies with it: hardly ever more than this above its share. */
const mapSlack = 1.1;

export interface PieceLimits {
  /** Of all records. */
  readonly bytes: number;
  readonly workers: number;
  readonly maps?: number;
  readonly partitions?: number;
  /** The most a function's kernel may take; 4 GiB is what WASM can. */
  readonly functionMemoryBytes?: number;
  /** What one map writes, and one reduce reads, where there is no reason for less; 48 MB by default. */
  readonly pieceBytes?: number;
}

/** How the work is cut, whatever the memory of the fleet. */
export interface Pieces {
  readonly records: number;
  readonly maps: number;
  readonly partitions: number;
  /** Records that a map's kernel holds: all of its input in one pass, in waves what it keeps of it. */
  readonly mapCapacity: number;
  /** Kernel memory of a map, and of a reduce up to 1.5 times the even share. The counts tell what it needs. */
  readonly functionMemoryBytes: { readonly map: number; readonly reduce: number };
}

const kernelBytes = (sizes: Record<string, number>): number => layOut(sizes).memoryBytes;

/** Records that fit a kernel of `limitBytes`: `perRecord` bytes each beside `fixedBytes`, the tables and alignment. */
function recordsThatFit(limitBytes: number, perRecord: number, fixedBytes = 0): number {
  const usable = Math.min(limitBytes, memoryBytesMax) - addresses.regions - fixedBytes - 2 ** 17;
  return Math.max(0, Math.floor(usable / perRecord));
}

/** How many pieces to cut `bytes` into: multiples of the workers where there are more pieces than workers. */
function piecesFor(
  bytes: number,
  { workers, pieceBytes = pieceBytesDefault }: PieceLimits,
  leastPerWorker: number,
): number {
  const wanted = Math.max(Math.ceil(bytes / pieceBytes), workers * leastPerWorker);
  const count = Math.max(1, Math.min(wanted, Math.ceil(bytes / pieceBytesMin)));
  return count > workers ? Math.ceil(count / workers) * workers : count;
}

/**
 * In waves each map reads more of the input and keeps as much as in one pass: there are fewer of them, and a wave's blocks stay large.
 * @param skew by how much a wave may be larger than its share
 * @throws MayflyError OUT_OF_MEMORY when pieces do not fit a function: it says which option to raise
 */
export function piecesOf(input: PieceLimits, waves = 1, skew = 1): Pieces {
  const { bytes } = input;
  const limit = input.functionMemoryBytes ?? memoryBytesMax;
  const records = bytes / recordBytes;
  const waveBytes = bytes / waves;
  const mapRecordsMax = Math.max(1, recordsThatFit(limit, 2 * recordBytes + 2));
  const reduceRecordsMax = Math.max(1, recordsThatFit(limit, recordBytes + 16, reduceOutputBytes));
  const mapsWanted = Math.max(
    piecesFor(waveBytes, input, waveBytes > twoWavesBytes ? 2 : 1),
    Math.ceil((records / waves / mapRecordsMax) * (waves === 1 ? 1 : mapSlack * skew)),
  );
  const maps = Math.min(input.maps ?? Math.min(mapsWanted, mapsMax), Math.max(1, records));
  const partitionsWanted = Math.max(
    piecesFor(bytes, input, 1),
    Math.ceil((records * partitionSlack) / reduceRecordsMax),
    waves,
  );
  const partitions = input.partitions ?? Math.min(partitionsWanted, partitionsMax);
  const mapRecords = Math.ceil(records / maps);
  const reduceRecords = Math.min(records, Math.ceil((records / partitions) * partitionSlack));

  if (waves === 1 && mapRecords > mapRecordsMax) {
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
  const kept = Math.ceil((mapRecords / waves) * mapSlack * skew) + 2 * rangeBlockRecords;
  const mapCapacity = Math.min(mapRecords, mapRecordsMax, waves === 1 ? mapRecords : kept);
  const functionMemoryBytes = {
    map: kernelBytes(mapRegions(mapCapacity)),
    reduce: kernelBytes(reduceRegions(reduceRecords, reduceOutputBytes)),
  };
  return { records, maps, partitions, mapCapacity, functionMemoryBytes };
}

export function outOfMemory(problem: string, advice: string): MayflyError {
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
export function size(bytes: number): string {
  const [unit, name] = bytes >= 1e9 ? [1e9, "GB"] : [1e6, "MB"];
  return `${Number((bytes / unit).toFixed(2))} ${name}`;
}
