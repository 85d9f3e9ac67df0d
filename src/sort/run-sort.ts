/**
 * The coordinator of a sort: samples, starts the functions, wave by wave, kills a node if asked to, lets maps run again whose output was
 * lost, puts the results together and checks them.
 */
import type { Job } from "../../client/job.ts";
import type { Clock, Rng } from "../clock.ts";
import { MayflyError } from "../errors.ts";
import type { Executor, HandlerRef } from "../executor/executor.ts";
import type { Code } from "../placement/types.ts";
import { recordBytes } from "./record-memory.ts";
import type {
  LostMaps,
  MapEvent,
  MapResult,
  ReduceEvent,
  ReduceResult,
  ShuffleRef,
  SortInput,
  Wave,
} from "./sort-events.ts";
import { sampleKeys } from "./sort-input.ts";
import type { SortOutput } from "./sort-output.ts";
import type { SortPlan } from "./sort-plan.ts";
import { type SortTotals, totalsOf } from "./sort-totals.ts";
import { chooseSplits, sampleKeysPerPartition } from "./split-points.ts";
import { storedBytesOf } from "./stored-bytes.ts";

export type SortPhase = "map" | "shuffle" | "reduce";

/** The functions of a sort; they are given its events. */
export interface SortFunctions {
  readonly map: HandlerRef;
  readonly reduce: HandlerRef;
}

export interface SortRun {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly job: Pick<Job, "shuffle">;
  readonly executor: Executor;
  readonly plan: SortPlan;
  readonly code: Code;
  readonly input: SortInput;
  readonly output: SortOutput | undefined;
  readonly workers: number;
  readonly functions?: SortFunctions;
  /** Called between map and reduce of the first wave. */
  readonly betweenPhases: () => Promise<void>;
  readonly onProgress: (phase: SortPhase, doneBytes: number) => void;
}

export interface SortResult extends SortTotals {
  /** From the start of the first map to the last validation. */
  readonly seconds: number;
  /** Map is wall time; shuffle and reduce overlap: of each, the mean over the workers. */
  readonly phaseSeconds: { readonly map: number; readonly shuffle: number; readonly reduce: number };
  readonly storedBytes: number;
  /** Maps that ran again because their output was lost. */
  readonly mapsRunAgain: number;
  /** Sum over the workers of what each had resident at its peak. */
  readonly workerRssBytes: number;
}

const handler = (file: string, name: string): HandlerRef => ({
  module: new URL(`./functions/${file}`, import.meta.url).href,
  name,
});
const sortFunctions: SortFunctions = {
  map: handler("map.js", "mapRecords"),
  reduce: handler("reduce.js", "reducePartition"),
};
/** So often may outputs that a reducer needs be lost before the sort fails. */
const lossesMax = 3;

export async function runSort(run: SortRun): Promise<SortResult> {
  const { clock, rng, plan, output } = run;
  const samples = await sampleKeys(run.input, plan.records, plan.partitions * sampleKeysPerPartition, rng);
  const splits = Buffer.from(chooseSplits(samples, plan.partitions)).toString("base64");
  const startMs = clock.now();
  const sort = new Sort(run, splits);
  for (const [index, wave] of plan.waves.entries()) await sort.shuffle(wave, index);
  const { reduced, mapMs, storedBytes, mapsRunAgain } = sort;
  const totals = totalsOf(reduced);
  const seconds = (clock.now() - startMs) / 1000;
  checkTotals(totals, plan.records, sort.checksum);
  await output?.publish();
  const mean = (of: (result: ReduceResult) => number): number =>
    reduced.reduce((sum, result) => sum + of(result), 0) / run.workers / 1000;
  return {
    ...totals,
    ...{ seconds, storedBytes, mapsRunAgain },
    phaseSeconds: {
      map: mapMs / 1000,
      shuffle: mean(({ shuffleMs }) => shuffleMs),
      reduce: mean(({ reduceMs }) => reduceMs),
    },
    workerRssBytes: run.workers * sort.rssBytesMax,
  };
}

class Sort {
  readonly reduced: ReduceResult[] = [];
  /** Of all records that the maps have written. */
  checksum = 0n;
  mapMs = 0;
  storedBytes = 0;
  mapsRunAgain = 0;
  rssBytesMax = 0;
  readonly #run: SortRun;
  readonly #splits: string;
  readonly #functions: SortFunctions;
  readonly #progress: Readonly<Record<SortPhase, (bytes: number) => void>>;
  /** Maps that run again now; several reducers may ask for the same one. */
  readonly #again = new Map<number, Promise<unknown>>();
  #recordsBefore = 0;

  constructor(run: SortRun, splits: string) {
    this.#run = run;
    this.#splits = splits;
    this.#functions = run.functions ?? sortFunctions;
    const counter = (phase: SortPhase): ((bytes: number) => void) => countProgress(run, phase);
    this.#progress = { map: counter("map"), shuffle: counter("shuffle"), reduce: counter("reduce") };
  }

  /** Sorts the partitions of one wave. */
  async shuffle(wave: Wave, index: number): Promise<void> {
    const { plan, clock, job } = this.#run;
    const shuffle: ShuffleRef = { name: `sort ${index}`, maps: plan.maps.length, wave };
    const startMs = clock.now();
    const mapped = await Promise.all(plan.maps.map((_, map) => this.#map(shuffle, map)));
    this.mapMs += clock.now() - startMs;
    const counts = this.#sum(mapped, wave);
    if (index === 0) await this.#run.betweenPhases();
    await this.#reduceAll(shuffle, counts);
    if (index + 1 < plan.waves.length)
      await job.shuffle(shuffle.name, { maps: shuffle.maps, partitions: wave.count }).delete();
  }

  async #map(shuffle: ShuffleRef, map: number): Promise<MapResult> {
    const { plan, executor, input } = this.#run;
    const recordsMax = Math.max(...plan.maps.map(({ records }) => records));
    const task = plan.maps[map]!;
    const event: MapEvent = { shuffle, map, task, input, splits: this.#splits, recordsMax };
    const onProgress = ({ mapped = 0 }): void => this.#progress.map(mapped);
    const result = (await executor.run(this.#functions.map, event, { onProgress })) as MapResult;
    this.rssBytesMax = Math.max(this.rssBytesMax, result.rssBytes);
    return result;
  }

  /** @returns the records of each partition of the wave */
  #sum(mapped: readonly MapResult[], wave: Wave): Float64Array {
    const sums = new Float64Array(wave.count);
    for (const { counts, checksum } of mapped) {
      let records = 0;
      for (const [place, count] of counts.entries()) {
        sums[place]! += count;
        records += count;
      }
      this.checksum += BigInt(checksum);
      this.storedBytes += storedBytesOf(records * recordBytes, this.#run.code);
    }
    return sums;
  }

  async #reduceAll(shuffle: ShuffleRef, counts: Float64Array): Promise<void> {
    const { plan, output } = this.#run;
    // The functions size their memory for this; a fuller partition makes them grow it.
    const recordsExpected = Math.ceil((plan.records / plan.partitions) * 1.25);
    const events = Array.from(counts, (records, place): ReduceEvent => {
      const firstRecord = this.#recordsBefore;
      this.#recordsBefore += records;
      const partition = shuffle.wave.first + place;
      return { shuffle, partition, records, recordsExpected, firstRecord, output: output?.temporaryPath };
    });
    this.reduced.push(...(await Promise.all(events.map((event) => this.#reduce(event)))));
  }

  async #reduce(event: ReduceEvent): Promise<ReduceResult> {
    const onProgress = ({ shuffled = 0, reduced = 0 }): void => {
      if (shuffled > 0) this.#progress.shuffle(shuffled);
      if (reduced > 0) this.#progress.reduce(reduced);
    };
    for (let losses = 0; ; losses++) {
      const { executor } = this.#run;
      const result = await executor.run(this.#functions.reduce, event, { onProgress });
      const { lostMaps } = result as Partial<LostMaps>;
      if (lostMaps === undefined) {
        const reduced = result as ReduceResult;
        this.rssBytesMax = Math.max(this.rssBytesMax, reduced.rssBytes);
        return reduced;
      }
      if (losses === lossesMax) {
        const message = `Outputs of maps were lost ${losses + 1} times before partition ${event.partition} had all of them.`;
        throw new MayflyError("LOST", message);
      }
      await Promise.all(lostMaps.map((map) => this.#mapAgain(event.shuffle, map)));
    }
  }

  /** What a map writes does not change, so that whatever was added up of its first run is true of the next. */
  #mapAgain(shuffle: ShuffleRef, map: number): Promise<unknown> {
    const running = this.#again.get(map);
    if (running !== undefined) return running;
    this.mapsRunAgain += 1;
    const again = this.#map(shuffle, map).finally(() => this.#again.delete(map));
    this.#again.set(map, again);
    return again;
  }
}

/** What functions report, added up: those that run twice report twice. */
function countProgress({ plan, onProgress }: SortRun, phase: SortPhase): (bytes: number) => void {
  let done = 0;
  return (bytes) => {
    done = Math.min(done + bytes, plan.records * recordBytes);
    onProgress(phase, done);
  };
}

function checkTotals(totals: SortTotals, records: number, checksum: bigint): void {
  const fail = (message: string): never => {
    throw new MayflyError("DAMAGED", message);
  };
  if (totals.records !== records) fail(`${totals.records} records came out and ${records} went in.`);
  const expected = BigInt.asUintN(128, checksum).toString(16);
  if (totals.checksum !== expected)
    fail(`What came out sums up to ${totals.checksum}, what went in to ${expected}.`);
  if (!totals.ordered) fail("The partitions are out of order.");
}
