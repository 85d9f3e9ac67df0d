/** `mayfly sort` as a process that starts its fleet and ends it. */
import { mainPath } from "../harness/single-node.ts";
import type { FileSorter, SortCommand } from "./file-sorter.ts";

export const sortCode = "4+2";

interface SortResult {
  readonly seconds: number;
  readonly mbPerSecond: number;
  readonly ordered: boolean;
}

/** From file to file. */
export const mayflyFileSorter: FileSorter = {
  command: ({ input, output, workers }) =>
    mayflySort([...["--input", input, "--output", output], ...["--workers", String(workers)]]),
};

/** @param args beside the code and `--json` */
export function mayflySort(args: readonly string[]): SortCommand {
  return {
    command: process.execPath,
    args: [mainPath, "sort", ...args, "--code", sortCode, "--json"],
    result: {
      line: /^\{"records"/,
      figures(line) {
        const { seconds, mbPerSecond, ordered } = JSON.parse(line) as SortResult;
        if (!ordered) throw new Error("mayfly sort says itself that its output is out of order");
        // From the first map to the last validation: without the start and the end of the fleet.
        return { sortSeconds: seconds, sortMbPerSecond: mbPerSecond };
      },
    },
  };
}
