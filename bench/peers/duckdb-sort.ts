/** DuckDB in a process of its own; how it sorts is in bench/drivers/duckdb-sort.ts. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import type { Absent } from "../harness/report.ts";
import { type FileSorter, startedLine } from "./file-sorter.ts";

/** What the driver is asked. */
export interface DuckdbSortRequest {
  readonly input: string;
  readonly output: string;
  readonly scratch: string;
  readonly threads: number;
  readonly memoryBytes: number;
}

export function findDuckdbSort(): FileSorter | Absent {
  try {
    createRequire(import.meta.url).resolve("@duckdb/node-api");
  } catch {
    return { absent: "the npm package @duckdb/node-api is not installed; run: npm ci" };
  }
  const driver = fileURLToPath(new URL("../drivers/duckdb-sort.js", import.meta.url));
  return {
    command({ input, output, scratch, workers, memoryBytes }) {
      const request: DuckdbSortRequest = { input, output, scratch, threads: workers, memoryBytes };
      return { command: process.execPath, args: [driver, JSON.stringify(request)], started: startedLine };
    },
  };
}
