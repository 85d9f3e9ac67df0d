/**
 * A shuffle on an S3 server through the AWS SDK, in two ways: an object for each block; or an object for each run of a map, from
 * which readers take ranges. Many requests at a time over sockets that are kept, otherwise defaults.
 */
import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { BlockIndex, type BlockPlace, IndexWriter } from "./block-index.ts";
import { eachOf, readAhead } from "./read-ahead.ts";
import { s3Client } from "./s3.ts";
import type { BlockShuffle, BlockWriter, S3Place, ShuffleShape, ShuffleStore } from "./shuffle-store.ts";

const requestsInFlight = 32;
const deletesInFlight = 4;

/** Requests by name. */
interface Objects {
  put(key: string, body: Buffer): Promise<unknown>;
  get(key: string, range?: string): Promise<Buffer>;
  /** All whose names begin so. */
  remove(prefix: string): Promise<void>;
  sent(): number;
}

export function openS3Shuffles(place: S3Place): ShuffleStore {
  const { objects: _, ...target } = place;
  const client = s3Client(target);
  const objects = objectsOf(client, place.bucket);
  return {
    shuffle: (shape) => shuffleOn(objects, shape, place.objects),
    requests: objects.sent,
    async close() {
      client.destroy();
    },
  };
}

function objectsOf(client: S3Client, Bucket: string): Objects {
  let requests = 0;
  return {
    put(Key, Body) {
      requests += 1;
      return client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },
    async get(Key, Range) {
      requests += 1;
      const { Body } = await client.send(
        new GetObjectCommand({ Bucket, Key, ...(Range !== undefined && { Range }) }),
      );
      if (Body === undefined) throw new Error(`the S3 server answered for ${Key} without a body`);
      const bytes = await Body.transformToByteArray();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    },
    async remove(Prefix) {
      for (;;) {
        const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix }));
        if (Contents.length === 0) return;
        const Objects = Contents.map(({ Key }) => ({ Key }));
        const parts = Array.from({ length: deletesInFlight }, (_, part) =>
          Objects.filter((__, at) => at % deletesInFlight === part),
        ).filter((part) => part.length > 0);
        await eachOf(parts, deletesInFlight, (part) =>
          client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: part, Quiet: true } })),
        );
      }
    },
    sent: () => requests,
  };
}

function shuffleOn(objects: Objects, shape: ShuffleShape, kind: S3Place["objects"]): BlockShuffle {
  const { name, maps, partitions } = shape;
  const index = new BlockIndex(partitions, async () => {
    const all: Buffer[] = [];
    const numbers = Array.from({ length: maps }, (_, map) => map);
    for await (const each of readAhead(numbers, requestsInFlight, (map) => objects.get(indexKey(map))))
      all.push(each);
    return all;
  });
  const indexKey = (map: number): string => `${name}/${map}/index`;
  const runKey = ({ map, run }: BlockPlace): string => `${name}/${map}/run-${run}`;
  const blockKey = (place: BlockPlace): string => `${runKey(place)}/${place.partition}`;
  const fetch = async (place: BlockPlace): Promise<Buffer> => {
    const { offset, bytes } = place;
    if (bytes === 0) return Buffer.alloc(0);
    if (kind === "block") return await objects.get(blockKey(place));
    return await objects.get(runKey(place), `bytes=${offset}-${offset + bytes - 1}`);
  };

  async function* blocks(partition: number): AsyncGenerator<{ map: number; records: number; data: Buffer }> {
    yield* readAhead(await index.blocksOf(partition), requestsInFlight, async (place) => {
      const { map, records } = place;
      return { map, records, data: await fetch(place) };
    });
  }

  const writer = (map: number): BlockWriter => {
    const written = new IndexWriter();
    return {
      async writeRun(bytes, lengths, records) {
        const places = written.add(map, lengths, records).filter((place) => place.bytes > 0);
        if (kind === "run") {
          if (places.length > 0) await objects.put(runKey(places[0]!), bytes);
          return;
        }
        await eachOf(places, requestsInFlight, (place) =>
          objects.put(blockKey(place), bytes.subarray(place.offset, place.offset + place.bytes)),
        );
      },
      commit: () => objects.put(indexKey(map), written.encode()),
    };
  };

  return { writer, reader: blocks, delete: () => objects.remove(`${name}/`) };
}
