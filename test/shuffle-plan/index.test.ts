/** The package entry `mayfly/shuffle-plan`. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { projectRoot } from "../rules/project-files.ts";

test("the entry of the package is this folder's index, and has the planner and its defaults", async () => {
  const { exports: entries } = JSON.parse(readFileSync(`${projectRoot}package.json`, "utf8")) as {
    exports: Record<string, { types: string; default: string }>;
  };
  const built = entries["./shuffle-plan"]!;
  expect(built.types).toBe(built.default.replace(/\.js$/, ".d.ts"));
  const source = built.default.replace("./dist/", projectRoot).replace(/\.js$/, ".ts");
  const entry = (await import(/* @vite-ignore */ source)) as Record<string, unknown>;
  expect(Object.keys(entry).sort()).toEqual([
    "fleetMemoryFor",
    "planShuffle",
    "pricesDefault",
    "ratesDefault",
  ]);
});
