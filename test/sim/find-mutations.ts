/** Runs the simulation with each mutation of the protocol until it shows a violation. */
import { spawn } from "node:child_process";
import type { Mutation } from "./mutations.ts";

export interface Found {
  readonly mutation: string;
  readonly found: boolean;
  /** Run until it was found, or in vain. */
  readonly schedules: number;
  readonly seed: number;
  readonly what: string;
}

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
      const found = await findOne(mutation, options);
      all.push(found);
      options.onFound(found);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, worker));
  return all;
}

async function findOne(mutation: Mutation, options: FindOptions): Promise<Found> {
  const { seed, schedulesMax, runProgram } = options;
  const args = ["test/sim/main.ts", "--find", "--seed", String(seed), "--schedules", String(schedulesMax)];
  const child = spawn(process.execPath, [runProgram, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, MAYFLY_MUTATION: JSON.stringify(mutation.edits) },
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
  if (code !== 0 || !line.startsWith("{"))
    throw new Error(`${mutation.name}: the simulation ended with ${code}`);
  return { mutation: mutation.name, ...(JSON.parse(line) as Omit<Found, "mutation">) };
}
