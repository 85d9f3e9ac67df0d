/**
 * Where maps leave blocks and reducers find them, as scenarios that shuffle see it: the part of the SDK's `Shuffle` that all
 * contenders can do. The client side of a store is opened in the process of a worker, by a target that is plain JSON.
 */
import type { ShuffleBlock, ShuffleOptions } from "../../client/shuffle/interfaces.ts";

export interface ShuffleShape extends ShuffleOptions {
  readonly name: string;
}

export interface BlockWriter {
  /** As `ShuffleWriter.writeRun`: records in the order of their partitions; the bytes do not change before it resolves. */
  writeRun(bytes: Buffer, lengths: ArrayLike<number>, records: ArrayLike<number>): Promise<void>;
  /** Resolves when readers can have all of it. */
  commit(): Promise<unknown>;
}

export interface BlockShuffle {
  writer(map: number): BlockWriter;
  /** The blocks of a partition, for who begins when all maps have committed: of the contenders only Mayfly waits for them. */
  reader(partition: number): AsyncIterable<ShuffleBlock>;
  /** Frees all of it. */
  delete(): Promise<void>;
}

export interface ShuffleStore {
  shuffle(shape: ShuffleShape): BlockShuffle;
  /** Commands or HTTP requests that this client has sent so far. */
  requests(): number;
  close(): Promise<void>;
}

/** `pipeline`: a SET or GET for each block, many in one write; `multi-key`: MSET and MGET of many blocks. */
export type RedisBatches = "pipeline" | "multi-key";

export interface RedisPlace {
  readonly host: string;
  readonly port: number;
  readonly batches: RedisBatches;
}

export interface S3Place {
  readonly url: string;
  readonly access: string;
  readonly secret: string;
  readonly bucket: string;
  /** `block`: each block is an object; `run`: each run of a map is one, and readers ask for ranges. */
  readonly objects: "block" | "run";
}

export type ShuffleTarget =
  | { readonly ticket: string }
  | { readonly redis: RedisPlace }
  | { readonly s3: S3Place };

/** Imports the client library of this target only. @throws whatever the library throws when it cannot connect */
export async function openShuffleStore(target: ShuffleTarget): Promise<ShuffleStore> {
  if ("redis" in target) return await (await import("./redis-shuffle.ts")).openRedisShuffles(target.redis);
  if ("s3" in target) return (await import("./s3-shuffle.ts")).openS3Shuffles(target.s3);
  return await (await import("./mayfly-shuffle.ts")).openMayflyShuffles(target.ticket);
}
