/** `mayfly bench`: runs a scenario of bench/ and prints what it measured. */
import { MayflyError } from "../errors.ts";
import { closestWord } from "./closest-word.ts";
import { option, parseCount, parseText } from "./option.ts";
import { writeOutput } from "./output-file.ts";
import { type Column, formatTable } from "./table.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb } from "./verb.ts";

/** A median by its unit, or why there is none. */
type Figure = { readonly gigabytesPerSecond: number } | { readonly absent: string };

/** What every scenario returns. */
interface BenchReport {
  readonly scenario: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly node: string };
  readonly rounds: number;
  readonly cases: readonly {
    readonly case: string;
    readonly mayfly: Figure;
    readonly peers: Readonly<Record<string, Figure>>;
    readonly ratios: Readonly<Record<string, number>>;
  }[];
}

interface Scenario {
  readonly summary: string;
  run(options: { rounds: number; log(line: string): void }): Promise<BenchReport>;
}

const scenarios: Readonly<Record<string, Scenario>> = {
  codec: {
    summary: "Reed-Solomon coding and checksums on one core, beside other coders",
    run: async (options) => (await import("../../bench/codec.ts")).benchCodec(options),
  },
  records: {
    summary: "record kernels of the sort: generate, partition, sort, gather, check",
    run: async (options) => (await import("../../bench/records.ts")).benchRecords(options),
  },
};

export const benchVerb = defineVerb({
  name: "bench",
  summary: "measure parts of Mayfly on this machine",
  usage: "[SCENARIO]",
  description:
    "Without a scenario it lists them. A ratio above 1 means that Mayfly is faster than that peer.",
  options: {
    rounds: option({
      value: "COUNT",
      help: "times that each case is measured; medians are printed",
      parse: parseCount(1, 1000),
      default: "11",
    }),
    out: option({ value: "FILE", help: "write the report there too, as JSON", parse: parseText, short: "o" }),
  },
  examples: ["mayfly bench", "mayfly bench codec --rounds 31 --out codec.json"],
  async run({ options, positionals, json, print, note }) {
    const [name] = positionals;
    if (name === undefined) {
      const all = Object.entries(scenarios).map(([scenario, { summary }]) => ({ scenario, summary }));
      if (json) return print(JSON.stringify(all));
      const rows = all.map(({ scenario, summary }) => [scenario, summary]);
      for (const line of formatTable([{ title: "SCENARIO" }, { title: "MEASURES" }], rows)) print(line);
      return;
    }
    const report = await scenarioOf(name).run({ rounds: options.rounds, log: note });
    if (options.out !== undefined)
      await writeOutput(options.out, oneText(`${JSON.stringify(report, null, 2)}\n`));
    if (json) print(JSON.stringify(report));
    else for (const line of describeReport(report)) print(line);
  },
});

function scenarioOf(name: string): Scenario {
  const found = Object.hasOwn(scenarios, name) ? scenarios[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(scenarios);
  const meant = closestWord(name, names);
  const hint = meant === undefined ? `there are: ${names.join(", ")}` : `did you mean: mayfly bench ${meant}`;
  throw new UsageError(`there is no scenario ${JSON.stringify(name)}; ${hint}`);
}

async function* oneText(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}

/** The lines of a report: a row a case, a figure and a ratio for each peer. */
export function describeReport({ machine, rounds, cases }: BenchReport): string[] {
  if (cases.length === 0) throw new MayflyError("INTERNAL", "the scenario measured nothing");
  const peers = [...new Set(cases.flatMap((each) => Object.keys(each.peers)))];
  const columns: Column[] = [
    { title: "CASE" },
    { title: "MAYFLY", align: "right" },
    ...peers.flatMap((peer): Column[] => [
      { title: peer.toUpperCase(), align: "right" },
      { title: "RATIO", align: "right" },
    ]),
  ];
  const rows = cases.map((each) => [
    each.case,
    figureText(each.mayfly),
    ...peers.flatMap((peer) => [figureText(each.peers[peer]), ratioText(each.ratios[peer])]),
  ]);
  const absent = new Map(
    cases.flatMap(({ peers: each }) =>
      Object.entries(each).flatMap(([peer, figure]) =>
        "absent" in figure ? [[peer, figure.absent] as const] : [],
      ),
    ),
  );
  return [
    `medians of ${rounds} rounds on ${machine.cores} x ${machine.cpu}, Node ${machine.node}`,
    "",
    ...formatTable(columns, rows),
    ...[...absent].map(([peer, why]) => `${peer} is absent: ${why}`),
  ];
}

function figureText(figure: Figure | undefined): string {
  if (figure === undefined || "absent" in figure) return "-";
  return `${figure.gigabytesPerSecond.toFixed(2)} GB/s`;
}

function ratioText(ratio: number | undefined): string {
  return ratio === undefined ? "-" : `${ratio.toFixed(2)}x`;
}
