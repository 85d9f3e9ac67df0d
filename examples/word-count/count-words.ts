/** The word count: maps over shares of the files, a shuffle by word, and a sum of each partition. */
import { MayflyError } from "mayfly";
import type { HandlerRef, Stage } from "../run-on-fleet.ts";
import { createRun, runStage, type Task } from "../run-stages.ts";
import {
  type CodecName,
  type MapEvent,
  type MapResult,
  type ReduceEvent,
  type ReduceResult,
  type ShuffleEvent,
  shuffleName,
  topOf,
  type WordCount,
} from "./word-counts.ts";
import { shareOut } from "./words.ts";

export interface Plan {
  readonly files: readonly { readonly path: string; readonly bytes: number }[];
  readonly maps: number;
  readonly partitions: number;
  readonly codec: CodecName;
  readonly top: number;
}

export interface Counted {
  readonly words: number;
  readonly distinct: number;
  /** Records that maps sent: what combining left of the words. */
  readonly sent: number;
  readonly top: readonly WordCount[];
}

const handler = (file: string, name: string): HandlerRef => ({
  module: new URL(`./functions/${file}`, import.meta.url).href,
  name,
});

/** @throws MayflyError as the functions; DAMAGED when other words come out than went in */
export async function countWords(
  { executor, betweenStages }: Stage,
  { files, maps, partitions, codec, top }: Plan,
  progress: (what: string, done: number, total: number) => void,
): Promise<Counted> {
  const shuffle: ShuffleEvent = { maps, partitions, codec };
  const mapTasks = shareOut(files, maps).map((parts, map): Task => {
    const event: MapEvent = { ...shuffle, map, parts };
    return { handler: handler("map-words.js", "mapWords"), event, output: { shuffle: shuffleName, map } };
  });
  const reduceTasks = Array.from({ length: partitions }, (_, partition): Task => {
    const event: ReduceEvent = { ...shuffle, partition, top };
    return { handler: handler("reduce-words.js", "reduceWords"), event };
  });

  const run = createRun(executor, mapTasks);
  const mapped = (await runStage(run, mapTasks, (done) => progress("map", done, maps))) as MapResult[];
  betweenStages();
  const reduced = (await runStage(run, reduceTasks, (done) =>
    progress("reduce", done, partitions),
  )) as ReduceResult[];

  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const words = sum(reduced.map((result) => result.words));
  const wordsIn = sum(mapped.map((result) => result.words));
  if (words !== wordsIn) {
    throw new MayflyError("DAMAGED", `${words} words came out, and ${wordsIn} went in`);
  }
  return {
    words,
    distinct: sum(reduced.map((result) => result.distinct)),
    sent: sum(mapped.map((result) => result.sent)),
    top: topOf(
      reduced.flatMap((result) => result.top),
      top,
    ),
  };
}
