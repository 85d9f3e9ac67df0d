/** The code of `mayfly sort` over Redis or S3, in a process of its own: bench/drivers/store-sort.ts. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findProgram } from "../harness/processes.ts";
import type { Absent } from "../harness/report.ts";
import { type FileSorter, startedLine } from "./file-sorter.ts";
import { peersFolder } from "./s3-servers.ts";

/** What the driver is asked. */
export interface StoreSortRequest {
  readonly store: "redis" | "s3";
  readonly input: string;
  readonly output: string;
  readonly workers: number;
}

export function findStoreSort(store: StoreSortRequest["store"]): FileSorter | Absent {
  const isThere =
    store === "redis" ? findProgram("redis-server") !== undefined : existsSync(join(peersFolder(), "bin"));
  if (!isThere) return { absent: `no server of ${store} is installed; run: npm run install-peers` };
  const driver = fileURLToPath(new URL("../drivers/store-sort.js", import.meta.url));
  return {
    command({ input, output, workers }) {
      const request: StoreSortRequest = { store, input, output, workers };
      return {
        ...{ command: process.execPath, args: [driver, JSON.stringify(request)], started: startedLine },
        result: {
          line: /^\{"sorted"/,
          figures(line) {
            const { sorted } = JSON.parse(line) as { sorted: { seconds: number; ordered: boolean } };
            if (!sorted.ordered) throw new Error(`the sort on ${store} says itself that it is out of order`);
            return { sortSeconds: sorted.seconds };
          },
        },
      };
    },
  };
}
