/**
 * Runs the simulation with each mutation of the protocol until it shows a violation on a seed that shows none without it:
 * what fails anyhow says nothing about the mutation.
 */
import { spawn } from "node:child_process";
import type { Mutation } from "./mutations.ts";

export interface Found {
  readonly mutation: string;
  readonly found: boolean;
  /** Run until it was found, or in vain. */
  readonly schedules: number;
  readonly seed: number;
  readonly what: string;
  /** Seeds that fail without the mutation, too, and were passed over. */
  readonly failAnyhow: readonly number[];
}

type Run = Omit<Found, "mutation" | "failAnyhow">;

export interface FindOptions {
  readonly mutations: readonly Mutation[];
  readonly seed: number;
  readonly schedulesMax: number;
  /** Mutations at a time. */
  readonly workers: number;
  /** scripts/run-program.js */
  readonly runProgram: string;
  readonly onFound: (found: Found) => void;
}

/** All of them, in the order in which they were found or given up. */
export async function findMutations(options: FindOptions): Promise<Found[]> {
  const left = [...options.mutations];
  const all: Found[] = [];
  const worker = async (): Promise<void> => {
    for (let mutation = left.shift(); mutation !== undefined; mutation = left.shift()) {
      const { seed } = options;
      const found = await findOne(mutation, options).catch((thrown: unknown): Found => {
        const none = { found: false, schedules: 0, seed, failAnyhow: [] };
        return { ...none, mutation: mutation.name, what: `not run to the end: ${String(thrown)}` };
      });
      all.push(found);
      options.onFound(found);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, worker));
  return all;
}

async function findOne(mutation: Mutation, options: FindOptions): Promise<Found> {
  const end = options.seed + options.schedulesMax;
  const failAnyhow: number[] = [];
  for (let first = options.seed; first < end; ) {
    const run = await find(mutation, first, end - first, options.runProgram);
    if (!run.found) break;
    const schedules = run.seed - options.seed + 1;
    const control = await find({ ...mutation, edits: [] }, run.seed, 1, options.runProgram);
    if (!control.found) return { ...run, mutation: mutation.name, schedules, failAnyhow };
    failAnyhow.push(run.seed);
    first = run.seed + 1;
  }
  const { seed, schedulesMax: schedules } = options;
  return { mutation: mutation.name, found: false, schedules, seed, what: "", failAnyhow };
}

async function find(
  { name, edits }: Mutation,
  seed: number,
  schedules: number,
  runProgram: string,
): Promise<Run> {
  const args = ["test/sim/main.ts", "--find", "--seed", String(seed), "--schedules", String(schedules)];
  const child = spawn(process.execPath, [runProgram, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, MAYFLY_MUTATION: JSON.stringify(edits) },
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const line = output.trim().split("\n").at(-1) ?? "";
  if (code !== 0 || !line.startsWith("{")) throw new Error(`${name}: the simulation ended with ${code}`);
  return JSON.parse(line) as Run;
}
