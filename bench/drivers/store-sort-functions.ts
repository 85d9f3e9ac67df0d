/**
 * The functions of `mayfly sort` on another store: the same code, but for where blocks go. Which store that is stands in the URL that
 * this module is imported by: `store-sort-functions.js?<target as JSON, URL-encoded>`.
 */
import type { FunctionContext } from "../../src/executor/executor.ts";
import { mapTo } from "../../src/sort/functions/map.ts";
import { reduceFrom } from "../../src/sort/functions/reduce.ts";
import type {
  LostMaps,
  MapEvent,
  MapResult,
  ReduceEvent,
  ReduceResult,
  ShuffleRef,
  SortShuffle,
} from "../../src/sort/sort-events.ts";
import { type BlockShuffle, openShuffleStore, type ShuffleTarget } from "../peers/shuffle-store.ts";

const target = JSON.parse(decodeURIComponent(new URL(import.meta.url).search.slice(1))) as ShuffleTarget;
const store = await openShuffleStore(target);

export function mapRecords(event: MapEvent, context: FunctionContext): Promise<MapResult> {
  return mapTo(sortShuffle(event.shuffle), event, context);
}

export function reducePartition(
  event: ReduceEvent,
  context: FunctionContext,
): Promise<ReduceResult | LostMaps> {
  return reduceFrom(sortShuffle(event.shuffle), event, context);
}

let kept: { readonly name: string; readonly shuffle: BlockShuffle } | undefined;

function sortShuffle({ name, maps, wave }: ShuffleRef): SortShuffle {
  if (kept?.name !== name) kept = { name, shuffle: store.shuffle({ name, maps, partitions: wave.count }) };
  const { shuffle } = kept;
  return {
    writer(map) {
      const writer = shuffle.writer(map);
      return {
        writeRun: ({ buffer, byteOffset, length }, lengths, records) =>
          writer.writeRun(Buffer.from(buffer, byteOffset, length), lengths, records),
        commit: async () => {
          await writer.commit();
          return { isFirst: true, records: 0, bytes: 0 };
        },
        // What is left of it goes with the server.
        abort: async () => undefined,
      };
    },
    reader: (partition) => shuffle.reader(partition),
  };
}
