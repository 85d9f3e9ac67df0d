#!/usr/bin/env node
/** The program `mayfly`. What it does is in run-cli.ts and in one file a verb; here it meets the process. */
import { exitCodes } from "./failure.ts";
import { fileErrorText } from "./file-error.ts";
import { runCli } from "./run-cli.ts";

const { env, stdin, stdout, stderr } = process;

stdout.on("error", (error: NodeJS.ErrnoException) => {
  // Whoever read the output has seen enough (`mayfly ls | head`): no reason to complain.
  if (error.code === "EPIPE") process.exit(exitCodes.ok);
  stderr.write(`mayfly: standard output cannot be written: ${fileErrorText(error)} (OUTPUT_FAILED)\n`);
  process.exit(exitCodes.failed);
});
// There is no place left to complain about it.
stderr.on("error", () => undefined);

const exitCode = await runCli(process.argv.slice(2), { env, stdin, stdout, stderr });
// All that was written must have gone, or have failed.
for (const stream of [stdout, stderr]) await new Promise((resolve) => stream.write("", resolve));
// A half-read standard input must not keep the process alive.
process.exit(exitCode);
