/** One case: Mayfly and its peers take turns within each round, so that a slow moment of the machine hits all of them. */
import { setImmediate } from "node:timers/promises";
import type { Absent, BenchCase, BenchOptions, Figures } from "./report.ts";
import { isAbsent } from "./report.ts";
import { median, quantile, rounded } from "./statistics.ts";

/** One side of a case. A sample is long enough to be meaningful by itself, a few hundred milliseconds. */
export interface Contender {
  /** Runs the case once and tells its figures. Called once unmeasured, to warm up, if the case says so, then once a round. */
  sample(): Figures | Promise<Figures>;
}

export interface CaseSpec {
  readonly case: string;
  /** The figure that ratios are made of. */
  readonly compared: string;
  readonly better: "higher" | "lower";
  /** False for samples that are whole processes and stay cold whatever ran before; true by default. */
  readonly warmup?: boolean;
  readonly mayfly: Contender;
  readonly peers: Readonly<Record<string, Contender | Absent>>;
}

interface Side {
  readonly name: string;
  readonly contender: Contender;
  readonly samples: Figures[];
}

/** @throws the signal's reason when it is aborted, and whatever a contender throws */
export async function measureCase(spec: CaseSpec, options: BenchOptions): Promise<BenchCase> {
  const own: Side = { name: "mayfly", contender: spec.mayfly, samples: [] };
  const others: Side[] = [];
  for (const [name, contender] of Object.entries(spec.peers)) {
    if ("sample" in contender) others.push({ name, contender, samples: [] });
  }
  const sides = [own, ...others];
  for (const { contender } of spec.warmup === false ? [] : sides) {
    await turnOfEvents(options.signal);
    await contender.sample();
  }
  for (let round = 0; round < options.rounds; round++) {
    for (let turn = 0; turn < sides.length; turn++) {
      await turnOfEvents(options.signal);
      // Who comes first changes: the machine may be slower, or warmer, after one of them.
      const side = sides[(round + turn) % sides.length]!;
      side.samples.push(await side.contender.sample());
    }
  }
  const present = new Map(others.map((side) => [side.name, mediansOf(side.samples, spec.compared)]));
  const result: BenchCase = {
    case: spec.case,
    compared: spec.compared,
    mayfly: mediansOf(own.samples, spec.compared),
    peers: Object.fromEntries(
      Object.entries(spec.peers).map(([name, peer]) => [name, present.get(name) ?? (peer as Absent)]),
    ),
    ratios: Object.fromEntries(others.map((side) => [side.name, ratioOf(own, side, spec)])),
  };
  options.log(describeCase(result));
  return result;
}

/** A sample may never wait for anything, and a signal of the operating system is an event like others. */
async function turnOfEvents(signal: AbortSignal): Promise<void> {
  await setImmediate();
  signal.throwIfAborted();
}

function mediansOf(samples: readonly Figures[], compared: string): Figures {
  const names = Object.keys(samples[0] ?? {});
  const medians = names.map((name) => [name, rounded(median(samples.map((each) => each[name]!)))] as const);
  const values = samples.map((each) => each[compared]!);
  const spread = (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
  return { ...Object.fromEntries(medians), spread: rounded(spread, 2) };
}

function ratioOf(own: Side, other: Side, { compared, better }: CaseSpec): number {
  const ratios = own.samples.map((sample, round) => {
    const ratio = sample[compared]! / other.samples[round]![compared]!;
    return better === "higher" ? ratio : 1 / ratio;
  });
  return rounded(median(ratios), 3);
}

function describeCase({ case: name, compared, mayfly, peers, ratios }: BenchCase): string {
  const others = Object.entries(peers).map(([peer, figures]) =>
    isAbsent(figures)
      ? `${peer} absent (${figures.absent})`
      : `${peer} ${figures[compared]} (${ratios[peer]}x)`,
  );
  return [`${name}: ${compared} ${mayfly[compared]}`, ...others].join(", ");
}
