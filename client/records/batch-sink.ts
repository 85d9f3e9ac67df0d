import { MayflyError } from "../../src/errors.ts";
import type { ShuffleWriter } from "../shuffle/interfaces.ts";
import type { BatchCodec } from "./codec.ts";

export const batchRecordsDefault = 100_000;

/** Gathers records by partition, and sends all of them as a run: one batch for each partition that has some. */
export class BatchSink<T> {
  readonly #writer: ShuffleWriter;
  readonly #codec: BatchCodec<T>;
  readonly #partitions: number;
  readonly #recordsMax: number;
  #batches: T[][];
  #count = 0;

  constructor(writer: ShuffleWriter, codec: BatchCodec<T>, partitions: number, recordsMax: number) {
    this.#writer = writer;
    this.#codec = codec;
    this.#partitions = partitions;
    this.#recordsMax = recordsMax;
    this.#batches = this.#empty();
  }

  async send(partition: number, record: T): Promise<void> {
    const batch = this.#batches[partition];
    if (batch === undefined) {
      const message = `There is no partition ${partition}: there are ${this.#partitions}, from 0 on.`;
      throw new MayflyError("INVALID_ARGUMENT", message);
    }
    batch.push(record);
    this.#count += 1;
    if (this.#count >= this.#recordsMax) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#count === 0) return;
    const batches = this.#batches;
    this.#batches = this.#empty();
    this.#count = 0;
    const encoded = batches.map((batch) =>
      batch.length === 0 ? new Uint8Array(0) : this.#codec.encodeBatch(batch),
    );
    await this.#writer.writeRun(
      Buffer.concat(encoded),
      encoded.map(({ length }) => length),
      batches.map(({ length }) => length),
    );
  }

  #empty(): T[][] {
    return Array.from({ length: this.#partitions }, () => []);
  }
}
