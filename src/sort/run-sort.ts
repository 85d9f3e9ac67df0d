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
import type { MappedWave, SortJournal, WaveFigures } from "./sort-journal.ts";
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
  /** Of `chooseSortSplits`; drawn by default. */
  readonly splits?: string;
  readonly output: SortOutput | undefined;
  /** Where work is committed as it is done, and what was done before. */
  readonly journal?: SortJournal | undefined;
  readonly workers: number;
  readonly functions?: SortFunctions;
  /** The most that all processes had resident together since it was called last, in bytes. */
  readonly takePeakMemory?: () => number;
  /** Called between map and reduce of the first wave that is run. */
  readonly betweenPhases: () => Promise<void>;
  readonly onProgress: (phase: SortPhase, doneBytes: number) => void;
  readonly onWave?: (figures: WaveFigures) => void;
}

export interface SortResult extends SortTotals {
  /** From the start of the first map to the last validation; of a resumed sort also the waves that were done before. */
  readonly seconds: number;
  /** Map is wall time; shuffle and reduce overlap: of each, the mean over the workers. */
  readonly phaseSeconds: { readonly map: number; readonly shuffle: number; readonly reduce: number };
  readonly waves: readonly WaveFigures[];
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

/** The split keys between all partitions, in base64. */
export async function chooseSortSplits(input: SortInput, plan: SortPlan, rng: Rng): Promise<string> {
  const samples = await sampleKeys(input, plan.records, plan.partitions * sampleKeysPerPartition, rng);
  return Buffer.from(chooseSplits(samples, plan.partitions)).toString("base64");
}

/**
 * @throws MayflyError DAMAGED when what came out is not what went in; INPUT_INVALID; whatever the functions throw. What a journal
 * has by then stays good.
 */
export async function runSort(run: SortRun): Promise<SortResult> {
  const { plan, output } = run;
  const splits = run.splits ?? (await chooseSortSplits(run.input, plan, run.rng));
  const sort = new Sort(run, splits);
  for (const [index, wave] of plan.waves.entries()) await sort.shuffle(wave, index);
  const { reduced, waves, mapsRunAgain } = sort;
  const totals = totalsOf(reduced);
  checkTotals(totals, plan.records, sort.checksum);
  await output?.publish();
  const mean = (of: (result: ReduceResult) => number): number =>
    reduced.reduce((sum, result) => sum + of(result), 0) / run.workers / 1000;
  const sumOf = (of: (wave: WaveFigures) => number): number => waves.reduce((sum, wave) => sum + of(wave), 0);
  return {
    ...totals,
    ...{ seconds: sumOf(({ seconds }) => seconds), waves, mapsRunAgain },
    storedBytes: sumOf(({ storedBytes }) => storedBytes),
    phaseSeconds: {
      map: sumOf(({ mapSeconds }) => mapSeconds),
      shuffle: mean(({ shuffleMs }) => shuffleMs),
      reduce: mean(({ reduceMs }) => reduceMs),
    },
    workerRssBytes: run.workers * sort.rssBytesMax,
  };
}

class Sort {
  readonly reduced: ReduceResult[];
  readonly waves: WaveFigures[];
  /** Of all records that the maps have written. */
  checksum = 0n;
  mapsRunAgain = 0;
  rssBytesMax = 0;
  readonly #run: SortRun;
  readonly #splits: string;
  readonly #functions: SortFunctions;
  readonly #progress: Readonly<Record<SortPhase, (bytes: number) => void>>;
  /** Maps that run again now; several reducers may ask for the same one. */
  readonly #again = new Map<number, Promise<unknown>>();
  #recordsBefore = 0;
  #isFirst = true;

  constructor(run: SortRun, splits: string) {
    this.#run = run;
    this.#splits = splits;
    this.#functions = run.functions ?? sortFunctions;
    const counter = (phase: SortPhase): ((bytes: number) => void) => countProgress(run, phase);
    this.#progress = { map: counter("map"), shuffle: counter("shuffle"), reduce: counter("reduce") };
    this.reduced = [...(run.journal?.done.reduced ?? [])];
    this.waves = [...(run.journal?.done.waves ?? [])];
  }

  /** Sorts the partitions of one wave, those that are not done yet. */
  async shuffle(wave: Wave, index: number): Promise<void> {
    const { plan, clock, job, journal } = this.#run;
    const before = journal?.done.mapped.get(index);
    const left = this.#leftOf(wave);
    if (before !== undefined) this.#tellOfDone(before, wave, left);
    if (left === undefined && before !== undefined) return this.#passed(before);
    const shuffle: ShuffleRef = { name: `sort ${index}`, maps: plan.maps.length, wave: left ?? wave };
    this.#run.takePeakMemory?.();
    const startMs = clock.now();
    const results = await Promise.all(plan.maps.map((_, map) => this.#map(shuffle, map)));
    const mappedMs = clock.now();
    const mapped = before ?? mappedOf(results, index);
    if (before !== undefined) checkSame(before, mappedOf(results, index), wave, shuffle.wave);
    else await journal?.append({ kind: "mapped", ...mapped });
    if (this.#isFirst) await this.#run.betweenPhases();
    this.#isFirst = false;
    await this.#reduceAll(shuffle, wave, mapped);
    if (index + 1 < plan.waves.length)
      await job.shuffle(shuffle.name, { maps: shuffle.maps, partitions: shuffle.wave.count }).delete();
    const bytes =
      sumOf(mapped.counts.slice(shuffle.wave.first - wave.first).slice(0, shuffle.wave.count)) * recordBytes;
    const seconds = (clock.now() - startMs) / 1000;
    const figures: WaveFigures = {
      ...{ wave: index, bytes, seconds, mapSeconds: (mappedMs - startMs) / 1000 },
      reduceSeconds: (clock.now() - mappedMs) / 1000,
      storedBytes: this.#storedBytes(results),
      rssPeakBytes: this.#run.takePeakMemory?.() ?? 0,
    };
    this.waves.push(figures);
    await journal?.append({ kind: "wave", ...figures });
    this.#run.onWave?.(figures);
    this.#passed(mapped);
  }

  #passed({ counts, checksum }: MappedWave): void {
    this.#recordsBefore += sumOf(counts);
    this.checksum += BigInt(checksum);
  }

  /** From the first to the last of its partitions that are not done, or undefined when all are. */
  #leftOf(wave: Wave): Wave | undefined {
    const done = this.#run.journal?.done.partitions;
    const left = Array.from({ length: wave.count }, (_, place) => wave.first + place).filter(
      (partition) => done?.has(partition) !== true,
    );
    const [first, last] = [left[0], left.at(-1)];
    return first === undefined || last === undefined ? undefined : { first, count: last - first + 1 };
  }

  /** What was done before counts as progress, too. */
  #tellOfDone({ counts }: MappedWave, wave: Wave, left: Wave | undefined): void {
    const inside = left === undefined ? 0 : sumOf(counts.slice(left.first - wave.first).slice(0, left.count));
    const bytes = (sumOf(counts) - inside) * recordBytes;
    for (const tell of Object.values(this.#progress)) tell(bytes);
  }

  async #map(shuffle: ShuffleRef, map: number): Promise<MapResult> {
    const { plan, executor, input } = this.#run;
    const task = plan.maps[map]!;
    const event: MapEvent = { shuffle, map, task, input, splits: this.#splits, capacity: plan.mapCapacity };
    const onProgress = ({ mapped = 0 }): void => this.#progress.map(mapped);
    const result = (await executor.run(this.#functions.map, event, { onProgress })) as MapResult;
    this.rssBytesMax = Math.max(this.rssBytesMax, result.rssBytes);
    return result;
  }

  #storedBytes(results: readonly MapResult[]): number {
    const { code } = this.#run;
    return results.reduce((sum, { counts }) => sum + storedBytesOf(sumOf(counts) * recordBytes, code), 0);
  }

  async #reduceAll(shuffle: ShuffleRef, wave: Wave, { counts }: MappedWave): Promise<void> {
    const { plan, output, journal } = this.#run;
    // The functions size their memory for this; a fuller partition makes them grow it.
    const recordsExpected = Math.ceil((plan.records / plan.partitions) * 1.25);
    const events: ReduceEvent[] = [];
    let firstRecord = this.#recordsBefore;
    for (const [place, records] of counts.entries()) {
      const partition = wave.first + place;
      const isIn = partition >= shuffle.wave.first && partition < shuffle.wave.first + shuffle.wave.count;
      if (isIn && journal?.done.partitions.has(partition) !== true)
        events.push({
          ...{ shuffle, partition, records, recordsExpected, firstRecord },
          ...{ output: output?.temporaryPath, durable: journal !== undefined },
        });
      firstRecord += records;
    }
    const reduceOne = async (event: ReduceEvent): Promise<ReduceResult> => {
      const result = await this.#reduce(event);
      await journal?.append({ kind: "reduced", ...result });
      return result;
    };
    this.reduced.push(...(await Promise.all(events.map(reduceOne))));
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

function mappedOf(results: readonly MapResult[], wave: number): MappedWave {
  const counts = new Array<number>(results[0]?.counts.length ?? 0).fill(0);
  let checksum = 0n;
  for (const result of results) {
    for (const [place, count] of result.counts.entries()) counts[place]! += count;
    checksum += BigInt(result.checksum);
  }
  return { wave, counts, checksum: checksum.toString() };
}

/** The same input gives the same partitions again. @throws MayflyError INPUT_INVALID */
function checkSame(before: MappedWave, again: MappedWave, wave: Wave, part: Wave): void {
  const wanted = before.counts.slice(part.first - wave.first).slice(0, part.count);
  if (wanted.every((count, place) => count === again.counts[place])) return;
  const message = `The input of wave ${before.wave} is not what it was when the sort was begun: sort it anew.`;
  throw new MayflyError("INPUT_INVALID", message);
}

function sumOf(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
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
