/** `node dist/examples/join-aggregate/main.js`: a join and an aggregate over tables in the style of TPC-H. */
import { MayflyError } from "mayfly";
import { countOption, runProgram, usageError } from "../command-line.ts";
import { fleetOptions, fleetPlan, runOnFleet } from "../run-on-fleet.ts";
import { askDuckDb, firstDifference } from "./ask-duckdb.ts";
import { quarter } from "./query.ts";
import { runQuery } from "./run-query.ts";

const topDefault = 20;
const seedMax = 2 ** 32 - 1;

await runProgram({
  name: "join-aggregate",
  summary: "which customers sent back goods of how much revenue: a join and a sum, each behind a shuffle",
  args: "",
  options: {
    ...fleetOptions,
    scale: {
      value: "FACTOR",
      help: "size of the tables: 1 has some 6,000,000 line items (0.01)",
      short: "s",
    },
    seed: { value: "NUMBER", help: "of the generator of the tables (1)" },
    maps: { value: "COUNT", help: "functions that scan each table (one for each worker)", short: "m" },
    partitions: { value: "COUNT", help: "partitions of each shuffle (one for each worker)" },
    top: { value: "COUNT", help: `how many rows of the answer to tell (${topDefault})`, short: "t" },
    check: { help: "ask DuckDB the same over the same rows, and compare all rows of the answer" },
  },
  examples: [
    "--check",
    "--scale 0.1 --workers 4 --partitions 8 --json",
    "--check --fail-rate 0.3 --kill-node",
  ],
  async run({ values, signal, progress }) {
    const fleet = fleetPlan("join-aggregate", values);
    const scale = Number(values.scale ?? 0.01);
    if (!(scale > 0 && scale <= 100)) {
      throw usageError(`--scale ${values.scale} is not above 0 and up to 100, for example 0.01`);
    }
    const maps = countOption("maps", values.maps, fleet.workers, 1, 10_000);
    const partitions = countOption("partitions", values.partitions, fleet.workers, 1, 4096);
    const seed = countOption("seed", values.seed, 1, 0, seedMax);
    const top = countOption("top", values.top, topDefault, 1, 100_000_000);
    const startMs = performance.now();
    const { answer, seconds } = await runOnFleet(fleet, signal, async (stage) => {
      const readyMs = performance.now();
      const query = { scale, seed, maps, partitions, top: values.check ? Number.MAX_SAFE_INTEGER : top };
      const found = await runQuery(stage, query, progress);
      return { answer: found, seconds: (performance.now() - readyMs) / 1000 };
    });
    const totalSeconds = (performance.now() - startMs) / 1000;
    const checked = values.check;
    if (checked) {
      const difference = firstDifference(answer.top, await askDuckDb({ seed, scale }));
      if (difference !== undefined) throw new MayflyError("DAMAGED", difference);
    }
    const { customers, scanned, joined } = answer;
    const rows = answer.top.slice(0, top);
    const width = Math.max(0, ...rows.map(({ revenue }) => revenue.length));
    return {
      json: {
        ...{ scale, seed, customers, scanned, joined, maps, partitions },
        ...{ seconds, totalSeconds, checked, rows },
      },
      lines: [
        ...rows.map(
          ({ name, nation, acctbal, revenue }) =>
            `${name}  ${revenue.padStart(width)}  ${acctbal.padStart(8)}  ${nation}`,
        ),
        "",
        `${customers} customers sent back goods that were ordered from ${quarter.from} to before ${quarter.before}`,
        `${scanned} rows went through the first shuffle, ${joined} sums of customers through the second`,
        `${seconds.toFixed(2)} s, and ${(totalSeconds - seconds).toFixed(2)} s to start and end what it ran on`,
        ...(checked ? ["checked: DuckDB has the same rows, all of them"] : []),
      ],
    };
  },
});
