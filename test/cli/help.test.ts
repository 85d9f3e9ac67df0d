import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { groupHelp, mainHelp, verbHelp } from "../../src/cli/help.ts";
import { sampleVerb } from "./sample-verb.ts";

const others = ["tea ls", "tea throw-away"].map((name) => ({
  ...sampleVerb,
  name,
  usage: "",
  summary: `do ${name}`,
}));

test.each([
  ["verb", () => verbHelp(sampleVerb)],
  ["main", () => mainHelp([sampleVerb, ...others])],
  ["group", () => groupHelp("tea", others)],
])("cli-help-%s.txt", (name, help) => {
  const file = new URL(`../golden/cli-help-${name}.txt`, import.meta.url);
  // UPDATE_GOLDEN=1 rewrites the file: read the difference before committing it.
  if (process.env["UPDATE_GOLDEN"] === "1") writeFileSync(file, help());
  else expect(help()).toBe(readFileSync(file, "utf8"));
});

test("no line is wider than a terminal usually is", () => {
  for (const line of verbHelp(sampleVerb).split("\n")) expect(line.length).toBeLessThanOrEqual(100);
});
