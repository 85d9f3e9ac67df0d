/** What passes between the coordinator of a sort and its functions: events and results. */
import type { ReaderOptions, ShuffleBlock, ShuffleWriter, WriterOptions } from "../../client/index.ts";
import type { RecordFormat } from "./record-kernel.ts";
import type { MapTask } from "./sort-plan.ts";

export type SortInput = { readonly generate: RecordFormat } | { readonly file: string };

/** What a sort needs of a shuffle; `job.shuffle` is one. */
export interface SortShuffle {
  writer(map: number, options: WriterOptions): Pick<ShuffleWriter, "writeRun" | "commit" | "abort">;
  reader(partition: number, options: ReaderOptions): AsyncIterable<ShuffleBlock>;
}

/** Partitions that are shuffled at a time, all there are or some: `count` of them from `first` on. */
export interface Wave {
  readonly first: number;
  readonly count: number;
}

export interface ShuffleRef {
  readonly name: string;
  readonly maps: number;
  readonly wave: Wave;
}

export interface MapEvent {
  readonly shuffle: ShuffleRef;
  readonly map: number;
  readonly task: MapTask;
  readonly input: SortInput;
  /** The split keys between all partitions, in base64. */
  readonly splits: string;
  /** Records that a function's kernel holds: what a map keeps beyond that becomes another run. */
  readonly capacity: number;
}

export interface MapResult {
  /** Records of each partition of the wave. */
  readonly counts: readonly number[];
  /** Sum of the CRC32s of those records, as a decimal text: it does not fit a number. */
  readonly checksum: string;
  readonly rssBytes: number;
}

export interface ReduceEvent {
  readonly shuffle: ShuffleRef;
  /** Among all partitions. */
  readonly partition: number;
  /** That the maps wrote to it. */
  readonly records: number;
  /** A kernel for so many records is made at first; a larger partition gets a larger one. */
  readonly recordsExpected: number;
  /** Records of all partitions before it: where it goes in the output. */
  readonly firstRecord: number;
  /** The output file; undefined when the output is only validated. */
  readonly output: string | undefined;
  /** What is written is on the disk before the result is told. */
  readonly durable?: boolean;
}

export interface ReduceResult {
  readonly partition: number;
  readonly records: number;
  /** Sum of the CRC32s of the records, as a decimal text. */
  readonly checksum: string;
  readonly duplicateKeys: number;
  /** Hex; empty for an empty partition. */
  readonly firstKey: string;
  readonly lastKey: string;
  readonly shuffleMs: number;
  readonly reduceMs: number;
  readonly rssBytes: number;
}

/** Instead of a result, when outputs of maps were lost with their nodes: these maps have to run again. */
export interface LostMaps {
  readonly lostMaps: readonly number[];
}
