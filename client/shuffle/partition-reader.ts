import { MayflyError } from "../../src/errors.ts";
import { deleteCell } from "../cells.ts";
import { deadlineOf, readTableRows } from "../exchange/queue-calls.ts";
import type { Deadline } from "../transport/deadline.ts";
import { type BlockRead, fetchBlocks } from "./fetch-blocks.ts";
import type { PartitionReader, ReaderOptions, ShuffleBlock } from "./interfaces.ts";
import { attemptName, type BlockRow, type Notice, partitionsPerTable, readRow } from "./layout.ts";
import { MapsLostError } from "./maps-lost.ts";
import { readNotices } from "./notices.ts";
import type { ShuffleKeys } from "./shuffle-keys.ts";

const prefetchBytesDefault = 16 * 1024 * 1024;
const timeoutMsDefault = 5 * 60_000;
const mapsShownMax = 10;

/** The blocks of one map's output for this partition, fetched and handed out together: all of them count, or none. */
interface Unit {
  readonly notice: Notice;
  readonly rows: readonly BlockRow[];
  readonly bytes: number;
}

/**
 * One batch of outputs is handed out while the next one is fetched. Outputs are known by their notices, and where their blocks
 * lie by the tables; both are read from where the last read ended.
 */
export class BlockReader implements PartitionReader {
  readonly #keys: ShuffleKeys;
  readonly #partition: number;
  readonly #options: ReaderOptions;
  readonly #batchBytes: number;
  /** Maps whose blocks were handed out, or are about to be. */
  readonly #taken = new Set<number>();
  /** By map: the output to read. */
  readonly #outputs = new Map<number, Notice>();
  /** By attempt: its rows so far, by run. */
  readonly #rows = new Map<string, Map<number, BlockRow>>();
  /** Maps whose outputs were lost, until they are told of. */
  readonly #lost = new Set<number>();
  #noticesRead = 0;
  #rowsRead = 0;
  #blocks: ShuffleBlock[] = [];
  #next: Promise<readonly ShuffleBlock[] | undefined> | undefined;
  #isOver = false;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(keys: ShuffleKeys, partition: number, options: ReaderOptions) {
    const { prefetchBytes = prefetchBytesDefault } = options;
    if (!(Number.isInteger(partition) && partition >= 0 && partition < keys.partitions)) {
      const message = `There is no partition ${partition}: there are ${keys.partitions}, from 0 on.`;
      throw new MayflyError("INVALID_ARGUMENT", message);
    }
    if (!(Number.isSafeInteger(prefetchBytes) && prefetchBytes > 0))
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `prefetchBytes is ${prefetchBytes}; it is a number of bytes.`,
      );
    this.#keys = keys;
    this.#partition = partition;
    this.#options = { timeoutMs: timeoutMsDefault, ...options };
    this.#batchBytes = Math.ceil(prefetchBytes / 2);
  }

  async next(): Promise<IteratorResult<ShuffleBlock, undefined>> {
    for (;;) {
      const block = this.#blocks.shift();
      if (block !== undefined) return { done: false, value: block };
      if (this.#isOver) return { done: true, value: undefined };
      const fetching = this.#next ?? this.#nextBatch();
      this.#next = undefined;
      const blocks = await fetching;
      if (blocks === undefined) {
        this.#isOver = true;
        continue;
      }
      this.#blocks = [...blocks];
      this.#next = this.#nextBatch();
      // Its rejection is for who calls next.
      this.#next.catch(() => undefined);
    }
  }

  async return(): Promise<IteratorResult<ShuffleBlock, undefined>> {
    // A reader that was left in the middle of an iteration can go on.
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): PartitionReader {
    return this;
  }

  /** Undefined when all maps were read. */
  async #nextBatch(): Promise<readonly ShuffleBlock[] | undefined> {
    for (;;) {
      const deadline = this.#deadline();
      const units = this.#takeUnits();
      if (units.length > 0) {
        const blocks = await this.#fetch(units, deadline);
        if (blocks.length > 0) return blocks;
        continue;
      }
      if (this.#taken.size === this.#keys.maps) return undefined;
      const hadAny = await this.#look(this.#lost.size === 0, deadline);
      if (hadAny) continue;
      if (this.#lost.size > 0) throw this.#lostError();
      throw this.#lateError();
    }
  }

  /** Outputs that were not read yet, as many as fit a batch, one at least. */
  #takeUnits(): Unit[] {
    const units: Unit[] = [];
    let bytes = 0;
    for (const notice of this.#outputs.values()) {
      const rows = this.#rowsOf(notice);
      const unitBytes = rows.reduce((sum, row) => sum + row.bytes, 0);
      if (units.length > 0 && bytes + unitBytes > this.#batchBytes) break;
      this.#outputs.delete(notice.map);
      this.#taken.add(notice.map);
      units.push({ notice, rows, bytes: unitBytes });
      bytes += unitBytes;
    }
    return units;
  }

  #rowsOf({ map, object, runs, ref }: Notice): BlockRow[] {
    const rows = this.#rows.get(attemptName(map, object));
    if (ref === undefined) return [];
    return Array.from({ length: runs }, (_, run) => {
      const row = rows?.get(run);
      if (row !== undefined) return row;
      const message = `Run ${run} of map ${map} is not in the tables of ${this.#keys.notices.what}.`;
      throw new MayflyError("DAMAGED", message);
    });
  }

  async #fetch(units: readonly Unit[], deadline: Deadline): Promise<ShuffleBlock[]> {
    const reads = units.map((unit) => this.#readsOf(unit));
    let failures: Awaited<ReturnType<typeof fetchBlocks>>;
    try {
      failures = await fetchBlocks(this.#keys.context, reads.flat(), deadline);
    } catch (thrown) {
      // Nothing of them was handed out: whoever calls again gets them.
      for (const { notice } of units) this.#giveBack(notice);
      throw thrown;
    }
    const blocks: ShuffleBlock[] = [];
    for (const [place, { notice }] of units.entries()) {
      const failed = reads[place]!.flatMap((read) => failures.get(read) ?? []);
      if (failed.length > 0) {
        await this.#drop(notice, failed, deadline);
        continue;
      }
      this.#rows.delete(attemptName(notice.map, notice.object));
      for (const { map, records, into } of reads[place]!) blocks.push({ map, records, data: into });
    }
    return blocks;
  }

  #readsOf({ notice, rows }: Unit): BlockRead[] {
    const { map, ref } = notice;
    return rows.flatMap((row, run) => {
      if (row.bytes === 0 || ref === undefined) return [];
      return { ...row, map, run, partition: this.#partition, ref, into: Buffer.allocUnsafeSlow(row.bytes) };
    });
  }

  #giveBack(notice: Notice): void {
    this.#taken.delete(notice.map);
    if (!this.#outputs.has(notice.map)) this.#outputs.set(notice.map, notice);
  }

  /** The output is not there any more: lost, and then so for all; or another reader found that, and the map runs again. */
  async #drop(notice: Notice, errors: readonly MayflyError[], deadline: Deadline): Promise<void> {
    const { map, ref } = notice;
    this.#taken.delete(map);
    this.#rows.delete(attemptName(map, notice.object));
    const isLost = errors.some(({ code }) => code === "LOST");
    if (isLost && ref?.version !== undefined) {
      // The next attempt is the first one again.
      const condition = { ifVersion: ref.version };
      await deleteCell(this.#keys.context, this.#keys.output(map), condition, deadline).catch(
        (thrown: unknown) => {
          if (MayflyError.from(thrown).code !== "VERSION_MISMATCH") throw thrown;
        },
      );
    }
    if (!this.#outputs.has(map)) this.#lost.add(map);
  }

  /** Reads new notices, and the tables that go with them. @returns whether there were outputs to read among them */
  async #look(waits: boolean, deadline: Deadline): Promise<boolean> {
    const { notices, last } = await readNotices(this.#keys, this.#noticesRead, waits, deadline);
    const fresh = notices.filter(({ map }) => !this.#taken.has(map));
    if (fresh.length > 0) await this.#readTables(deadline);
    this.#noticesRead = last;
    for (const notice of fresh) {
      this.#outputs.set(notice.map, notice);
      this.#lost.delete(notice.map);
    }
    return notices.length > 0;
  }

  async #readTables(deadline: Deadline): Promise<void> {
    const queue = this.#keys.tables(Math.floor(this.#partition / partitionsPerTable));
    const row = this.#partition % partitionsPerTable;
    for (;;) {
      const { messages, last, newest } = await readTableRows(queue, this.#rowsRead, row, deadline);
      for (const { name, body } of messages) {
        const [map = "", object = "", run = ""] = Buffer.from(name).toString().split("/");
        if (this.#taken.has(Number(map))) continue;
        const attempt = `${map}/${object}`;
        const rows = this.#rows.get(attempt) ?? new Map<number, BlockRow>();
        rows.set(Number(run), readRow(body));
        this.#rows.set(attempt, rows);
      }
      const isAll = last >= newest || last === this.#rowsRead;
      this.#rowsRead = last;
      if (isAll) return;
    }
  }

  #lostError(): MapsLostError {
    const maps = [...this.#lost].sort((a, b) => a - b);
    this.#lost.clear();
    return new MapsLostError(this.#keys.notices.what, maps);
  }

  #lateError(): MayflyError {
    const { maps, notices } = this.#keys;
    const missing: number[] = [];
    for (let map = 0; map < maps && missing.length < mapsShownMax; map++)
      if (!this.#taken.has(map)) missing.push(map);
    const message = `${this.#taken.size} of ${maps} maps of ${notices.what} have committed in time; among the others are ${missing.join(", ")}.`;
    return new MayflyError("DEADLINE_EXCEEDED", message);
  }

  #deadline(): Deadline {
    return deadlineOf(this.#keys.notices, `reader of partition ${this.#partition}`, this.#options);
  }
}
