/**
 * Runs simulated schedules until there are enough of them, on all cores; the seed of each one that shows a violation is
 * printed, and runs it again exactly. Or shows that mutations of the protocol are found.
 *
 *     npm run sim -- --schedules 100000 --seed 1 --json
 *     npm run sim -- --only 4711 --log
 *     npm run sim -- --mutations
 *     npm run sim -- --scenarios --json
 */
import { fork } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Found, findMutations } from "./find-mutations.ts";
import { mutations } from "./mutations.ts";
import { playScenario } from "./scenario.ts";
import { runSchedule, type ScheduleResult } from "./schedule.ts";

const usage = `Usage: npm run sim -- [--schedules N] [--seed S] [--workers W] [--json]
       npm run sim -- --only SEED [--log]
       npm run sim -- --mutations [--mutation NAME]... [--schedules N] [--json]
       npm run sim -- --scenarios [--scenario NAME]... [--json]

Simulated fleets under faults: seeds S, S+1, ... S+N-1. Exit code 1 when any of them shows a violation, or when a
mutation is not found.

  --schedules N    how many; 1000 by default, and 10000 for each mutation
  --seed S         the first one; 1 by default
  --workers W      processes; as many as there are cores by default
  --only SEED      one schedule, with what it found
  --log            what happens in it, line by line
  --mutations      breaks the protocol by a line, in many ways, and runs schedules until each is found
  --mutation NAME  only this one
  --scenarios      plays test/scenarios; exit code 1 when one of them does not end as it should
  --scenario NAME  only this one
  --json           the last line of the output is one JSON object

Example: npm run sim -- --schedules 10000 --seed 42 --json`;

export interface Totals {
  schedules: number;
  operations: number;
  faults: number;
  failovers: number;
  unanswered: number;
  /** Schedules with at least 200 operations, 3 faults and a failover; on 5 nodes all are. */
  full: number;
  /** Of all, those that lost more nodes at once than is promised: nothing in them counts as a violation. */
  overrun: number;
  violations: { seed: number; what: string }[];
}

const scenarioFolder = "test/scenarios";
const violationsShownMax = 20;
const schedulesPerReport = 20;
const sayEveryMs = 5000;
const schedulesPerMutation = 10_000;

function emptyTotals(): Totals {
  return {
    schedules: 0,
    operations: 0,
    faults: 0,
    failovers: 0,
    unanswered: 0,
    full: 0,
    overrun: 0,
    violations: [],
  };
}

function count(totals: Totals, result: ScheduleResult): void {
  const { operations, faults, failovers, unanswered, seed } = result;
  totals.schedules += 1;
  totals.operations += operations;
  totals.faults += faults;
  totals.failovers += failovers;
  totals.unanswered += unanswered;
  if (operations >= 200 && faults >= 3 && failovers > 0) totals.full += 1;
  const [what] = result.violations;
  if (result.isOverrun) totals.overrun += 1;
  if (what !== undefined) totals.violations.push({ seed, what });
}

function add(totals: Totals, more: Totals): void {
  totals.schedules += more.schedules;
  totals.operations += more.operations;
  totals.faults += more.faults;
  totals.failovers += more.failovers;
  totals.unanswered += more.unanswered;
  totals.full += more.full;
  totals.overrun += more.overrun;
  totals.violations.push(...more.violations);
}

// Errors are ordinary here, and where they were made is of no interest.
Error.stackTraceLimit = 0;

const options = {
  schedules: { type: "string" },
  seed: { type: "string", default: "1" },
  workers: { type: "string", default: String(availableParallelism()) },
  only: { type: "string" },
  log: { type: "boolean", default: false },
  mutations: { type: "boolean", default: false },
  mutation: { type: "string", multiple: true, default: [] as string[] },
  scenarios: { type: "boolean", default: false },
  scenario: { type: "string", multiple: true, default: [] as string[] },
  json: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
  /** For its own processes: a part of the seeds, or all of them until one shows a violation. */
  worker: { type: "string" },
  find: { type: "boolean", default: false },
} as const;

async function main(): Promise<number> {
  const { values } = parseArgs({ options });
  if (values.help) {
    process.stdout.write(`${usage}\n`);
    return 0;
  }
  if (values.worker !== undefined) {
    const [first = 0, step = 1, end = 0] = values.worker.split(",").map(Number);
    await work(first, step, end);
    return 0;
  }
  if (values.only !== undefined) return await runOne(Number(values.only), values.log);
  if (values.scenarios || values.scenario.length > 0) return await playAll(values.scenario, values.json);
  const isAboutMutations = values.mutations || values.mutation.length > 0;
  const schedules = Number(values.schedules ?? (isAboutMutations ? schedulesPerMutation : 1000));
  const seed = Number(values.seed);
  const workers = Math.max(1, Math.min(Number(values.workers), schedules));
  if (!Number.isSafeInteger(schedules) || !Number.isSafeInteger(seed) || schedules < 1) {
    process.stderr.write(`${usage}\n`);
    return 2;
  }
  if (values.find) return await find(seed, schedules);
  if (isAboutMutations) return await runMutations(values.mutation, seed, schedules, workers, values.json);
  const totals = await runAll(seed, schedules, workers);
  const { violations, ...counts } = totals;
  const summary = { ...counts, violations: violations.length, seed, seeds: violations.map((v) => v.seed) };
  process.stdout.write(values.json ? `${JSON.stringify(summary)}\n` : `${describe(totals)}\n`);
  return violations.length === 0 ? 0 : 1;
}

async function runOne(seed: number, isLogged: boolean): Promise<number> {
  const log = isLogged ? (line: string) => void process.stdout.write(`${line}\n`) : undefined;
  const result = await runSchedule({ seed, ...(log !== undefined && { log }) });
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  for (const violation of result.violations) process.stdout.write(`${violation}\n`);
  return result.violations.length === 0 ? 0 : 1;
}

async function playAll(wanted: readonly string[], isJson: boolean): Promise<number> {
  const differing: Record<string, string[]> = {};
  const known = readdirSync(scenarioFolder).filter((name) => name.endsWith(".scenario"));
  const names = known.filter((name) => wanted.length === 0 || wanted.includes(name.replace(/\..*/, "")));
  if (names.length < Math.max(1, wanted.length)) {
    process.stderr.write(`Scenarios: ${known.map((name) => name.replace(/\..*/, "")).join(", ")}\n`);
    return 2;
  }
  for (const name of names) {
    const text = readFileSync(join(scenarioFolder, name), "utf8");
    const played = await playScenario(text);
    if (played === text) continue;
    const expected = new Set(text.split("\n"));
    differing[name] = played.split("\n").filter((line) => !expected.has(line));
    process.stderr.write(`${name}: ${differing[name].join("; ")}\n`);
  }
  const summary = { scenarios: names.length, differing };
  const text = `${names.length - Object.keys(differing).length} of ${names.length} scenarios end as they should`;
  process.stdout.write(isJson ? `${JSON.stringify(summary)}\n` : `${text}\n`);
  return Object.keys(differing).length === 0 ? 0 : 1;
}

async function find(first: number, schedules: number): Promise<number> {
  let found: Omit<Found, "mutation" | "failAnyhow"> = { found: false, schedules, seed: first, what: "" };
  for (let seed = first; seed < first + schedules && !found.found; seed++) {
    const [what] = (await runSchedule({ seed })).violations;
    if (what !== undefined) found = { found: true, schedules: seed - first + 1, seed, what };
  }
  process.stdout.write(`${JSON.stringify(found)}\n`);
  return 0;
}

async function runMutations(
  names: readonly string[],
  seed: number,
  schedulesMax: number,
  workers: number,
  isJson: boolean,
): Promise<number> {
  const wanted = mutations.filter(({ name }) => names.length === 0 || names.includes(name));
  const runProgram = process.env["MAYFLY_RUN_PROGRAM"];
  if (wanted.length < Math.max(1, names.length) || runProgram === undefined) {
    process.stderr.write(`Mutations: ${mutations.map(({ name }) => name).join(", ")}\n`);
    return 2;
  }
  const onFound = ({ mutation, found, schedules, what, seed: at }: Found): void => {
    const shown = what.split("\n")[0]!.slice(0, 140);
    const outcome = found
      ? `found after ${schedules} schedules: seed ${at}, ${shown}`
      : `NOT FOUND in ${schedules} ${shown}`;
    process.stderr.write(`${mutation}: ${outcome}\n`);
  };
  const all = await findMutations({ mutations: wanted, seed, schedulesMax, workers, runProgram, onFound });
  const missed = all.filter(({ found }) => !found).map(({ mutation }) => mutation);
  const needed = Object.fromEntries(all.map(({ mutation, schedules }) => [mutation, schedules]));
  const failAnyhow = [...new Set(all.flatMap((each) => each.failAnyhow))];
  const found = all.length - missed.length;
  const summary = { mutations: all.length, found, missed, schedules: needed, failAnyhow, seed };
  const text = `${summary.found} of ${summary.mutations} mutations found`;
  process.stdout.write(isJson ? `${JSON.stringify(summary)}\n` : `${text}\n`);
  return missed.length === 0 ? 0 : 1;
}

/** A worker: runs the seeds that it is given, and reports each few. */
async function work(first: number, step: number, end: number): Promise<void> {
  // Whoever started it is gone: nobody would read what it finds.
  const onDisconnect = (): void => process.exit(1);
  process.once("disconnect", onDisconnect);
  let totals = emptyTotals();
  const report = (): Promise<void> =>
    new Promise((resolve) => {
      process.send!(totals, undefined, {}, () => resolve());
      totals = emptyTotals();
    });
  for (let seed = first; seed < end; seed += step) {
    count(totals, await runSchedule({ seed }));
    if (totals.schedules === schedulesPerReport) await report();
  }
  await report();
  process.off("disconnect", onDisconnect);
  process.disconnect();
}

async function runAll(seed: number, schedules: number, workers: number): Promise<Totals> {
  const totals = emptyTotals();
  let saidAt = performance.now();
  let shown = 0;
  const ends = Array.from({ length: workers }, (_, worker) => {
    const range = `${seed + worker},${workers},${seed + schedules}`;
    const child = fork(process.argv[1]!, ["--worker", range], {
      execArgv: ["--max-semi-space-size=64"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    child.on("message", (more) => {
      for (const { seed, what } of (more as Totals).violations.slice(0, violationsShownMax - shown)) {
        shown += 1;
        process.stderr.write(`seed ${seed}: ${what}\n`);
      }
      add(totals, more as Totals);
      if (performance.now() - saidAt < sayEveryMs) return;
      saidAt = performance.now();
      process.stderr.write(`${describe(totals)}\n`);
    });
    return new Promise<void>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`)),
      );
    });
  });
  await Promise.all(ends);
  return totals;
}

function describe({ schedules, operations, faults, failovers, full, overrun, violations }: Totals): string {
  return (
    `${schedules} schedules (${full} with at least 200 operations, 3 faults and a failover), ${operations} operations, ` +
    `${faults} faults, ${failovers} failovers of rows, ${overrun} beyond what is promised: ${violations.length} with violations`
  );
}

process.exitCode = await main();
