import type { CommittedMap, ShuffleWriter } from "../shuffle/interfaces.ts";
import { BatchSink, batchRecordsDefault } from "./batch-sink.ts";
import type { BatchCodec, RecordCodec } from "./codec.ts";

/** Makes one record of two with the same key, in the map: less to send. Records may also arrive uncombined. */
export interface Combiner<T> {
  readonly keyOf: (record: T) => string;
  /** Both are of the same key. May change and return the first one. */
  readonly merge: (first: T, second: T) => T;
  /** Keys that are held before they are sent; 100,000 by default. */
  readonly keysMax?: number;
}

/** With a codec that encodes many records at once the writer has to know the partitions of the shuffle. */
export type RecordWriterOptions<T> = {
  /** From 0 to the partitions of the shuffle; see `partitionOf`. */
  readonly partitionOf: (record: T) => number;
  readonly combine?: Combiner<T>;
} & (
  | { readonly codec: RecordCodec<T> }
  | {
      readonly codec: BatchCodec<T>;
      readonly partitions: number;
      /** Records of all partitions that are held before each gets its batch; 100,000 by default. */
      readonly batchRecords?: number;
    }
);

/** Takes records in the order in which they are to be sent. */
interface Sink<T> {
  send(partition: number, record: T): Promise<void>;
  /** Sends what it holds. */
  flush(): Promise<void>;
}

const keysMaxDefault = 100_000;

/** Writes records to the partitions they belong to. Commits and aborts with the writer it was made for. */
export class RecordWriter<T> {
  readonly #writer: ShuffleWriter;
  readonly #options: RecordWriterOptions<T>;
  readonly #sink: Sink<T>;
  readonly #held = new Map<string, T>();

  constructor(writer: ShuffleWriter, options: RecordWriterOptions<T>) {
    this.#writer = writer;
    this.#options = options;
    this.#sink = sinkOf(writer, options);
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
    await this.#sink.flush();
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
    // All before anything is awaited: a write, or the commit, may come meanwhile.
    const sends = [...this.#held.values()].map((record) => this.#send(record));
    this.#held.clear();
    await Promise.all(sends);
  }

  #send(record: T): Promise<void> {
    return this.#sink.send(this.#options.partitionOf(record), record);
  }
}

function sinkOf<T>(writer: ShuffleWriter, options: RecordWriterOptions<T>): Sink<T> {
  if ("partitions" in options) {
    const { codec, partitions, batchRecords = batchRecordsDefault } = options;
    return new BatchSink(writer, codec, partitions, batchRecords);
  }
  const { codec } = options;
  return {
    send: (partition, record) => writer.write(partition, codec.encode(record)),
    flush: async () => undefined,
  };
}
