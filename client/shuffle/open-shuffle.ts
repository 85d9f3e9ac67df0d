import { MayflyError } from "../../src/errors.ts";
import type { CallOptions } from "../call-options.ts";
import { deleteCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { deadlineOf } from "../exchange/queue-calls.ts";
import type { ReaderOptions, ShuffleOptions, ShuffleProgress, WriterOptions } from "./interfaces.ts";
import { partitionsPerTable } from "./layout.ts";
import { MapWriter } from "./map-writer.ts";
import { NoticeFeed } from "./notice-feed.ts";
import { BlockReader } from "./partition-reader.ts";
import { ShuffleKeys } from "./shuffle-keys.ts";

const deletesInFlight = 64;

/** A shuffle whose code is loaded. */
export class OpenShuffle {
  readonly #keys: ShuffleKeys;
  readonly #feed: NoticeFeed;

  constructor(keys: ShuffleKeys) {
    this.#keys = keys;
    this.#feed = new NoticeFeed(keys);
  }

  writer(map: number, options: WriterOptions = {}): MapWriter {
    const { maps } = this.#keys;
    if (Number.isInteger(map) && map >= 0 && map < maps) return new MapWriter(this.#keys, map, options);
    throw new MayflyError("INVALID_ARGUMENT", `There is no map ${map}: there are ${maps}, from 0 on.`);
  }

  reader(partition: number, options: ReaderOptions = {}): BlockReader {
    return new BlockReader(this.#keys, this.#feed, partition, options);
  }

  async progress(options: CallOptions = {}): Promise<ShuffleProgress> {
    const deadline = deadlineOf(this.#keys.notices, "progress", options);
    const notices = await this.#feed.all(deadline);
    // Of a map whose output was lost the one that came last counts.
    const committed = new Map(notices.map((notice) => [notice.map, notice]));
    const sum = { records: 0, bytes: 0 };
    for (const { records, ref } of committed.values()) {
      sum.records += records;
      sum.bytes += ref?.sizeBytes ?? 0;
    }
    return { maps: this.#keys.maps, committed: committed.size, ...sum };
  }

  async delete(options: CallOptions = {}): Promise<void> {
    const keys = this.#keys;
    const deadline = deadlineOf(keys.notices, "delete", options);
    const all = [keys.notices.key];
    for (let first = 0; first < keys.partitions; first += partitionsPerTable)
      all.push(keys.tables(first / partitionsPerTable).key);
    for (let map = 0; map < keys.maps; map++) all.push(keys.output(map));
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let key = all[next++]; key !== undefined; key = all[next++])
        await deleteCell(keys.context, key, undefined, deadline);
    };
    await Promise.all(Array.from({ length: deletesInFlight }, worker));
  }
}

/** @throws MayflyError INVALID_ARGUMENT */
export function openShuffle(context: ClientContext, name: string, options: ShuffleOptions): OpenShuffle {
  return new OpenShuffle(new ShuffleKeys(context, name, options));
}
