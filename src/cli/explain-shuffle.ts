/** A plan of a shuffle as lines for a terminal. */
import { countText, dollarsText, secondsText, sizeText } from "../shuffle-plan/figure-text.ts";
import type { ShufflePlan } from "../shuffle-plan/plan-shuffle.ts";
import type { StrategyEstimate } from "../shuffle-plan/strategies.ts";
import { type Column, formatTable } from "./table.ts";

const columns: readonly Column[] = [
  { title: "STRATEGY" },
  { title: "FITS" },
  ...["PASSES", "TIME", "MEMORY", "NODE REQUESTS", "S3 PUTS", "S3 GETS", "COST"].map(
    (title): Column => ({ title, align: "right" }),
  ),
];

/** A table with a row for each strategy, that of the plan marked, and below it the reasons. */
export function explainShuffle(plan: ShufflePlan): string[] {
  const rows = plan.alternatives.map((each) => rowOf(each, each.strategy === plan.strategy));
  return [...formatTable(columns, rows), "", ...plan.reasons];
}

function rowOf(each: StrategyEstimate, isChosen: boolean): string[] {
  const { strategy, feasible, passes, seconds, memoryBytes, requests, dollars } = each;
  return [
    isChosen ? `* ${strategy}` : `  ${strategy}`,
    feasible ? "yes" : "no",
    countText(passes),
    secondsText(seconds),
    memoryBytes === 0 ? "-" : sizeText(memoryBytes),
    ...[requests.nodes, requests.s3Puts, requests.s3Gets].map((count) =>
      count === 0 ? "-" : countText(count),
    ),
    dollarsText(dollars),
  ];
}
