/** What a plan is made from: sizes, rates and prices, their defaults with the source of each, and their limits. */
import { MayflyError } from "../errors.ts";
import { checkCode, formatCode } from "../placement/code.ts";
import type { Code } from "../placement/types.ts";

/** Bytes a second are decimal, as networks are sold. */
export interface ShuffleRates {
  /** Between one worker and all nodes, parity counted. */
  readonly fleetBytesPerSecond: number;
  /** Of one node, in or out. */
  readonly nodeBytesPerSecond: number;
  /** Between one worker and S3. */
  readonly s3BytesPerSecond: number;
  /** How fast one worker reads its input and decides where each record goes. */
  readonly inputBytesPerSecond: number;
  /** How fast one worker reads what belongs to other waves, and leaves it out: like all input by default. */
  readonly skipBytesPerSecond: number;
  /** Of all workers together. */
  readonly s3PutsPerSecond: number;
  readonly s3GetsPerSecond: number;
  /** From a request to S3 to its first byte. */
  readonly s3LatencyMs: number;
  /** Of one worker at a time. */
  readonly s3RequestsInFlight: number;
  /** What a task takes beside moving bytes. */
  readonly taskMs: number;
}

/** In dollars. A GiB is 2^30 bytes. */
export interface ShufflePrices {
  readonly s3Per1000Puts: number;
  readonly s3Per1000Gets: number;
  readonly s3PerGibMonth: number;
  readonly fleetPerGibHour: number;
  readonly functionPerGibSecond: number;
}

/**
 * - fleet: the scenario `kv` of `mayfly bench` (docs/PERFORMANCE.md), `get 4MiB x4` and, with its parity, `put 4MiB x4`, rounded down.
 * - node: 10 Gbit/s, what AWS states for an r6g.large at its best.
 * - S3: AWS, "Best practices design patterns: optimizing Amazon S3 performance": 85 to 90 MB/s for each concurrent request, 3,500
 *   PUT and 5,500 GET a second for each prefix, first bytes after 100 to 200 ms. An input is taken to lie there, too.
 * - requests in flight: the default of `maxSockets` in the AWS SDK for JavaScript.
 * - task: the scenario `start`, `sdk first read`: the SDK is imported and the first byte read.
 */
export const ratesDefault: ShuffleRates = {
  fleetBytesPerSecond: 900e6,
  nodeBytesPerSecond: 1250e6,
  s3BytesPerSecond: 85e6,
  inputBytesPerSecond: 85e6,
  skipBytesPerSecond: 85e6,
  s3PutsPerSecond: 3500,
  s3GetsPerSecond: 5500,
  s3LatencyMs: 150,
  s3RequestsInFlight: 50,
  taskMs: 46,
};

/**
 * AWS, us-east-1, on demand: S3 Standard requests and its first 50 TB; an r6g.large, 16 GiB for $0.1008 an hour; Lambda on x86.
 */
export const pricesDefault: ShufflePrices = {
  s3Per1000Puts: 0.005,
  s3Per1000Gets: 0.0004,
  s3PerGibMonth: 0.023,
  fleetPerGibHour: 0.0063,
  functionPerGibSecond: 0.0000166667,
};

export interface ShufflePlanInput {
  /** Of all records, as the maps write them. */
  readonly bytes: number;
  /** 1 to 65,536. */
  readonly maps: number;
  /** 1 to 16,384. */
  readonly partitions: number;
  /** What this shuffle may use of the fleet, all nodes together. */
  readonly memoryBytes: number;
  readonly nodes: number;
  readonly code: Code;
  /** Functions at a time. */
  readonly workers: number;
  /** Waves read the input once each: false when it can be read only once. True by default. */
  readonly canRereadInput?: boolean;
  /** Whether there is a bucket to write to. False by default. */
  readonly hasBucket?: boolean;
  /** What the choice goes by; what is within 5 % of the best goes by the other. `time` by default. */
  readonly prefer?: "time" | "cost";
  /**
   * By how much a range of partitions may be larger than its share: 1 when it is known to be even. 1.5 by default, as much as
   * `mayfly sort` leaves a partition.
   */
  readonly skew?: number;
  /**
   * Keys that were sampled for each partition, when the split points are chosen by a sample: then no range is taken to be larger than
   * `rangeSkew` says, which is nearer to 1 the more partitions it has.
   */
  readonly samplesPerPartition?: number | undefined;
  /** Bytes of a run of a map: 16 MiB by default, as `ShuffleWriter` gathers; more when the map writes runs of its own. */
  readonly runBytes?: number;
  /** Memory of one function, for its price: 1,769 MiB by default, with which Lambda gives one CPU. */
  readonly functionMemoryBytes?: number;
  readonly rates?: Partial<ShuffleRates>;
  readonly prices?: Partial<ShufflePrices>;
}

/** The input with all defaults. */
export type ShuffleFacts = Required<Omit<ShufflePlanInput, "rates" | "prices" | "samplesPerPartition">> & {
  readonly samplesPerPartition: number | undefined;
  readonly rates: ShuffleRates;
  readonly prices: ShufflePrices;
};

const mib = 2 ** 20;
/** Those of a shuffle: client/shuffle/layout.ts. */
export const mapsMax = 65_536;
export const partitionsMax = 16_384;

/** @throws MayflyError INVALID_ARGUMENT, NOT_ENOUGH_NODES */
export function factsOf(input: ShufflePlanInput): ShuffleFacts {
  const facts = {
    ...{ canRereadInput: true, hasBucket: false, prefer: "time" as const },
    samplesPerPartition: undefined,
    ...{ skew: 1.5, runBytes: 16 * mib, functionMemoryBytes: 1769 * mib },
    ...input,
    rates: { ...ratesDefault, ...skipRateOf(input), ...input.rates },
    prices: { ...pricesDefault, ...input.prices },
  };
  checkCode(facts.code);
  const most = Number.MAX_SAFE_INTEGER;
  checkCount("bytes", facts.bytes, 0, most);
  checkCount("maps", facts.maps, 1, mapsMax);
  checkCount("partitions", facts.partitions, 1, partitionsMax);
  checkCount("memoryBytes", facts.memoryBytes, 0, most);
  checkCount("nodes", facts.nodes, 1, 10_000);
  checkCount("workers", facts.workers, 1, 100_000);
  checkCount("runBytes", facts.runBytes, 64 * 1024, most);
  checkCount("functionMemoryBytes", facts.functionMemoryBytes, 1, most);
  checkNumber("skew", facts.skew, 1, partitionsMax);
  if (facts.samplesPerPartition !== undefined)
    checkCount("samplesPerPartition", facts.samplesPerPartition, 1, 1e6);
  // Nothing is that slow: a time that is no number would win or lose for no reason.
  for (const [name, value] of Object.entries(facts.rates)) {
    checkNumber(`rates.${name}`, value, name.endsWith("Ms") ? 0 : 1e-3, 1e15);
  }
  for (const [name, value] of Object.entries(facts.prices)) checkNumber(`prices.${name}`, value, 0, 1e9);
  for (const name of ["canRereadInput", "hasBucket"] as const) {
    if (typeof facts[name] !== "boolean") throw invalid(`${name} is ${facts[name]}; it is true or false.`);
  }
  if (facts.prefer !== "time" && facts.prefer !== "cost")
    throw invalid(`prefer is ${JSON.stringify(facts.prefer)}; it is "time" or "cost".`);
  const { d, p } = facts.code;
  if (d + p > facts.nodes) {
    const message = `Code ${formatCode(facts.code)} puts each shard on its own node and needs ${d + p} of them, not ${facts.nodes}: start more nodes or choose a smaller code.`;
    throw new MayflyError("NOT_ENOUGH_NODES", message);
  }
  return facts;
}

function skipRateOf({ rates }: ShufflePlanInput): Partial<ShuffleRates> {
  return rates?.inputBytesPerSecond === undefined ? {} : { skipBytesPerSecond: rates.inputBytesPerSecond };
}

/**
 * By how much a range of `partitions` may be larger than its share. Of split points that are chosen by a sample the relative
 * spread is one by the square root of the samples in the range; five times that are hardly ever passed.
 */
export function rangeSkew(
  partitions: number,
  { skew, samplesPerPartition }: Pick<ShuffleFacts, "skew" | "samplesPerPartition">,
): number {
  if (samplesPerPartition === undefined) return skew;
  return Math.min(skew, 1 + 5 / Math.sqrt(partitions * samplesPerPartition));
}

function checkCount(name: string, value: number, least: number, most: number): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  throw invalid(`${name} is ${value}; it is a whole number from ${least} to ${most}.`);
}

function checkNumber(name: string, value: number, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  throw invalid(`${name} is ${value}; it is a number from ${least} to ${most}.`);
}

function invalid(message: string): MayflyError {
  return new MayflyError("INVALID_ARGUMENT", message);
}
