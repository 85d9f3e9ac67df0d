/**
 * The ways to sort what may not fit the memory at once: in so many waves, each of a range of keys, and in each wave what does not
 * fit spilled to the object store. Pure; docs/SORT.md has the formulas.
 */
import type { Code } from "../placement/types.ts";
import { factsOf, rangeSkew, type ShuffleFacts, type ShuffleRates } from "../shuffle-plan/plan-input.ts";
import { estimateMemory, estimateWaves, type StrategyEstimate } from "../shuffle-plan/strategies.ts";
import { recordBytes } from "./record-memory.ts";
import { fleetLimit, type MachineUse, type SortMemory, sortMemory } from "./sort-memory.ts";
import { type PieceLimits, type Pieces, pieceBytesDefault, piecesOf, size } from "./sort-pieces.ts";
import { sampleKeysPerPartition } from "./split-points.ts";

const mib = 2 ** 20;

/** What waves read again: generated records outside of a wave are hardly made, those of a file are read. */
export type SortSource = "binary" | "ascii" | "file";

/** Measured on one core, a tenth of the records kept, and rounded down: docs/SORT.md. */
const skipBytesPerSecond: Readonly<Record<SortSource, number>> = { binary: 9e9, ascii: 2e9, file: 1e9 };

/**
 * Of functions and nodes that share one machine of 2 cores: with these 4 GB by two workers are expected to take as long as they do in
 * the scenario `sort` of `mayfly bench`, 19 s.
 */
export const sortRates: Partial<ShuffleRates> = {
  inputBytesPerSecond: 300e6,
  fleetBytesPerSecond: 450e6,
  taskMs: 10,
};
const runBytesMin = 16 * mib;

/** Of the object store together, in and out: a directory on a cloud disk that wrote 212 MB/s and read 651. */
const spillBytesPerSecond = { write: 200e6, read: 500e6 };
/** Nodes begin to spill below their limit. */
const fillAtSpill = 0.8;
/** Small objects are packed; readers join ranges that lie together. */
const spillObjectBytes = 32 * mib;
/** What a reduce should read of a map at least, and how large pieces may get for that. */
const spilledBlockBytes = 1e6;
const spilledPieceBytesMax = 256e6;
const spillReadBytes = 4 * mib;

export interface PassesInput extends PieceLimits, MachineUse {
  readonly code: Code;
  readonly source?: SortSource;
  /** Whether there is a place to spill to. False by default. */
  readonly canSpill?: boolean;
}

/** One way, and what it is expected to take. */
export interface SortPasses {
  readonly waves: number;
  /** As it stands, without or with a place to spill to. */
  readonly fits: boolean;
  readonly seconds: number;
  readonly secondsOf: { readonly map: number; readonly reduce: number; readonly spill: number };
  /** Of all waves, and the most that lies there at a time. */
  readonly spilledBytes: number;
  readonly spilledAtOnceBytes: number;
  readonly store: { readonly puts: number; readonly gets: number };
  /** On the nodes at the peak, parity and tables counted. */
  readonly storedBytes: number;
  readonly memory: SortMemory;
}

export interface PassesDetail extends SortPasses {
  readonly pieces: Pieces;
  readonly estimate: StrategyEstimate;
  readonly facts: ShuffleFacts;
}

/** So many waves, spilling what does not fit. @throws MayflyError as `piecesOf` and `fleetLimit` */
export function passesOf(input: PassesInput, waves: number): PassesDetail {
  const passes = cutInWaves(input, waves);
  if (passes.fits || input.canSpill !== true) return passes;
  // A block is read from the store by itself: larger pieces have fewer and larger ones.
  const pieceBytes = Math.sqrt((input.bytes / waves) * spilledBlockBytes);
  if (pieceBytes <= pieceBytesDefault) return passes;
  return cutInWaves({ ...input, pieceBytes: Math.min(pieceBytes, spilledPieceBytesMax) }, waves);
}

function cutInWaves(input: PassesInput, waves: number): PassesDetail {
  const { code, nodes, workers, bytes, source = "binary" } = input;
  const pieces = piecesOf(input, waves, waves === 1 ? 1 : skewOf(input, waves));
  const facts = factsOf({
    ...{ bytes, nodes, code, workers, maps: pieces.maps, partitions: pieces.partitions },
    rates: { ...sortRates, skipBytesPerSecond: skipBytesPerSecond[source] },
    samplesPerPartition: sampleKeysPerPartition,
    memoryBytes: 0,
    // A map writes all it has as one run.
    runBytes: Math.max(runBytesMin, pieces.mapCapacity * recordBytes),
  });
  const estimate = waves === 1 ? estimateMemory(facts) : estimateWaves(facts, waves);
  const what = `sorting ${size(bytes)}`;
  const inMemory = estimate.memoryBytes <= fleetLimit(input, pieces, false, what);
  const limit = fleetLimit(input, pieces, !inMemory, what);
  const share = inMemory ? 1 : (fillAtSpill * limit) / estimate.memoryBytes;
  const spilledAtOnceBytes = Math.ceil((bytes / waves) * (1 - share));
  const spilledBytes = spilledAtOnceBytes * waves;
  const [map = 0, reduce = 0] = estimate.phases.map(({ seconds }) => seconds);
  const spill = spilledBytes / spillBytesPerSecond.write + spilledBytes / spillBytesPerSecond.read;
  const blockBytes = Math.max(1, bytes / (pieces.maps * pieces.partitions));
  const fleetBytes = inMemory ? estimate.memoryBytes : limit;
  return {
    ...{ waves, fits: inMemory, pieces, facts, estimate },
    seconds: map + reduce + spill,
    secondsOf: { map, reduce, spill },
    ...{ spilledBytes, spilledAtOnceBytes },
    store: {
      puts: waves * Math.ceil(spilledAtOnceBytes / spillObjectBytes),
      gets: waves * Math.ceil(spilledAtOnceBytes / Math.min(spillReadBytes, blockBytes)),
    },
    storedBytes: Math.ceil(estimate.storedBytes * share),
    memory: sortMemory(fleetBytes, input, pieces, !inMemory),
  };
}

function skewOf(input: PassesInput, waves: number): number {
  const { partitions } = piecesOf(input, waves);
  return rangeSkew(Math.ceil(partitions / waves), { skew: 1.5, samplesPerPartition: sampleKeysPerPartition });
}

/** The fewest waves that fit, or undefined when not even single partitions do. More waves need less memory each. */
export function fewestWaves(input: PassesInput): PassesDetail | undefined {
  const inOnePass = passesOf(input, 1);
  if (inOnePass.fits) return inOnePass;
  const { partitions } = inOnePass.pieces;
  let [bad, good] = [1, partitions];
  let found = passesOf(input, partitions);
  if (!found.fits) return undefined;
  while (good - bad > 1) {
    const middle = Math.floor((good + bad) / 2);
    const passes = passesOf(input, middle);
    if (passes.fits) {
      good = middle;
      found = passes;
    } else bad = middle;
  }
  return found;
}
