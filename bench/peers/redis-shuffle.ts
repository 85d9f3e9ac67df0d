/**
 * A shuffle on Redis through ioredis: a key for each block, values as Buffers, one connection a client, batches of bounded size with
 * another one under way.
 *
 * Of what ioredis 6 can do MSET and `mgetBuffer` are the fastest by far: a pipeline makes a promise for each command and joins all
 * values by copying them, which costs two to four times as much CPU time with blocks of 6 and 25 KB. Larger batches are slower: they
 * leave the caches.
 */
import { Redis } from "ioredis";
import { BlockIndex, type BlockPlace, IndexWriter } from "./block-index.ts";
import { eachOf, readAhead } from "./read-ahead.ts";
import type { BlockShuffle, BlockWriter, RedisPlace, ShuffleShape, ShuffleStore } from "./shuffle-store.ts";

const batchBytes = 512 * 1024;
const batchKeys = 1024;
const batchesInFlight = 2;

type Pair = readonly [key: string, value: Buffer];

/** Reads and writes of many keys. */
interface Batches {
  set(pairs: readonly Pair[]): Promise<void>;
  get(keys: readonly string[]): Promise<readonly (Buffer | null)[]>;
  /** Commands so far. */
  sent(): number;
}

export async function openRedisShuffles({ host, port, batches }: RedisPlace): Promise<ShuffleStore> {
  const redis = new Redis({ host, port, lazyConnect: true });
  await redis.connect();
  const calls = batches === "pipeline" ? pipelined(redis) : multiKey(redis);
  return {
    shuffle: (shape) => shuffleOn(redis, calls, shape),
    requests: calls.sent,
    async close() {
      redis.disconnect();
    },
  };
}

function multiKey(redis: Redis): Batches {
  let commands = 0;
  return {
    async set(pairs) {
      commands += 1;
      await redis.mset(...pairs.flat());
    },
    get(keys) {
      commands += 1;
      return redis.mgetBuffer(...keys);
    },
    sent: () => commands,
  };
}

function pipelined(redis: Redis): Batches {
  let commands = 0;
  return {
    async set(pairs) {
      commands += pairs.length;
      const pipeline = redis.pipeline();
      for (const [key, value] of pairs) pipeline.set(key, value);
      for (const [error] of (await pipeline.exec()) ?? []) if (error !== null) throw error;
    },
    async get(keys) {
      commands += keys.length;
      const pipeline = redis.pipeline();
      for (const key of keys) pipeline.getBuffer(key);
      return ((await pipeline.exec()) ?? []).map(([error, value]) => {
        if (error !== null) throw error;
        return value as Buffer | null;
      });
    },
    sent: () => commands,
  };
}

function shuffleOn(redis: Redis, calls: Batches, shape: ShuffleShape): BlockShuffle {
  const { name, maps, partitions } = shape;
  const indexKey = (map: number): string => `${name}/${map}`;
  const blockKey = ({ map, run, partition }: BlockPlace): string => `${name}/${map}/${run}/${partition}`;
  const read = async (keys: readonly string[]): Promise<Buffer[]> =>
    (await calls.get(keys)).map((value, at) => {
      if (value === null) throw new Error(`Redis has no key ${keys[at]}`);
      return value;
    });
  const index = new BlockIndex(partitions, () =>
    read(Array.from({ length: maps }, (_, map) => indexKey(map))),
  );

  async function* blocks(partition: number): AsyncGenerator<{ map: number; records: number; data: Buffer }> {
    const batches = inBatches(await index.blocksOf(partition));
    const fetched = readAhead(batches, batchesInFlight, async (batch) => {
      const values = await read(batch.map(blockKey));
      return batch.map(({ map, records }, at) => ({ map, records, data: values[at]! }));
    });
    for await (const batch of fetched) yield* batch;
  }

  return {
    writer: (map) => writerOf(map, calls, blockKey, indexKey(map)),
    reader: blocks,
    /** All that the server has: it is there for one shuffle at a time. */
    async delete() {
      await redis.flushall("SYNC");
    },
  };
}

function writerOf(
  map: number,
  calls: Batches,
  blockKey: (place: BlockPlace) => string,
  indexKey: string,
): BlockWriter {
  const index = new IndexWriter();
  return {
    async writeRun(bytes, lengths, records) {
      const places = index.add(map, lengths, records).filter((place) => place.bytes > 0 || place.records > 0);
      await eachOf(inBatches(places), batchesInFlight, (batch) =>
        calls.set(
          batch.map((place) => [blockKey(place), bytes.subarray(place.offset, place.offset + place.bytes)]),
        ),
      );
    },
    commit: () => calls.set([[indexKey, index.encode()]]),
  };
}

function inBatches(places: readonly BlockPlace[]): BlockPlace[][] {
  const batches: BlockPlace[][] = [];
  let [batch, bytes]: [BlockPlace[], number] = [[], 0];
  for (const place of places) {
    if (batch.length === batchKeys || (batch.length > 0 && bytes + place.bytes > batchBytes)) {
      batches.push(batch);
      [batch, bytes] = [[], 0];
    }
    batch.push(place);
    bytes += place.bytes;
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}
