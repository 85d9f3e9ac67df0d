import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { type Edit, mutations } from "./mutations.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const timeoutMs = 240_000;
/** Found within a few schedules each; `npm run sim -- --mutations` shows that all are. */
const quickMutations = [
  "ack-before-backups",
  "commit-before-shards",
  "forgets-sessions",
  "promotes-joining",
  "reads-uncommitted",
];
/** Each with a scenario that then ends otherwise, whatever the seed. */
const playedMutations = [
  ["ack-before-backups", "answered-before-backups"],
  ["commit-before-shards", "commit-names-a-dead-node"],
  ["commit-names-anybody", "drained-before-its-commit"],
  ["late-commit", "writer-frozen-before-its-commit"],
  ["lease-ignored-by-holder", "paused-controller-and-a-new-one"],
  ["mended-by-old-reports", "one-dies-and-two-more"],
  ["orphans-freed-without-abort", "writer-frozen-before-its-commit"],
] as const;

interface Run {
  readonly code: number;
  readonly lines: readonly string[];
}

function simulate(args: readonly string[], edits: readonly Edit[] = []): Promise<Run> {
  const command = ["scripts/run-program.js", "test/sim/main.ts", ...args];
  const env = { ...process.env, MAYFLY_MUTATION: JSON.stringify(edits) };
  return new Promise((resolve) => {
    const options = { cwd: root, maxBuffer: 64 * 1024 * 1024, env };
    execFile(process.execPath, command, options, (error, stdout) => {
      const code = error === null ? 0 : Number(error.code);
      resolve({ code, lines: stdout.trimEnd().split("\n") });
    });
  });
}

test("schedules show no violation, and each has what it should have", { timeout: timeoutMs }, async () => {
  const { code, lines } = await simulate(["--schedules", "40", "--seed", "1", "--json"]);
  const { violations, schedules, full, seed, seeds } = JSON.parse(lines.at(-1)!) as Record<string, unknown>;
  expect({ violations, seeds }).toEqual({ violations: 0, seeds: [] });
  expect({ code, schedules, full, seed }).toEqual({ code: 0, schedules: 40, full: 40, seed: 1 });
});

test("a seed replays exactly", { timeout: timeoutMs }, async () => {
  const [first, second] = [
    await simulate(["--only", "11", "--log"]),
    await simulate(["--only", "11", "--log"]),
  ];
  expect(first.lines.length).toBeGreaterThan(50);
  expect(second).toEqual(first);
});

test("mutations of the protocol are found", { timeout: timeoutMs }, async () => {
  const names = quickMutations.flatMap((name) => ["--mutation", name]);
  const { code, lines } = await simulate(["--mutations", ...names, "--schedules", "60", "--json"]);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({ found: quickMutations.length, missed: [] });
  expect(code).toBe(0);
});

test.each(playedMutations)("%s changes how %s ends", { timeout: timeoutMs }, async (name, scenario) => {
  const { edits } = mutations.find((mutation) => mutation.name === name)!;
  const { code, lines } = await simulate(["--scenario", scenario, "--json"], edits);
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({
    scenarios: 1,
    differing: { [`${scenario}.scenario`]: expect.anything() },
  });
  expect(code).toBe(1);
});

test("what a mutation changes is there, once", () => {
  for (const { name, edits } of mutations) {
    for (const { file, from } of edits) {
      expect(readFileSync(root + file, "utf8").split(from).length - 1, `${name} in ${file}`).toBe(1);
    }
  }
});
