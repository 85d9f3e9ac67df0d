import type { CommittedMap, ShuffleWriter } from "../shuffle/interfaces.ts";
import type { RecordCodec } from "./codec.ts";

/** Makes one record of two with the same key, in the map: less to send. Records may also arrive uncombined. */
export interface Combiner<T> {
  readonly keyOf: (record: T) => string;
  /** Both are of the same key. May change and return the first one. */
  readonly merge: (first: T, second: T) => T;
  /** Keys that are held before they are sent; 100,000 by default. */
  readonly keysMax?: number;
}

export interface RecordWriterOptions<T> {
  readonly codec: RecordCodec<T>;
  /** From 0 to the partitions of the shuffle; see `partitionOf`. */
  readonly partitionOf: (record: T) => number;
  readonly combine?: Combiner<T>;
}

const keysMaxDefault = 100_000;

/** Writes records to the partitions they belong to. Commits and aborts with the writer it was made for. */
export class RecordWriter<T> {
  readonly #writer: ShuffleWriter;
  readonly #options: RecordWriterOptions<T>;
  readonly #held = new Map<string, T>();

  constructor(writer: ShuffleWriter, options: RecordWriterOptions<T>) {
    this.#writer = writer;
    this.#options = options;
  }

  /** As `ShuffleWriter.write`. */
  async write(record: T): Promise<void> {
    const { combine } = this.#options;
    if (combine === undefined) {
      await this.#send(record);
      return;
    }
    const key = combine.keyOf(record);
    const held = this.#held.get(key);
    this.#held.set(key, held === undefined ? record : combine.merge(held, record));
    if (this.#held.size >= (combine.keysMax ?? keysMaxDefault)) await this.#sendHeld();
  }

  /** As `ShuffleWriter.commit`; counted are the records that were sent. */
  async commit(): Promise<CommittedMap> {
    await this.#sendHeld();
    return await this.#writer.commit();
  }

  async abort(): Promise<void> {
    this.#held.clear();
    await this.#writer.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  async #sendHeld(): Promise<void> {
    for (const record of this.#held.values()) await this.#send(record);
    this.#held.clear();
  }

  #send(record: T): Promise<void> {
    const { codec, partitionOf } = this.#options;
    return this.#writer.write(partitionOf(record), codec.encode(record));
  }
}
