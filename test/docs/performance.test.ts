/** docs/PERFORMANCE.md says what bench/results/ says. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { BenchReport } from "../../bench/harness/report.ts";
import { tableWith } from "./markdown-table.ts";

const root = new URL("../../", import.meta.url);
const markdown = readFileSync(new URL("docs/PERFORMANCE.md", root), "utf8");
const plain = (cell: string | undefined): string => (cell ?? "").replaceAll(/[*`]/g, "");

function caseOf(scenario: string, name: string): BenchReport["cases"][number] {
  const path = new URL(`bench/results/${scenario}.json`, root);
  const report = JSON.parse(readFileSync(path, "utf8")) as BenchReport;
  const found = report.cases.find((each) => each.case === name);
  if (found === undefined) throw new Error(`bench/results/${scenario}.json has no case ${name}`);
  return found;
}

/** Three digits, as the document has them. */
const shown = (value: number | undefined): string =>
  Number((value ?? Number.NaN).toPrecision(3)).toLocaleString("en", { maximumFractionDigits: 4 });

const ratios = tableWith(markdown, ["scenario", "case", "against", "asked", "measured"]);

test.each(ratios.map((row) => [plain(row["scenario"]), plain(row["case"]), row] as const))(
  "%s %s",
  (scenario, name, row) => {
    const known = caseOf(scenario, name).ratios;
    const measured = Math.min(...row["against"]!.split(", ").map((peer) => known[peer] ?? Number.NaN));
    expect(plain(row["measured"])).toBe(`${shown(measured)}x`);
    expect(row["measured"]!.startsWith("**")).toBe(measured < Number.parseFloat(row["asked"]!));
  },
);

const figures = tableWith(markdown, ["scenario", "case", "figure", "asked", "measured"]);

test.each(figures.map((row) => [plain(row["scenario"]), plain(row["case"]), row] as const))(
  "%s %s: its figure",
  (scenario, name, row) => {
    const { mayfly } = caseOf(scenario, name) as { mayfly: Readonly<Record<string, number>> };
    expect(row["measured"]).toBe(shown(mayfly[row["figure"]!]));
  },
);

const kv = tableWith(markdown, ["case", "MB/s", "p50 ms", "p99 ms", "client CPU s/GB", "server CPU s/GB"]);
const peers = ["redis-ioredis", "redis-node-redis", "redis-wait2", "s3", "raw-tcp"];

test.each(kv.map((row) => [plain(row["case"]), row] as const))("kv %s, whole", (name, row) => {
  const { mayfly, ratios: known } = caseOf("kv", name) as BenchReport["cases"][number] & {
    mayfly: Readonly<Record<string, number>>;
  };
  expect(row["MB/s"]).toBe(shown(mayfly["mbPerSecond"]));
  expect(row["p99 ms"]).toBe(shown(mayfly["p99Ms"]));
  for (const peer of peers)
    expect(row[peer]).toBe(known[peer] === undefined ? "-" : `${shown(known[peer])}x`);
});
