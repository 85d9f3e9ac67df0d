import { MayflyError } from "../../src/errors.ts";
import type { CallOptions } from "../call-options.ts";
import { deleteCell } from "../cells.ts";
import type { ClientContext } from "../context.ts";
import { deadlineOf } from "../exchange/queue-calls.ts";
import type { ReaderOptions, ShuffleOptions, ShuffleProgress, WriterOptions } from "./interfaces.ts";
import { partitionsPerTable } from "./layout.ts";
import { MapWriter } from "./map-writer.ts";
import { readNotices } from "./notices.ts";
import { BlockReader } from "./partition-reader.ts";
import { ShuffleKeys } from "./shuffle-keys.ts";

const deletesInFlight = 64;

/** A shuffle whose code is loaded. */
export class OpenShuffle {
  readonly #keys: ShuffleKeys;
  /** By map: what it wrote. */
  readonly #committed = new Map<number, { readonly records: number; readonly bytes: number }>();
  #noticesRead = 0;

  constructor(keys: ShuffleKeys) {
    this.#keys = keys;
  }

  writer(map: number, options: WriterOptions = {}): MapWriter {
    const { maps } = this.#keys;
    if (Number.isInteger(map) && map >= 0 && map < maps) return new MapWriter(this.#keys, map, options);
    throw new MayflyError("INVALID_ARGUMENT", `There is no map ${map}: there are ${maps}, from 0 on.`);
  }

  reader(partition: number, options: ReaderOptions = {}): BlockReader {
    return new BlockReader(this.#keys, partition, options);
  }

  async progress(options: CallOptions = {}): Promise<ShuffleProgress> {
    const deadline = deadlineOf(this.#keys.notices, "progress", options);
    for (;;) {
      const { notices, last } = await readNotices(this.#keys, this.#noticesRead, false, deadline);
      for (const { map, records, ref } of notices)
        this.#committed.set(map, { records, bytes: ref?.sizeBytes ?? 0 });
      this.#noticesRead = last;
      if (notices.length === 0) break;
    }
    const sum = { records: 0, bytes: 0 };
    for (const { records, bytes } of this.#committed.values()) {
      sum.records += records;
      sum.bytes += bytes;
    }
    return { maps: this.#keys.maps, committed: this.#committed.size, ...sum };
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
