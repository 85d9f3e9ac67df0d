#!/usr/bin/env node
import { runCli } from "./run-cli.ts";
/** The program `mayfly`. Everything it does is in run-cli.ts and in one file a verb; only here is the process touched. */
import type { OutputStream } from "./verb.ts";

function written(stream: OutputStream): Promise<void> {
  return new Promise((resolve) => stream.write("", () => resolve()));
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read the output has seen enough (`mayfly ls | head`): no reason to complain.
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
// There is no place left to complain about it.
process.stderr.on("error", () => undefined);
const { env, stdin, stdout, stderr } = process;
const exitCode = await runCli(process.argv.slice(2), { env, stdin, stdout, stderr });
await Promise.all([written(stdout), written(stderr)]);
// A half-read standard input must not keep the process alive.
process.exit(exitCode);
