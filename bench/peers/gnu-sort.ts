/**
 * GNU sort (coreutils). It compares whole lines: keys come first in them, and without the search for a key (`-k1.1,1.10`) it
 * took 3.0 s of CPU time for 200 MB, and 4.7 with it.
 */
import { execFileSync } from "node:child_process";
import { findProgram } from "../harness/processes.ts";
import type { Absent } from "../harness/report.ts";
import type { FileSorter } from "./file-sorter.ts";

/** @param bufferBytes of its lines; what the task says by default. Smaller ones fit caches, and need a merge of files. */
export function findGnuSort(bufferBytes?: number): FileSorter | Absent {
  const path = findProgram("sort");
  if (path === undefined || !isGnu(path)) {
    return { absent: "GNU sort is not installed; run: npm run install-peers -- coreutils" };
  }
  return {
    command: ({ input, output, scratch, workers, memoryBytes }) => ({
      command: path,
      args: [
        ...[`--parallel=${workers}`, `--buffer-size=${Math.floor((bufferBytes ?? memoryBytes) / 1024)}K`],
        // All files at once: merges of 16, its default, would read and write the records again.
        ...["--batch-size=500", `--temporary-directory=${scratch}`, `--output=${output}`, "--", input],
      ],
      env: { ...process.env, LC_ALL: "C" },
    }),
  };
}

function isGnu(path: string): boolean {
  try {
    return execFileSync(path, ["--version"], { encoding: "utf8", stdio: "pipe" }).includes("GNU coreutils");
  } catch {
    return false;
  }
}
