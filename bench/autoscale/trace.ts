/**
 * A synthesiser of traces of jobs. **Not a real trace**: nobody has published one of intermediate data by job and second.
 * It takes shapes that were published, and its own numbers where none were:
 *
 * - Azure Functions 2019 (Shahrad et al., USENIX ATC 2020): durations are log-normal over many orders of magnitude (functions:
 *   ln-mean -0.38, sigma 2.36), arrivals have a daily rhythm with bursts. Jobs last longer than functions and are less
 *   diverse, so that here their durations are log-normal with sigma 0.8.
 * - Snowflake (Vuppalapati et al., USENIX NSDI 2020; 70 million queries): intermediate data of queries vary over orders of magnitude
 *   and cannot be foretold from the query. Here log-normal with sigma 1.5, cut at 3.1 deviations: four orders of magnitude.
 * - Jiffy (Khandelwal et al., EuroSys 2022): what jobs hold varies while they run, so that a reservation of the peak for the
 *   whole life wastes memory. Here a job ramps over a part of its life and holds its peak until it ends.
 * - Arrivals: a Poisson process with a rate that a Markov chain modulates (bursts come and go after exponential times) on top
 *   of a daily wave. The rate is
 *   raised to the power with which the demand has the peak-to-mean ratio that was asked for.
 *
 * How jobs hint is assumed: see `TraceOptions`.
 */
import { type Rng, seededRng } from "../../src/clock.ts";
import { exponential, lognormal, uniform } from "./distributions.ts";

export interface TraceJob {
  readonly job: string;
  /** When it registers; its ramp begins `leadSeconds` later. Seconds from the trace's start. */
  readonly startSeconds: number;
  /** When it ends and frees everything, if no byte of it had to wait. */
  readonly endSeconds: number;
  /** User bytes, parity not counted. */
  readonly peakBytes: number;
  /** Bytes come evenly for so long, and then stay. */
  readonly rampSeconds: number;
  readonly leadSeconds: number;
  /** What it says it will hold; absent when it says nothing. */
  readonly hintBytes?: number;
  readonly functions: number;
}

export interface Trace {
  readonly jobs: readonly TraceJob[];
  readonly seconds: number;
  /** Of the user bytes held, as if no byte ever waited; by the second. */
  readonly peakBytes: number;
  readonly meanBytes: number;
}

export interface TraceOptions {
  readonly seed: number;
  readonly jobs: number;
  readonly seconds: number;
  /** Of the demand of all jobs together; from about 1.8 to 12. */
  readonly peakToMean: number;
  /** User bytes at the peak: sizes are scaled to it. */
  readonly peakBytes: number;
  /** Jobs that hint their bytes. */
  readonly hintedShare: number;
  /** Hints are off by a log-normal factor with this sigma; 0.3: a third is off by more than 30 %. */
  readonly hintSigma: number;
  /** From registration to the first byte, evenly spread: functions have to start and to read their input. */
  readonly leadSecondsMin: number;
  readonly leadSecondsMax: number;
}

export const traceDefaults = {
  ...{ jobs: 5000, seconds: 12 * 3600 },
  ...{ hintedShare: 0.8, hintSigma: 0.3, leadSecondsMin: 5, leadSecondsMax: 25 },
} as const;

const durationMedianSeconds = 15 * 60;
const durationSigma = 0.8;
const sizeSigma = 1.5;
const deviationsMax = 3.1;
const burstMeanSeconds = 10 * 60;
const calmMeanSeconds = 50 * 60;
/** A part of a job's life in which it writes. */
const rampShareMin = 0.05;
const rampShareMax = 0.5;
/** What a function writes at most: the usual bandwidth of one. */
const functionBytesPerSecond = 50e6;
const bytesPerFunction = 1024 ** 3;
const functionsMax = 1000;
const leastBytes = 1024 ** 2;
const strengthMax = 16;
/** The ratio that comes out may differ by this share from the one asked for. */
const ratioTolerance = 0.02;

/** Shapes of a job that do not depend on when it comes. */
interface Shape {
  readonly quantile: number;
  readonly size: number;
  readonly seconds: number;
  readonly rampShare: number;
  readonly lead: number;
  readonly hinted: boolean;
  readonly hintFactor: number;
}

/** @throws RangeError when no strength of bursts gives the ratio */
export function synthesizeTrace(options: TraceOptions): Trace {
  const rng = seededRng(options.seed);
  const shapes = Array.from({ length: options.jobs }, () => drawShape(rng, options));
  const waves = drawWaves(rng, options.seconds);
  let low = 0;
  let high = 1;
  let trace = placeJobs(shapes, waves, high, options);
  while (ratioOf(trace) < options.peakToMean && high < strengthMax) {
    low = high;
    high += 1;
    trace = placeJobs(shapes, waves, high, options);
  }
  for (let step = 0; step < 40 && !isClose(trace, options); step++) {
    const middle = (low + high) / 2;
    trace = placeJobs(shapes, waves, middle, options);
    if (ratioOf(trace) < options.peakToMean) low = middle;
    else high = middle;
  }
  if (!isClose(trace, options)) {
    const nearest = ratioOf(trace).toFixed(2);
    throw new RangeError(
      `no trace of seed ${options.seed} has a peak-to-mean of ${options.peakToMean}; ${nearest} is as near as it comes`,
    );
  }
  return trace;
}

export function ratioOf({ peakBytes, meanBytes }: Pick<Trace, "peakBytes" | "meanBytes">): number {
  return peakBytes / meanBytes;
}

function isClose(trace: Trace, { peakToMean }: TraceOptions): boolean {
  return Math.abs(ratioOf(trace) / peakToMean - 1) <= ratioTolerance;
}

function drawShape(rng: Rng, options: TraceOptions): Shape {
  return {
    quantile: rng.random(),
    size: lognormal(rng, 1, sizeSigma, deviationsMax),
    seconds: lognormal(rng, durationMedianSeconds, durationSigma, deviationsMax),
    rampShare: uniform(rng, rampShareMin, rampShareMax),
    lead: uniform(rng, options.leadSecondsMin, options.leadSecondsMax),
    hinted: rng.random() < options.hintedShare,
    hintFactor: lognormal(rng, 1, options.hintSigma),
  };
}

/** The rate of arrivals by minute, in any unit. */
function drawWaves(rng: Rng, seconds: number): Float64Array {
  const waves = new Float64Array(Math.ceil(seconds / 60));
  const phase = rng.random();
  for (let minute = 0; minute < waves.length; minute++) {
    waves[minute] = 1 + 0.5 * Math.sin(2 * Math.PI * (phase + minute / 1440));
  }
  let at = 0;
  while (at < waves.length) {
    at += exponential(rng, calmMeanSeconds) / 60;
    const until = at + exponential(rng, burstMeanSeconds) / 60;
    const height = exponential(rng, calmMeanSeconds / burstMeanSeconds);
    for (let minute = Math.floor(at); minute < Math.min(until, waves.length); minute++)
      waves[minute]! += height;
    at = until;
  }
  return waves;
}

/** Jobs come where the rate to the power of `strength` puts their quantile; sizes are scaled to the peak that was asked for. */
function placeJobs(
  shapes: readonly Shape[],
  waves: Float64Array,
  strength: number,
  options: TraceOptions,
): Trace {
  const starts = startsOf(shapes, waves, strength);
  const unscaled = shapes.map((shape, index) => jobOf(shape, index, starts[index]!, 1, options.seconds));
  const { peakBytes } = measureDemand(unscaled, options.seconds);
  const scale = options.peakBytes / peakBytes;
  const jobs = shapes
    .map((shape, index) => jobOf(shape, index, starts[index]!, scale, options.seconds))
    .sort((a, b) => a.startSeconds - b.startSeconds);
  return { jobs, seconds: options.seconds, ...measureDemand(jobs, options.seconds) };
}

function startsOf(shapes: readonly Shape[], waves: Float64Array, strength: number): number[] {
  const cumulative = new Float64Array(waves.length + 1);
  // With 0 they come evenly, with 1 as the waves were drawn, with more the highest outweigh all others.
  waves.forEach((wave, minute) => {
    cumulative[minute + 1] = cumulative[minute]! + wave ** strength;
  });
  const total = cumulative.at(-1)!;
  return shapes.map(({ quantile }) => {
    const wanted = quantile * total;
    let low = 0;
    let high = waves.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle + 1]! < wanted) low = middle + 1;
      else high = middle;
    }
    const within = (wanted - cumulative[low]!) / (cumulative[low + 1]! - cumulative[low]!);
    return (low + within) * 60;
  });
}

function jobOf(shape: Shape, index: number, start: number, scale: number, horizon: number): TraceJob {
  const peakBytes = Math.max(scale === 1 ? 0 : leastBytes, shape.size * scale);
  const functions = Math.min(functionsMax, Math.max(1, Math.ceil(peakBytes / bytesPerFunction)));
  const writeSeconds = scale === 1 ? 0 : peakBytes / (functions * functionBytesPerSecond);
  const rampSeconds = Math.max(1, shape.rampShare * shape.seconds, writeSeconds);
  const end = Math.min(horizon, start + shape.lead + Math.max(shape.seconds, rampSeconds + 1));
  return {
    job: `job-${index + 1}`,
    startSeconds: start,
    endSeconds: Math.max(end, start + shape.lead + 1),
    ...{ peakBytes, rampSeconds, leadSeconds: shape.lead, functions },
    ...(shape.hinted && { hintBytes: peakBytes * shape.hintFactor }),
  };
}

/** What all jobs together hold by the second, if no byte waits; beyond the end nothing counts. */
export function measureDemand(
  jobs: readonly TraceJob[],
  seconds: number,
): Pick<Trace, "peakBytes" | "meanBytes"> {
  // Changes of slope and of level, summed up once: jobs are many, and so are seconds.
  const slopes = new Float64Array(Math.ceil(seconds) + 2);
  const levels = new Float64Array(Math.ceil(seconds) + 2);
  const clamp = (at: number): number => Math.min(Math.max(0, Math.round(at)), slopes.length - 1);
  for (const job of jobs) {
    const begin = clamp(job.startSeconds + job.leadSeconds);
    const end = Math.max(begin, clamp(job.endSeconds));
    const full = Math.min(
      end,
      Math.max(begin + 1, clamp(job.startSeconds + job.leadSeconds + job.rampSeconds)),
    );
    const slope = job.peakBytes / Math.max(1, job.rampSeconds);
    slopes[begin]! += slope;
    slopes[full]! -= slope;
    levels[end]! -= slope * (full - begin);
  }
  let slope = 0;
  let level = 0;
  let peakBytes = 0;
  let total = 0;
  const count = Math.ceil(seconds);
  for (let at = 0; at < count; at++) {
    level += levels[at]!;
    slope += slopes[at]!;
    level += slope;
    peakBytes = Math.max(peakBytes, level);
    total += Math.max(0, level);
  }
  return { peakBytes, meanBytes: count === 0 ? 0 : total / count };
}
