/** The shuffle of a job: the interfaces; what does the work is loaded with the first call. */
import type { CallOptions } from "../call-options.ts";

export interface ShuffleOptions {
  /** Map tasks, numbered from 0; each commits once. Up to 65,536. */
  readonly maps: number;
  /** Partitions, numbered from 0. Up to 16,384. */
  readonly partitions: number;
}

export interface WriterOptions extends CallOptions {
  /** Names this attempt of the map in messages; random by default. Two attempts never mix, whatever they are named. */
  readonly attempt?: string;
  /** Records are gathered until there are so many bytes, and leave sorted by partition: 16 MiB by default. */
  readonly bufferBytes?: number;
}

export interface CommittedMap {
  /** False when another attempt of this map was committed before: this one was discarded, and freed. */
  readonly isFirst: boolean;
  readonly records: number;
  readonly bytes: number;
}

/**
 * The output of one attempt of a map. `timeoutMs` is for each call. When a call fails the attempt is over: `abort` it, and begin
 * another one.
 */
export interface ShuffleWriter {
  /**
   * Adds a record, or several in one piece that counts as one, to a partition; the bytes are copied before it resolves. Resolves
   * at once, but for when the network is slower than the map. Calls take effect in their order, awaited or not.
   * @throws MayflyError INVALID_ARGUMENT, QUOTA_EXCEEDED, JOB_ENDED, UNAVAILABLE, DEADLINE_EXCEEDED
   */
  write(partition: number, record: Uint8Array | string): Promise<void>;
  /**
   * Adds many records that are in the order of their partitions already: of each partition how many bytes and records. The bytes
   * must not change before it resolves. As `write`.
   */
  writeRun(bytes: Uint8Array, lengths: ArrayLike<number>, records: ArrayLike<number>): Promise<void>;
  /** Makes all of it visible to readers at once, unless another attempt was first. */
  commit(): Promise<CommittedMap>;
  /** Frees what was written; nothing of it was ever visible. */
  abort(): Promise<void>;
  /** Aborts what was not committed. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** What one map wrote to the partition without a break. */
export interface ShuffleBlock {
  readonly map: number;
  readonly records: number;
  /** Empty when all records are. */
  readonly data: Uint8Array;
}

export interface ReaderOptions extends CallOptions {
  /** Memory for blocks that were fetched and not taken yet; a larger output of one map is fetched all the same. 16 MiB by default. */
  readonly prefetchBytes?: number;
  /**
   * Where the bytes of a block go, so that they are received where they are needed: called with how many there are, before they are
   * fetched, and again for a block that has to be fetched again. New memory by default.
   */
  readonly allocate?: (bytes: number) => Uint8Array;
}

/**
 * The blocks of one partition, from each map once, in no order; ends when all maps were read. It begins before they have
 * committed, and waits for them on the server: `timeoutMs` is how long for the next one, 5 minutes by default.
 *
 * When outputs were lost `next` rejects with code LOST and `maps`, those that have to run again, after all others were read. The
 * same reader then goes on: call `next`, or iterate it again.
 */
export interface PartitionReader extends AsyncIterable<ShuffleBlock> {
  next(): Promise<IteratorResult<ShuffleBlock, undefined>>;
  /** Ends the iteration, not the reader: who left a loop early can go on. */
  return(): Promise<IteratorResult<ShuffleBlock, undefined>>;
  [Symbol.asyncIterator](): PartitionReader;
}

export interface ShuffleProgress {
  readonly maps: number;
  readonly committed: number;
  /** Of the maps that have committed. */
  readonly records: number;
  readonly bytes: number;
}

/** All-to-all exchange between maps and readers of partitions, exactly once: each map counts with its first committed attempt. */
export interface Shuffle {
  writer(map: number, options?: WriterOptions): ShuffleWriter;
  reader(partition: number, options?: ReaderOptions): PartitionReader;
  progress(options?: CallOptions): Promise<ShuffleProgress>;
  /** Frees all of it. Whoever still reads or writes fails. */
  delete(options?: CallOptions): Promise<void>;
}
