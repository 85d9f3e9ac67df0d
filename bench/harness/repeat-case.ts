/** A case without peers whose samples take minutes: no sample to warm up, and the worst counts where a limit is promised. */
import type { BenchCase, BenchOptions, Figures } from "./report.ts";
import { median, quantile, rounded } from "./statistics.ts";

export interface RepeatedCase {
  readonly case: string;
  /** The figure that is printed first. */
  readonly compared: string;
  /** Figures of which the largest of all rounds is reported. */
  readonly largest?: readonly string[];
  /** Figures that are summed up over all rounds. */
  readonly summed?: readonly string[];
  /** @param round from 0 on */
  sample(round: number): Promise<Figures>;
}

/** @throws the signal's reason when it is aborted, and whatever a sample throws */
export async function repeatCase(spec: RepeatedCase, options: BenchOptions): Promise<BenchCase> {
  const samples: Figures[] = [];
  for (let round = 0; round < options.rounds; round++) {
    options.signal.throwIfAborted();
    const figures = await spec.sample(round);
    samples.push(figures);
    const shown = Object.entries(figures).map(([name, value]) => `${name} ${rounded(value)}`);
    options.log(`${spec.case}, round ${round + 1} of ${options.rounds}: ${shown.join(", ")}`);
  }
  return {
    case: spec.case,
    compared: spec.compared,
    mayfly: joinSamples(samples, spec),
    peers: {},
    ratios: {},
  };
}

/** Medians, but for the figures that are named; `spread` as in cases with peers. */
export function joinSamples(
  samples: readonly Figures[],
  { compared, largest = [], summed = [] }: Pick<RepeatedCase, "compared" | "largest" | "summed">,
): Figures {
  const joined = Object.keys(samples[0] ?? {}).map((name) => {
    const values = samples.map((sample) => sample[name] ?? Number.NaN);
    if (summed.includes(name)) return [name, values.reduce((sum, value) => sum + value, 0)] as const;
    return [name, rounded(largest.includes(name) ? Math.max(...values) : median(values))] as const;
  });
  const values = samples.map((sample) => sample[compared] ?? Number.NaN);
  const spread = (quantile(values, 0.75) - quantile(values, 0.25)) / median(values);
  return { ...Object.fromEntries(joined), spread: rounded(spread, 2) };
}
