import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { explainShuffle } from "../../src/cli/explain-shuffle.ts";
import { parseBytes } from "../../src/cli/sizes.ts";
import { MayflyError } from "../../src/errors.ts";
import { parseCode } from "../../src/placement/code.ts";
import type { ShufflePlanInput } from "../../src/shuffle-plan/plan-input.ts";
import { planShuffle } from "../../src/shuffle-plan/plan-shuffle.ts";

/** "plan bytes=100GB maps=400 ... bucket once cheap": the words without a value are switches. */
function parse(line: string): ShufflePlanInput {
  const words = new Map(line.split(" ").map((word) => word.split("=") as [string, string | undefined]));
  const number = (name: string): number => Number(words.get(name));
  const size = (name: string): number => parseBytes(words.get(name)!, name);
  return {
    ...{ bytes: size("bytes"), maps: number("maps"), partitions: number("partitions") },
    ...{ memoryBytes: size("memory"), nodes: number("nodes"), workers: number("workers") },
    ...{ code: parseCode(words.get("code")!), hasBucket: words.has("bucket") },
    ...{ canRereadInput: !words.has("once"), prefer: words.has("cheap") ? "cost" : "time" },
  };
}

function outcome(line: string): string {
  try {
    return explainShuffle(planShuffle(parse(line))).join("\n");
  } catch (error) {
    if (error instanceof MayflyError) return `${error.code} ${error.message}`;
    throw error;
  }
}

test("shuffle-plan.txt", () => {
  const file = new URL("../golden/shuffle-plan.txt", import.meta.url);
  const text = readFileSync(file, "utf8");
  const actual = text
    .trimEnd()
    .split("\n====\n")
    .map((scenario) => {
      const head = scenario.slice(0, scenario.indexOf("----") + 4);
      return `${head}\n${outcome(head.split("\n").find((line) => line.startsWith("plan "))!)}`;
    })
    .join("\n====\n");
  // UPDATE_GOLDEN=1 rewrites the file: read the difference before committing it.
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, `${actual}\n`);
  else expect(`${actual}\n`).toBe(text);
});
