import { MayflyError } from "../../src/errors.ts";
import { objectIdBytes } from "../../src/ids.ts";
import { createTable, messageField } from "../../src/wire/queue.ts";
import { stripeBytesMax } from "../../src/wire/stripe-layout.ts";
import { writeCell } from "../cells.ts";
import { updateNumber } from "../collections.ts";
import { addMessage, bytesOf, deadlineOf } from "../exchange/queue-calls.ts";
import { ObjectWriter } from "../objects/object-writer.ts";
import { type Deadline, within } from "../transport/deadline.ts";
import type { CommittedMap, ShuffleWriter, WriterOptions } from "./interfaces.ts";
import { attemptName, BlockSums, partitionsPerTable, rowBytes, runsMax, sumAt, writeRow } from "./layout.ts";
import { tellOf, tellOfCommitted } from "./notices.ts";
import { type Run, RunBuffer } from "./run-buffer.ts";
import type { ShuffleKeys } from "./shuffle-keys.ts";

const bufferBytesDefault = 16 * 1024 * 1024;
const bufferBytesMin = 64 * 1024;
const bufferBytesMax = 1024 * 1024 * 1024;
const timeoutMsDefault = 60_000;
const stripesInFlight = 4;
/** What a row of a table can say. */
const countMax = 2 ** 32 - 1;
const done = Promise.resolve();

/** A table that was published: so that a discarded attempt can take it back. */
interface Published {
  readonly table: number;
  readonly number: number;
}

/** Runs leave while the map goes on; the object, the attempt and the map are committed by one effect on the output's cell. */
export class MapWriter implements ShuffleWriter {
  readonly #keys: ShuffleKeys;
  readonly #map: number;
  readonly #attempt: string;
  readonly #options: WriterOptions;
  readonly #buffer: RunBuffer;
  readonly #object: ObjectWriter;
  readonly #sums: BlockSums;
  readonly #published: Published[] = [];
  readonly #publishing = new Set<Promise<void>>();
  readonly #sending = new Set<Promise<void>>();
  /** The beginning of a stripe whose end comes with the next run. */
  #carry: Buffer = Buffer.alloc(0);
  #carried = 0;
  #runs = 0;
  #records = 0;
  #bytes = 0;
  #failure: unknown;
  /** The last of the calls that do not return at once, and how many of them are not done. */
  #tail: Promise<void> = Promise.resolve();
  #waiting = 0;
  /** Until it is known that another attempt was first this one may be the one that counts. */
  #mayCount = false;
  #state: "open" | "committing" | "over" = "open";

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(keys: ShuffleKeys, map: number, options: WriterOptions) {
    const { context, partitions } = keys;
    const { bufferBytes = bufferBytesDefault } = options;
    if (
      !(Number.isSafeInteger(bufferBytes) && bufferBytes >= bufferBytesMin && bufferBytes <= bufferBytesMax)
    ) {
      const range = `a whole number from ${bufferBytesMin} (64 KiB) to ${bufferBytesMax} (1 GiB)`;
      throw new MayflyError("INVALID_ARGUMENT", `bufferBytes is ${bufferBytes}; it is ${range}.`);
    }
    this.#keys = keys;
    this.#map = map;
    this.#attempt = options.attempt ?? Buffer.from(context.rng.bytes(6)).toString("base64url");
    this.#options = { timeoutMs: timeoutMsDefault, ...options };
    this.#buffer = new RunBuffer(partitions, bufferBytes);
    this.#object = new ObjectWriter(context, keys.output(map));
    this.#sums = new BlockSums(context.memory().checksums, context.job);
  }

  write(partition: number, record: Uint8Array | string): Promise<void> {
    if (this.#state !== "open") return Promise.reject(this.#over());
    if (!(Number.isInteger(partition) && partition >= 0 && partition < this.#keys.partitions)) {
      const message = `There is no partition ${partition}: there are ${this.#keys.partitions}, from 0 on.`;
      return Promise.reject(new MayflyError("INVALID_ARGUMENT", message));
    }
    const bytes = typeof record === "string" ? bytesOf(record) : record;
    if (this.#waiting === 0 && this.#buffer.add(partition, bytes)) return done;
    return this.#inTurn(async () => {
      while (!this.#buffer.add(partition, bytes)) await this.#flush();
    });
  }

  async writeRun(bytes: Uint8Array, lengths: ArrayLike<number>, records: ArrayLike<number>): Promise<void> {
    if (this.#state !== "open") throw this.#over();
    const run = { bytes, lengths: Float64Array.from(lengths), records: Float64Array.from(records) };
    this.#checkRun(run);
    await this.#inTurn(async () => {
      await this.#flush();
      const deadline = this.#deadline("writeRun");
      await this.#send(run, deadline);
      await this.#sent(deadline);
    });
  }

  async commit(): Promise<CommittedMap> {
    if (this.#state !== "open") throw this.#over();
    this.#state = "committing";
    try {
      return await this.#inTurn(() => this.#finish());
    } catch (thrown) {
      await this.#discard();
      throw thrown;
    }
  }

  async abort(): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "over";
    await this.#inTurn(() => this.#discard()).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  /** Behind all calls before it, awaited or not. Once one has failed the attempt is over, and whatever follows fails, too. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    const turn = this.#tail.then(work);
    this.#tail = turn
      .then(
        () => undefined,
        (error: unknown) => {
          this.#failure ??= error;
        },
      )
      .finally(() => {
        this.#waiting -= 1;
      });
    return turn;
  }

  #checkRun({ bytes, lengths, records }: Run): void {
    const { partitions } = this.#keys;
    const counts = [...lengths, ...records];
    const total = lengths.reduce((sum, length) => sum + length, 0);
    const isRun = lengths.length === partitions && records.length === partitions && total === bytes.length;
    if (isRun && counts.every((count) => Number.isInteger(count) && count >= 0 && count <= countMax)) return;
    const found = `${lengths.length} lengths of ${total} bytes together and ${records.length} numbers of records`;
    const wanted = `${partitions} of each, whole numbers from 0 on, and the lengths of all ${bytes.length} bytes`;
    throw new MayflyError("INVALID_ARGUMENT", `A run of this shuffle has ${wanted}, not ${found}.`);
  }

  async #finish(): Promise<CommittedMap> {
    await this.#flush();
    const deadline = this.#deadline("commit");
    if (this.#carried > 0) this.#sendStripe(this.#carry.subarray(0, this.#carried), deadline);
    await this.#sent(deadline);
    await within(deadline, Promise.all(this.#publishing));
    this.#check();
    const isFirst = await this.#commit(deadline);
    this.#state = "over";
    return { isFirst, records: this.#records, bytes: this.#bytes };
  }

  /** @returns whether this attempt is the one that counts; then the others hear of it, else it is taken back */
  async #commit(deadline: Deadline): Promise<boolean> {
    const { context } = this.#keys;
    const key = this.#keys.output(this.#map);
    const condition = { ifAbsent: true } as const;
    const notice = { map: this.#map, object: this.#object.object, runs: this.#runs, records: this.#records };
    this.#mayCount = true;
    try {
      if (this.#bytes === 0) {
        const value = objectIdBytes(this.#object.object);
        await writeCell(context, { key, kind: "bytes", value, condition, ttlMs: 0 }, deadline);
        await tellOf(this.#keys, { ...notice, ref: undefined }, deadline);
      } else {
        const ref = await this.#object.commit({ condition, ttlMs: 0 }, deadline);
        await tellOf(this.#keys, { ...notice, ref }, deadline);
      }
      return true;
    } catch (thrown) {
      if (MayflyError.from(thrown).code !== "KEY_EXISTS") throw thrown;
    }
    this.#mayCount = false;
    // Whoever was first may have died before it told anybody.
    await Promise.all([this.#discard(), tellOfCommitted(this.#keys, this.#map, deadline)]);
    return false;
  }

  /** Sends what was gathered as a run, once the one before has left. */
  async #flush(): Promise<void> {
    this.#check();
    if (this.#buffer.isEmpty) return;
    const deadline = this.#deadline("write");
    // The run before lies where the next one is sorted to.
    await this.#sent(deadline);
    await this.#send(this.#buffer.take(), deadline);
  }

  /** The run is on its way when this resolves; its bytes must stay until `#sent`. */
  async #send({ bytes, lengths, records }: Run, deadline: Deadline): Promise<void> {
    if (this.#runs === runsMax) {
      const message = `A map writes up to ${runsMax} runs; give its writer a larger bufferBytes.`;
      throw new MayflyError("TOO_LARGE", message);
    }
    this.#publish(bytes, lengths, records, deadline);
    this.#runs += 1;
    this.#bytes += bytes.length;
    const stripeBytes = stripeBytesMax(this.#keys.context.code);
    let at = 0;
    if (this.#carried > 0) {
      at = this.#carryOn(bytes, stripeBytes);
      if (this.#carried === stripeBytes) {
        this.#sendStripe(this.#carry, deadline);
        this.#carry = Buffer.alloc(0);
        this.#carried = 0;
      }
    }
    for (; bytes.length - at >= stripeBytes; at += stripeBytes) {
      if (this.#sending.size >= stripesInFlight) await within(deadline, Promise.race(this.#sending));
      this.#check();
      this.#sendStripe(bytes.subarray(at, at + stripeBytes), deadline);
    }
    if (at < bytes.length) this.#carryOn(bytes.subarray(at), stripeBytes);
  }

  /** @returns how much of it fits the stripe that is being filled */
  #carryOn(bytes: Uint8Array, stripeBytes: number): number {
    const taken = Math.min(bytes.length, stripeBytes - this.#carried);
    if (this.#carry.length === 0) this.#carry = Buffer.allocUnsafeSlow(stripeBytes);
    this.#carry.set(bytes.subarray(0, taken), this.#carried);
    this.#carried += taken;
    return taken;
  }

  #sendStripe(bytes: Uint8Array, deadline: Deadline): void {
    this.#track(this.#sending, this.#object.send(bytes, deadline));
  }

  /** Says where the blocks of the run will be; nobody looks there before the output is committed. */
  #publish(bytes: Uint8Array, lengths: Float64Array, records: Float64Array, deadline: Deadline): void {
    const { object } = this.#object;
    const name = Buffer.from(`${attemptName(this.#map, object)}/${this.#runs}`);
    let at = 0;
    for (let first = 0; first < this.#keys.partitions; first += partitionsPerTable) {
      const count = Math.min(partitionsPerTable, this.#keys.partitions - first);
      const { table, rowsAt } = createTable(count, rowBytes);
      for (let row = 0; row < count; row++) {
        const partition = first + row;
        const length = lengths[partition]!;
        const rowAt = rowsAt + row * rowBytes;
        writeRow(table, rowAt, { offset: this.#bytes + at, bytes: length, records: records[partition]! });
        const sum = table.subarray(rowAt + sumAt, rowAt + sumAt + 8);
        this.#sums.write(object, this.#runs, partition, bytes.subarray(at, at + length), sum);
        at += length;
        this.#records += records[partition]!;
      }
      const place = first / partitionsPerTable;
      const addition = { id: name, name, data: table, limit: 0 };
      const adding = addMessage(this.#keys.tables(place), addition, deadline).then((number) => {
        this.#published.push({ table: place, number: Math.abs(number) });
      });
      this.#track(this.#publishing, adding);
    }
  }

  #track(set: Set<Promise<void>>, work: Promise<void>): void {
    const tracked = work
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => set.delete(tracked));
    set.add(tracked);
  }

  async #sent(deadline: Deadline): Promise<void> {
    await within(deadline, Promise.all(this.#sending));
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Frees shards and tables; best effort, what is out of reach goes with the job. */
  async #discard(): Promise<void> {
    this.#state = "over";
    await Promise.all([...this.#sending, ...this.#publishing]);
    if (this.#mayCount) {
      // Shards of what is not committed are freed by themselves.
      await this.#object.abort();
      return;
    }
    const deadline = deadlineOf(this.#keys.notices, "abort", {});
    const taken = this.#published.map(async ({ table, number }) => {
      const { context, key } = this.#keys.tables(table);
      const field = Buffer.from(messageField(number), "latin1");
      await updateNumber(context, key, "hdel", [field], deadline);
    });
    await Promise.allSettled([this.#object.abort(), ...taken]);
  }

  #over(): MayflyError {
    const message = `Attempt ${this.#attempt} of map ${this.#map} is over: begin another one.`;
    return new MayflyError("INVALID_ARGUMENT", message);
  }

  #deadline(call: string): Deadline {
    return deadlineOf(this.#keys.notices, `${call} of map ${this.#map}`, this.#options);
  }
}
