import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { parseCommandLine } from "../../src/cli/parse-command-line.ts";
import { findVerb, verbNames } from "../../src/cli/verbs.ts";
import { projectRoot } from "../rules/project-files.ts";
import { startFleetInProcess } from "./fleet-in-process.ts";
import { tableWith } from "./markdown-table.ts";

const readme = readFileSync(`${projectRoot}README.md`, "utf8");

function blocks(language: string): string[] {
  return [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)]
    .filter(([, found]) => found === language)
    .map(([, , text]) => text!);
}

test("the example of the SDK runs as it stands", async () => {
  const fleet = await startFleetInProcess(4);
  onTestFinished(() => fleet.stop());
  const dir = await mkdtemp(join(tmpdir(), "mayfly-readme-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  vi.stubEnv("MAYFLY_TICKET", fleet.ticket);
  onTestFinished(() => void vi.unstubAllEnvs());
  const log = vi.spyOn(console, "log").mockImplementation(() => undefined);
  onTestFinished(() => log.mockRestore());

  const [example = ""] = blocks("ts");
  expect(example.trim().split("\n").length).toBeLessThanOrEqual(12);
  // The package as its users import it, from its source.
  const entry = JSON.stringify(`${projectRoot}client/index.ts`);
  const file = join(dir, "example.ts");
  await writeFile(file, example.replace('"mayfly"', entry));
  await import(/* @vite-ignore */ file);

  expect(log.mock.calls).toEqual([
    ["frames/7", 5_000_000],
    [5_000_000, 16, "ready"],
  ]);
});

test("the command lines are such that the program understands them", async () => {
  const lines = [...readme.matchAll(/(?:npx |`)mayfly ([^`\n]+)/g)].map(([, line]) => line!.split(" "));
  expect(lines.length).toBeGreaterThan(10);
  for (const words of lines.filter(([first]) => first !== "help")) {
    const found = findVerb(words);
    expect(found, words.join(" ")).toBeDefined();
    // Verbs are named without the arguments that they need.
    if (found!.args.length > 0) parseCommandLine(await found!.load(), found!.args, {});
  }
});

test("every verb is in the overview, and no other", () => {
  const listed = tableWith(readme, ["verb", "what it does"]).map(({ verb }) => verb!.replace("mayfly ", ""));
  expect(listed).toEqual(verbNames);
});

test("what npm is asked to run is in package.json", () => {
  const { scripts } = JSON.parse(readFileSync(`${projectRoot}package.json`, "utf8")) as {
    scripts: Record<string, string>;
  };
  expect(blocks("sh").map((line) => line.trim())).toEqual([
    "npm ci && npx mayfly sort --generate 1GB --kill-node",
    "npm ci && npm test",
  ]);
  expect(scripts["test"]).toBeDefined();
  expect(scripts["check"]).toBeDefined();
  expect(readFileSync(`${projectRoot}.ci/run`, "utf8")).toMatch(/^npm test\b/m);
});
