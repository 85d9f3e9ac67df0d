/** The coordinator of a sort: samples, starts the functions, kills a node if asked to, puts the results together. */
import type { Job } from "../../client/job.ts";
import type { Clock, Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { Executor, HandlerRef } from "../executor/executor.ts";
import { recordBytes } from "./record-memory.ts";
import {
  type MapEvent,
  type MapResult,
  type ReduceEvent,
  type ReduceResult,
  type SortInput,
  splitsKey,
} from "./sort-events.ts";
import { sampleKeys } from "./sort-input.ts";
import type { SortOutput } from "./sort-output.ts";
import type { SortPlan } from "./sort-plan.ts";
import { type SortTotals, totalsOf } from "./sort-totals.ts";
import { chooseSplits, sampleKeysPerPartition } from "./split-points.ts";

export type SortPhase = "map" | "shuffle" | "reduce";

export interface SortRun {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly job: Job;
  readonly executor: Executor;
  readonly plan: SortPlan;
  readonly input: SortInput;
  readonly output: SortOutput | undefined;
  readonly workers: number;
  /** Called between map and reduce. */
  readonly betweenPhases: () => Promise<void>;
  readonly onProgress: (phase: SortPhase, doneBytes: number) => void;
}

export interface SortResult extends SortTotals {
  /** From the start of the first map to the last validation. */
  readonly seconds: number;
  /** Map is wall time; shuffle and reduce overlap: of each, the mean over the workers. */
  readonly phaseSeconds: { readonly map: number; readonly shuffle: number; readonly reduce: number };
  readonly storedBytes: number;
  /** Sum over the workers of what each had resident at its peak. */
  readonly workerRssBytes: number;
}

const handler = (file: string, name: string): HandlerRef => ({
  module: new URL(`./functions/${file}`, import.meta.url).href,
  name,
});
const mapHandler = handler("map.js", "mapRecords");
const reduceHandler = handler("reduce.js", "reducePartition");

export async function runSort(run: SortRun): Promise<SortResult> {
  const { clock, job, plan, output } = run;
  const samples = await sampleKeys(
    run.input,
    plan.records,
    plan.partitions * sampleKeysPerPartition,
    run.rng,
  );
  await job.put(splitsKey, chooseSplits(samples, plan.partitions));
  const startMs = clock.now();
  const mapped = await runMaps(run);
  const mapMs = clock.now() - startMs;
  await run.betweenPhases();
  const reduced = await runReduces(run);
  const totals = totalsOf(reduced);
  const seconds = (clock.now() - startMs) / 1000;
  checkTotals(totals, plan.records);
  await output?.publish();
  const mean = (of: (result: ReduceResult) => number): number =>
    reduced.reduce((sum, result) => sum + of(result), 0) / run.workers / 1000;
  return {
    ...totals,
    seconds,
    phaseSeconds: {
      map: mapMs / 1000,
      shuffle: mean(({ shuffleMs }) => shuffleMs),
      reduce: mean(({ reduceMs }) => reduceMs),
    },
    storedBytes: mapped.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    workerRssBytes:
      run.workers *
      Math.max(...mapped.map(({ rssBytes }) => rssBytes), ...reduced.map(({ rssBytes }) => rssBytes)),
  };
}

async function runMaps(run: SortRun): Promise<MapResult[]> {
  const { plan, executor, input } = run;
  const recordsMax = Math.max(...plan.maps.map(({ records }) => records));
  const progress = counter(run, "map");
  return Promise.all(
    plan.maps.map(async (task, map) => {
      const event: MapEvent = { map, task, input, partitions: plan.partitions, recordsMax };
      const result = await executor.run(mapHandler, event, {
        onProgress: ({ mapped = 0 }) => progress(mapped),
      });
      return result as MapResult;
    }),
  );
}

async function runReduces(run: SortRun): Promise<ReduceResult[]> {
  const { plan, executor, output } = run;
  const shuffled = counter(run, "shuffle");
  const reduced = counter(run, "reduce");
  // The functions size their memory for this; a fuller partition makes them grow it.
  const recordsExpected = Math.ceil((plan.records / plan.partitions) * 1.25);
  return Promise.all(
    Array.from({ length: plan.partitions }, async (_, partition) => {
      const event: ReduceEvent = {
        ...{ partition, partitions: plan.partitions, maps: plan.maps.length, recordsExpected },
        output: output?.temporaryPath,
      };
      const result = await executor.run(reduceHandler, event, {
        onProgress: (report) => {
          if (report["shuffled"] !== undefined) shuffled(report["shuffled"]);
          if (report["reduced"] !== undefined) reduced(report["reduced"]);
        },
      });
      return result as ReduceResult;
    }),
  );
}

function counter(run: SortRun, phase: SortPhase): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    // A function that is run again reports again.
    done = Math.min(done + bytes, run.plan.records * recordBytes);
    run.onProgress(phase, done);
  };
}

function checkTotals(totals: SortTotals, records: number): void {
  if (totals.records !== records) {
    throw new MayflyError("DAMAGED", `${totals.records} records came out and ${records} went in.`);
  }
  if (!totals.ordered) throw new MayflyError("DAMAGED", "The partitions are out of order.");
}
