/** The query in stages, with a shuffle behind each but the last: scan, join by order, sum by customer. */
import type { HandlerRef, Stage } from "../run-on-fleet.ts";
import { createRun, runStage, type Task } from "../run-stages.ts";
import {
  type AnswerRow,
  type PartitionEvent,
  type QueryEvent,
  type ScanEvent,
  type ShuffleName,
  type SumEvent,
  type SumResult,
  topOf,
} from "./query.ts";

export interface Answer {
  /** Rows of the whole answer. */
  readonly customers: number;
  /** Rows that the first shuffle carried, and the second one. */
  readonly scanned: number;
  readonly joined: number;
  readonly top: readonly AnswerRow[];
}

const handler = (file: string, name: string): HandlerRef => ({
  module: new URL(`./functions/${file}`, import.meta.url).href,
  name,
});

const scans: readonly (readonly [ShuffleName, string])[] = [
  ["orders", "scanOrders"],
  ["lines", "scanLines"],
  ["customers", "scanCustomers"],
];

/** @throws MayflyError as the functions */
export async function runQuery(
  { executor, betweenStages }: Stage,
  query: QueryEvent & { readonly top: number },
  progress: (what: string, done: number, total: number) => void,
): Promise<Answer> {
  const { top, ...event } = query;
  const { maps, partitions } = event;
  const scanTasks = scans.flatMap(([shuffle, name]) =>
    Array.from({ length: maps }, (_, map): Task => {
      const scan: ScanEvent = { ...event, map };
      return { handler: handler("scan-tables.js", name), event: scan, output: { shuffle, map } };
    }),
  );
  const partitionNumbers = Array.from({ length: partitions }, (_, partition) => partition);
  const joinTasks = partitionNumbers.map((partition): Task => {
    const join: PartitionEvent = { ...event, partition };
    const output = { shuffle: "revenue", map: partition };
    return { handler: handler("join-orders.js", "joinOrders"), event: join, output };
  });
  const sumTasks = partitionNumbers.map((partition): Task => {
    const sum: SumEvent = { ...event, partition, top };
    return { handler: handler("sum-customers.js", "sumCustomers"), event: sum };
  });

  const run = createRun(executor, [...scanTasks, ...joinTasks]);
  const stage = (what: string, tasks: readonly Task[]): Promise<readonly unknown[]> =>
    runStage(run, tasks, (done) => progress(what, done, tasks.length));
  const scanned = (await stage("scan", scanTasks)) as readonly number[];
  betweenStages();
  const joined = (await stage("join", joinTasks)) as readonly number[];
  const summed = (await stage("sum", sumTasks)) as readonly SumResult[];

  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  return {
    customers: total(summed.map(({ customers }) => customers)),
    ...{ scanned: total(scanned), joined: total(joined) },
    top: topOf(
      summed.flatMap((result) => result.top),
      top,
    ),
  };
}
