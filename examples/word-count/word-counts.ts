/** What the functions of the word count send to one another, and what they answer. */

import { type Combiner, jsonLines, type RecordCodec } from "mayfly/records";
import { messagePack } from "../codecs/messagepack.ts";
import type { FileRange } from "./words.ts";

export interface WordCount {
  readonly word: string;
  readonly count: number;
}

export const codecNames = ["json", "messagepack"] as const;
export type CodecName = (typeof codecNames)[number];

/** Of the one shuffle there is. */
export interface ShuffleEvent {
  readonly maps: number;
  readonly partitions: number;
  readonly codec: CodecName;
}

export interface MapEvent extends ShuffleEvent {
  readonly map: number;
  readonly parts: readonly FileRange[];
}

export interface MapResult {
  readonly words: number;
  /** After words were combined. */
  readonly sent: number;
}

export interface ReduceEvent extends ShuffleEvent {
  readonly partition: number;
  readonly top: number;
}

export interface ReduceResult {
  readonly words: number;
  readonly distinct: number;
  /** The most frequent words of the partition. */
  readonly top: readonly WordCount[];
}

export const shuffleName = "words";

export function codecOf(name: CodecName): RecordCodec<WordCount> {
  return name === "json" ? jsonLines() : messagePack();
}

export const combine: Combiner<WordCount> = {
  keyOf: ({ word }) => word,
  merge: (first, second) => ({ word: first.word, count: first.count + second.count }),
};

/** The most frequent first; words that are equally frequent in the order of their characters. */
export function topOf(counts: Iterable<WordCount>, top: number): WordCount[] {
  const byCount = (a: WordCount, b: WordCount): number => b.count - a.count || (a.word < b.word ? -1 : 1);
  return [...counts].sort(byCount).slice(0, top);
}
