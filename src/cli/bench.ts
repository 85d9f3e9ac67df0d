/** `mayfly bench`: runs scenarios of bench/, prints what they measured, and keeps it as JSON and as a picture. */

import type { ChartedReport } from "../../bench/harness/charts.ts";
import type { BenchOptions, BenchReport } from "../../bench/harness/report.ts";
import type { TimedReport } from "../../bench/harness/timeline.ts";
import { MayflyError } from "../errors.ts";
import { closestWord } from "./closest-word.ts";
import { flag, option, parseCount, parseText } from "./option.ts";
import { formatTable } from "./table.ts";
import { untilSignal } from "./until-signal.ts";
import { UsageError } from "./usage-error.ts";
import { defineVerb, type VerbContext } from "./verb.ts";

interface Scenario {
  readonly summary: string;
  /** Enough for medians that come out alike again, unless --rounds says otherwise. */
  readonly rounds: number;
  run(options: BenchOptions, given: Particulars): Promise<BenchReport>;
}

/** What some scenarios take, and others do not look at. */
interface Particulars {
  /** Path of a file, for the scenario that takes one. */
  readonly trace: string | undefined;
  /** Of times and sizes, for scenarios that take minutes: 1, or less for a look. */
  readonly scale: number | undefined;
}

const scaledScenarios = ["failover", "elastic", "hibernate", "shuffle", "sort", "sort100"];
const scaledList = new Intl.ListFormat("en").format(scaledScenarios);

const scenarios: Readonly<Record<string, Scenario>> = {
  codec: {
    summary: "Reed-Solomon coding and checksums on one core, beside other coders",
    rounds: 11,
    run: async (options) => (await import("../../bench/codec.ts")).benchCodec(options),
  },
  records: {
    summary: "record kernels of the sort: generate, partition, sort, gather, check",
    rounds: 11,
    run: async (options) => (await import("../../bench/records.ts")).benchRecords(options),
  },
  kv: {
    summary: "put and get of 1 KiB to 16 MiB over 6 nodes, beside Redis, an S3 server, raw TCP and memcpy",
    rounds: 7,
    run: async (options) => (await import("../../bench/kv.ts")).benchKv(options),
  },
  shuffle: {
    summary: "1 GB from M maps to R partitions by 1 to 4 workers, beside Redis and an S3 server",
    rounds: 3,
    async run(options, { scale = 1 }) {
      const { benchShuffle } = await import("../../bench/shuffle.ts");
      const { shuffleScaleDefault } = await import("../../bench/shuffle-cases.ts");
      return benchShuffle(options, { ...shuffleScaleDefault, bytes: shuffleScaleDefault.bytes * scale });
    },
  },
  exchange: {
    summary:
      "a message between two waiting functions, beside Redis with replicas; 1,000 clients at a barrier",
    rounds: 7,
    run: async (options) => (await import("../../bench/exchange.ts")).benchExchange(options),
  },
  node: {
    summary: "redis-benchmark against one node and against redis-server",
    rounds: 5,
    run: async (options) => (await import("../../bench/node.ts")).benchNode(options),
  },
  controller: {
    summary: "the controller's HTTP API under autocannon",
    rounds: 5,
    run: async (options) => (await import("../../bench/controller.ts")).benchController(options),
  },
  start: {
    summary: "time until a node serves, and until a fresh process has its first value; size of the SDK",
    rounds: 11,
    run: async (options) => (await import("../../bench/start.ts")).benchStart(options),
  },
  chain: {
    summary:
      "encoders that hand on their state, over Mayfly, Redis and an S3 server: the share of time in exchange",
    rounds: 3,
    run: async (options) => (await import("../../bench/chain.ts")).benchChain(options),
  },
  churn: {
    summary: "memory that stays usable while values of all sizes come and go; pauses of a loaded node",
    rounds: 3,
    run: async (options) => (await import("../../bench/churn.ts")).benchChurn(options),
  },
  failover: {
    summary: "kill -9 of one of 7 nodes: the longest gap for any key, and how soon all is whole again",
    rounds: 3,
    run: async (options, { scale }) =>
      (await import("../../bench/failover.ts")).benchFailover(options, scale),
  },
  elastic: {
    summary: "3 to 12 to 3 nodes under a steady load, and how soon a new node serves",
    rounds: 3,
    run: async (options, { scale }) => (await import("../../bench/elastic.ts")).benchElastic(options, scale),
  },
  sort: {
    summary:
      "mayfly sort of 2 to 10 GB on two cores, beside GNU sort, DuckDB and PySpark on the same ASCII records",
    rounds: 3,
    run: async (options, { scale }) => (await import("../../bench/sort.ts")).benchSort(options, scale),
  },
  sort100: {
    summary: "mayfly sort of 100 GB on two cores within 20 GiB: as planned, and in two waves that spill",
    rounds: 1,
    run: async (options, { scale }) => (await import("../../bench/sort100.ts")).benchSort100(options, scale),
  },
  hibernate: {
    summary: "a fleet with 2 GB alive falls asleep in its object store, and a read wakes it: nothing is lost",
    rounds: 3,
    run: async (options, { scale }) =>
      (await import("../../bench/hibernate.ts")).benchHibernate(options, scale),
  },
  autoscale: {
    summary: "node-hours and delays of the autoscaler over 12 simulated hours of 2,000 nodes and 5,000 jobs",
    rounds: 3,
    async run(options, { trace }) {
      const { createScaler } = await import("../controller/autoscale/scaler.ts");
      const { scalePolicy } = await import("../controller/autoscale/scale-policy.ts");
      const { benchAutoscale } = await import("../../bench/autoscale.ts");
      return benchAutoscale(options, (shape) => createScaler(scalePolicy(shape)), trace);
    },
  },
};

const resultsDefault = "bench/results";

const options = {
  rounds: option({
    value: "COUNT",
    help: "times that each case is measured; medians are printed",
    parse: parseCount(1, 1000),
    defaultNote: "the scenario's own",
  }),
  only: option({
    value: "TEXT",
    help: "only cases whose name contains it, or one of several that commas separate",
    parse: parseText,
  }),
  out: option({
    value: "DIR",
    help: "write SCENARIO.json and SCENARIO.svg there",
    parse: parseText,
    short: "o",
    defaultNote: `${resultsDefault}, or nowhere with --only, --trace or --scale`,
  }),
  trace: option({
    value: "FILE",
    help: "with autoscale: a trace of jobs as CSV instead of synthesised ones (job,start_s,end_s,peak_bytes[,ramp_s][,hint_bytes])",
    parse: parseText,
  }),
  scale: option({
    value: "SHARE",
    help: `with ${scaledList}: times and sizes are so much of what they should be, for a look`,
    parse: parseScale,
    defaultNote: "1",
  }),
  "no-save": flag("write no files"),
  figures: flag("print all figures of each case, not only the compared one"),
};

export const benchVerb = defineVerb({
  name: "bench",
  summary: "measure parts of Mayfly on this machine",
  usage: "[SCENARIO]",
  description:
    "Without a scenario it lists them; `all` runs one after the other. Peers take turns with Mayfly round by round; a ratio " +
    "above 1 means that Mayfly is better than that peer. `npm run install-peers` gets the peers that are missing. " +
    "With --json the last line of standard output is the report as one object (with `all`, a line for each scenario).",
  options,
  examples: [
    "mayfly bench",
    "mayfly bench codec --rounds 31 --out /tmp/results",
    "mayfly bench kv --only 4MiB --json",
  ],
  async run(context) {
    const { options: given, positionals, json, print } = context;
    const [name] = positionals;
    if (given.out !== undefined && given["no-save"])
      throw new UsageError("--out and --no-save contradict each other; give one of them");
    if (given.trace !== undefined && name !== "autoscale")
      throw new UsageError("--trace is for one scenario: mayfly bench autoscale --trace FILE");
    if (given.scale !== undefined && !scaledScenarios.includes(name ?? ""))
      throw new UsageError(`--scale is for ${scaledList}: mayfly bench failover --scale 0.1`);
    if (name === undefined) return listScenarios(json, print);
    const chosen = name === "all" ? Object.entries(scenarios) : [[name, scenarioOf(name)] as const];
    // Part of a scenario, another trace or scale must not take the place of all of it.
    const whole = given.only === undefined && given.trace === undefined && given.scale === undefined;
    const keep = !given["no-save"] && (given.out !== undefined || whole);
    await runScenarios(chosen, keep ? (given.out ?? resultsDefault) : undefined, context);
  },
});

/** @throws UsageError */
function parseScale(text: string, name: string): number {
  const share = Number(text);
  if (text.trim() !== "" && share > 0 && share <= 1) return share;
  throw new UsageError(`${name} is ${JSON.stringify(text)}; it must be a number above 0 and at most 1`);
}

function isTimed(report: BenchReport): report is TimedReport {
  return "timelines" in report && Array.isArray(report.timelines) && report.timelines.length > 0;
}

function isCharted(report: BenchReport): report is ChartedReport {
  return "charts" in report && Array.isArray(report.charts) && report.charts.length > 0;
}

function listScenarios(json: boolean, print: (line: string) => void): void {
  const all = Object.entries(scenarios).map(([scenario, { summary, rounds }]) => ({
    scenario,
    summary,
    rounds,
  }));
  if (json) {
    print(JSON.stringify(all));
    return;
  }
  const rows = all.map(({ scenario, summary, rounds }) => [scenario, String(rounds), summary]);
  const columns = [
    { title: "SCENARIO" },
    { title: "ROUNDS", align: "right" },
    { title: "MEASURES" },
  ] as const;
  for (const line of formatTable(columns, rows)) print(line);
}

function scenarioOf(name: string): Scenario {
  const found = Object.hasOwn(scenarios, name) ? scenarios[name] : undefined;
  if (found !== undefined) return found;
  const names = [...Object.keys(scenarios), "all"];
  const meant = closestWord(name, names);
  const hint = meant === undefined ? `there are: ${names.join(", ")}` : `did you mean: mayfly bench ${meant}`;
  throw new UsageError(`there is no scenario ${JSON.stringify(name)}; ${hint}`);
}

type Context = VerbContext<typeof options>;

/** @param dir where results are kept, if they are */
async function runScenarios(
  chosen: readonly (readonly [name: string, scenario: Scenario])[],
  dir: string | undefined,
  { options: given, json, print, note }: Context,
): Promise<void> {
  const { prepareResults, writeResults } = await import("../../bench/harness/results.ts");
  const { writeTimelines } = await import("../../bench/harness/timeline.ts");
  const { writeCharts } = await import("../../bench/harness/charts.ts");
  const { describeReport } = await import("./bench-table.ts");
  if (dir !== undefined) await prepareResults(dir);
  const stop = new AbortController();
  void untilSignal().promise.then(() =>
    stop.abort(new MayflyError("ABORTED", "The benchmark was stopped by a signal; nothing of it goes on")),
  );
  const particulars = { trace: given.trace, scale: given.scale };
  let cases = 0;
  for (const [name, scenario] of chosen) {
    const rounds = given.rounds ?? scenario.rounds;
    note(`${name}: ${rounds === 1 ? "1 round" : `${rounds} rounds`} of each case`);
    const log = (line: string): void => note(`${name}: ${line}`);
    const running = scenario.run({ rounds, only: given.only, signal: stop.signal, log }, particulars);
    const report = await running.catch((thrown: unknown) => {
      // What fails when everything is being ended fails for that reason.
      stop.signal.throwIfAborted();
      throw thrown;
    });
    stop.signal.throwIfAborted();
    cases += report.cases.length;
    if (report.cases.length === 0) continue;
    if (dir !== undefined) {
      const files = await writeResults(report, dir);
      note(`${name}: written to ${files.json} and ${files.svg}`);
      if (isTimed(report)) note(`${name}: written to ${await writeTimelines(report, dir)}`);
      if (isCharted(report)) note(`${name}: written to ${await writeCharts(report, dir)}`);
    }
    if (json) print(JSON.stringify(report));
    else for (const line of describeReport(report, given.figures)) print(line);
  }
  if (cases > 0) return;
  if (given.only === undefined) throw new MayflyError("INTERNAL", "the scenario measured nothing");
  const names = chosen.map(([name]) => name).join(", ");
  throw new UsageError(
    `--only is ${JSON.stringify(given.only)}, which no case of ${names} has in its name; without --only all names are seen`,
  );
}
