/** docs/EXCHANGE.md has the defaults of the planner, and its example gives what it says. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { pricesDefault, ratesDefault } from "../../src/shuffle-plan/plan-input.ts";
import { planShuffle } from "../../src/shuffle-plan/plan-shuffle.ts";
import { projectRoot } from "../rules/project-files.ts";
import { tableWith } from "./markdown-table.ts";

const markdown = readFileSync(`${projectRoot}docs/EXCHANGE.md`, "utf8");

test.each([
  ["rate", ratesDefault],
  ["price, $", pricesDefault],
] as const)("the default of each %s is the one of the code", (title, defaults) => {
  const listed = tableWith(markdown, [title, "default"]).map((row) => [
    row[title],
    Number(row["default"]!.replaceAll(",", "")),
  ]);
  expect(Object.fromEntries(listed)).toEqual(defaults);
});

test("the example of a plan", () => {
  const plan = planShuffle({
    ...{ bytes: 100e9, maps: 400, partitions: 400, workers: 100 },
    ...{ memoryBytes: 64e9, nodes: 12, code: { d: 4, p: 2 }, hasBucket: true },
  });
  expect(markdown).toContain(`plan.strategy; // "${plan.strategy}"`);
  expect(plan.passes.map(({ maps }) => maps)).toEqual([133, 133, 134]);
});
