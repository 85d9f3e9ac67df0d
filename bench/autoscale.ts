/**
 * What the planner of the fleet's size saves, and what it costs the jobs: 2,000 nodes and 5,000 jobs over 12 simulated hours, with
 * demand that peaks at 2, 4 and 8 times its mean, nodes that take 30 s to start, and hints that are inaccurate or absent. Each
 * round is a trace of another seed. The traces are synthesised: bench/autoscale/trace.ts says from what.
 */
import { readFileSync, statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { MayflyError } from "../src/errors.ts";
import { formatCode } from "../src/placement/code.ts";
import { peakProvisioning, perJobProvisioning } from "./autoscale/baselines.ts";
import { largeInventory } from "./autoscale/large-inventory.ts";
import { simulateFleet } from "./autoscale/simulate-fleet.ts";
import type { FleetShape, MakeScaler } from "./autoscale/simulated-scaler.ts";
import { ratioOf, synthesizeTrace, type Trace, type TraceOptions, traceDefaults } from "./autoscale/trace.ts";
import { parseTraceCsv } from "./autoscale/trace-csv.ts";
import { describeMachine } from "./harness/machine.ts";
import {
  type BenchCase,
  type BenchOptions,
  type BenchReport,
  type Figures,
  isWanted,
} from "./harness/report.ts";
import { median, quantile, rounded } from "./harness/statistics.ts";

const gibibyte = 1024 ** 3;
const code = { d: 4, p: 2 };
const bandLow = 0.6;
const bandHigh = 0.8;
const drainBytesPerSecond = 200e6;
const shape: FleetShape = {
  ...{ nodesMin: 8, nodesMax: 2000, nodeMemoryBytes: 32 * gibibyte, nodeBytesPerSecond: 1.25e9 },
  ...{ startMs: 30_000, decideEveryMs: 5000 },
};
/** So many nodes hold the peak at the upper end of the band: what peak provisioning pays for. */
const peakNodes = 1600;
const peakBytes = (peakNodes * bandHigh * shape.nodeMemoryBytes * code.d) / (code.d + code.p);

interface AutoscaleCase {
  readonly name: string;
  readonly trace: Partial<TraceOptions> & Pick<TraceOptions, "peakToMean">;
  readonly shape?: Partial<FleetShape>;
}

export const autoscaleCases: readonly AutoscaleCase[] = [
  { name: "peak-to-mean 2", trace: { peakToMean: 2 } },
  { name: "peak-to-mean 4", trace: { peakToMean: 4 } },
  { name: "peak-to-mean 8", trace: { peakToMean: 8 } },
  { name: "peak-to-mean 4, no hints", trace: { peakToMean: 4, hintedShare: 0 } },
  {
    name: "peak-to-mean 4, data at once",
    trace: { peakToMean: 4, leadSecondsMin: 0, leadSecondsMax: 0 },
  },
  { name: "peak-to-mean 4, starts of 120 s", trace: { peakToMean: 4 }, shape: { startMs: 120_000 } },
];

const decisionCase = "decision on 2,000 nodes and 5,000 jobs";
const decisionsTimed = 20;
const traceFileBytesMax = 256 * 1024 * 1024;

/**
 * @param makeScaler the planner that is measured
 * @param traceFile a real trace, which is then the only case; see bench/autoscale/trace-csv.ts
 * @throws the signal's reason when it is aborted; MayflyError INPUT_INVALID for a trace that cannot be read
 */
export async function benchAutoscale(
  options: BenchOptions,
  makeScaler: MakeScaler,
  traceFile?: string,
): Promise<BenchReport> {
  const machine = describeMachine();
  const cases: BenchCase[] = [];
  if (traceFile !== undefined) {
    const trace = readTrace(traceFile);
    options.log(`${traceFile}: ${trace.jobs.length} jobs, peak-to-mean ${ratioOf(trace).toFixed(2)}`);
    return {
      ...{ scenario: "autoscale", machine, rounds: 1 },
      cases: [await measureTraces(`trace ${traceFile}`, [trace], shape, makeScaler, options)],
    };
  }
  options.log(
    "traces are synthesised, not real: log-normal sizes and durations, modulated Poisson arrivals " +
      "(shapes after Shahrad et al. ATC'20, Vuppalapati et al. NSDI'20, Khandelwal et al. EuroSys'22)",
  );
  options.log(
    `${traceDefaults.hintedShare * 100} % of jobs hint their bytes, off by a log-normal factor of sigma ` +
      `${traceDefaults.hintSigma}; first bytes come ${traceDefaults.leadSecondsMin} to ${traceDefaults.leadSecondsMax} s ` +
      `after registration; code ${formatCode(code)}, nodes of ${shape.nodeMemoryBytes / gibibyte} GiB`,
  );
  for (const each of autoscaleCases.filter(({ name }) => isWanted(name, options))) {
    const traces: Trace[] = [];
    for (let seed = 1; seed <= options.rounds; seed++) {
      traces.push(synthesizeTrace({ ...traceDefaults, seed, peakBytes, ...each.trace }));
    }
    cases.push(await measureTraces(each.name, traces, { ...shape, ...each.shape }, makeScaler, options));
  }
  if (isWanted(decisionCase, options)) cases.push(timeDecisions(makeScaler, options));
  return { scenario: "autoscale", machine, rounds: options.rounds, cases };
}

/** Medians over the traces, and the worst of what jobs suffer. */
async function measureTraces(
  name: string,
  traces: readonly Trace[],
  fleet: FleetShape,
  makeScaler: MakeScaler,
  options: BenchOptions,
): Promise<BenchCase> {
  const own: Figures[] = [];
  const peak: Figures[] = [];
  const perJob: Figures[] = [];
  for (const [at, trace] of traces.entries()) {
    // A simulation waits for nothing, and a signal of the operating system is an event like others.
    await setImmediate();
    options.signal.throwIfAborted();
    const result = simulateFleet(trace, makeScaler(fleet), {
      ...{ shape: fleet, code, drainBytesPerSecond, bandLow, bandHigh },
    });
    const provisioned = peakProvisioning(trace, code, fleet, bandHigh);
    const alone = perJobProvisioning(trace, code, fleet, bandHigh);
    const troubledShare = result.rejectedShare + result.delayedShare;
    own.push({
      ...{ nodeHours: result.nodeHours, savedShare: 1 - result.nodeHours / provisioned.nodeHours },
      ...{ savedPerJobShare: 1 - result.nodeHours / alone, peakToMean: ratioOf(trace) },
      ...{ troubledShare, rejectedShare: result.rejectedShare, delayedShare: result.delayedShare },
      longestDelaySeconds: result.longestDelaySeconds,
      ...{ aboveBandShare: result.aboveBandShare, belowBandShare: result.belowBandShare },
      ...{
        nodesMean: result.nodesMean,
        nodesMost: result.nodesMost,
        starts: result.starts,
        stops: result.stops,
      },
      ...{ jobs: trace.jobs.length, jobsAliveMost: result.jobsAliveMost, jobsRejected: result.jobsRejected },
    });
    peak.push({ nodeHours: provisioned.nodeHours, nodes: provisioned.nodes });
    perJob.push({ nodeHours: alone });
    options.log(
      `${name}, trace ${at + 1} of ${traces.length} (peak-to-mean ${ratioOf(trace).toFixed(2)}): ` +
        `${percent(own.at(-1)!["savedShare"]!)} fewer node-hours than at the peak all the time, ` +
        `${percent(result.delayedShare)} delayed, ${percent(result.rejectedShare)} rejected`,
    );
  }
  const hours = (figures: readonly Figures[]): number[] => figures.map((each) => each["nodeHours"]!);
  const ratio = (others: readonly Figures[]): number =>
    rounded(median(hours(others).map((other, at) => other / hours(own)[at]!)), 3);
  const worst = (figure: string): number => rounded(Math.max(...own.map((each) => each[figure]!)));
  const spread = (quantile(hours(own), 0.75) - quantile(hours(own), 0.25)) / median(hours(own));
  return {
    ...{ case: name, compared: "nodeHours" },
    mayfly: {
      ...medians(own),
      ...{ worstTroubledShare: worst("troubledShare"), worstDelaySeconds: worst("longestDelaySeconds") },
      ...{ leastSavedShare: rounded(Math.min(...own.map((each) => each["savedShare"]!))) },
      spread: rounded(spread, 2),
    },
    peers: { "peak-provisioning": medians(peak), "per-job-provisioning": medians(perJob) },
    ratios: { "peak-provisioning": ratio(peak), "per-job-provisioning": ratio(perJob) },
  };
}

/** Wall time of one decision on the largest fleet: the controller answers nobody meanwhile. */
function timeDecisions(makeScaler: MakeScaler, options: BenchOptions): BenchCase {
  const scaler = makeScaler(shape);
  const times: number[] = [];
  for (let each = 0; each < decisionsTimed; each++) {
    const inventory = largeInventory(2000, 5000, each * shape.decideEveryMs, shape, code);
    const beganMs = performance.now();
    scaler.plan(inventory);
    times.push(performance.now() - beganMs);
  }
  const decisionMs = rounded(median(times));
  options.log(`${decisionCase}: ${decisionMs} ms`);
  const mayfly = { decisionMs, longestMs: rounded(Math.max(...times)) };
  return { case: decisionCase, compared: "decisionMs", mayfly, peers: {}, ratios: {} };
}

function medians(figures: readonly Figures[]): Figures {
  const names = Object.keys(figures[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, rounded(median(figures.map((each) => each[name]!)))]));
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(share < 0.01 ? 3 : 1))} %`;
}

function readTrace(path: string): Trace {
  try {
    const { size } = statSync(path);
    if (size > traceFileBytesMax) {
      throw new MayflyError(
        "INPUT_INVALID",
        `${path} has ${size} bytes; a trace has at most ${traceFileBytesMax}`,
      );
    }
    return parseTraceCsv(readFileSync(path, "utf8"));
  } catch (thrown) {
    if (thrown instanceof MayflyError) throw thrown;
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new MayflyError("INPUT_INVALID", `the trace ${path} cannot be read: ${why}`, { cause: thrown });
  }
}
