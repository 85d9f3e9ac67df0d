/** What passes between the coordinator of a sort and its functions: events, results, and the names of keys. */
import type { RecordFormat } from "./record-kernel.ts";
import type { MapTask } from "./sort-plan.ts";

export type SortInput = { readonly generate: RecordFormat } | { readonly file: string };

export interface MapEvent {
  readonly map: number;
  readonly task: MapTask;
  readonly input: SortInput;
  readonly partitions: number;
  /** Records of the largest map, so that one kernel serves all of a function's calls. */
  readonly recordsMax: number;
}

export interface MapResult {
  readonly records: number;
  /** Shards, parity and checksums on the nodes. */
  readonly storedBytes: number;
  readonly rssBytes: number;
}

export interface ReduceEvent {
  readonly partition: number;
  readonly partitions: number;
  readonly maps: number;
  /** A kernel for so many records is made at first; a larger partition gets a larger one. */
  readonly recordsExpected: number;
  /** Where the partition goes in the output file; undefined when the output is only validated. */
  readonly output: string | undefined;
}

export interface ReduceResult {
  readonly partition: number;
  readonly records: number;
  /** Sum of the CRC32s of the records, as a decimal text: it does not fit a number. */
  readonly checksum: string;
  readonly duplicateKeys: number;
  /** Hex; empty for an empty partition. */
  readonly firstKey: string;
  readonly lastKey: string;
  readonly shuffleMs: number;
  readonly reduceMs: number;
  readonly rssBytes: number;
}

export const splitsKey = "sort/splits";
export const mapOutputKey = (map: number): string => `sort/map/${map}`;
export const mapIndexKey = (map: number): string => `sort/index/${map}`;
