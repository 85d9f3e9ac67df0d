import { MayflyError } from "../../src/errors.ts";
import { deleteCell } from "../cells.ts";
import { deadlineOf, readTableRows } from "../exchange/queue-calls.ts";
import type { Deadline } from "../transport/deadline.ts";
import { type BlockFailures, type BlockRead, fetchBlocks } from "./fetch-blocks.ts";
import type { PartitionReader, ReaderOptions, ShuffleBlock } from "./interfaces.ts";
import { attemptName, type BlockRow, type Notice, partitionsPerTable, readRow } from "./layout.ts";
import { MapsLostError } from "./maps-lost.ts";
import type { NoticeFeed } from "./notice-feed.ts";
import type { ShuffleKeys } from "./shuffle-keys.ts";

const prefetchBytesDefault = 16 * 1024 * 1024;
const timeoutMsDefault = 5 * 60_000;
const mapsShownMax = 10;
/** Memory for small blocks is taken in such pieces: making a buffer costs more than filling it. */
const slabBytes = 256 * 1024;

/** The blocks of one map's output for this partition, fetched and handed out together: all of them count, or none. */
interface Unit {
  readonly notice: Notice;
  readonly blocks: readonly ShuffleBlock[];
  readonly reads: readonly BlockRead[];
}

/**
 * One batch of outputs is handed out while the next one is fetched. Outputs are known by their notices, and where their blocks
 * lie by the tables; both are read from where the last read ended.
 */
export class BlockReader implements PartitionReader {
  readonly #keys: ShuffleKeys;
  readonly #feed: NoticeFeed;
  readonly #partition: number;
  readonly #options: ReaderOptions;
  readonly #batchBytes: number;
  /** Maps whose blocks were handed out, or are about to be. */
  readonly #taken = new Set<number>();
  /** By map: the output to read. */
  readonly #outputs = new Map<number, Notice>();
  /** By attempt: its rows so far, by run. */
  readonly #rows = new Map<string, Map<number, BlockRow>>();
  /** Maps whose outputs are gone, until they are told of; with the output to take back, unless somebody did. */
  readonly #lost = new Map<number, Notice | undefined>();
  #noticesRead = 0;
  #rowsRead = 0;
  #blocks: ShuffleBlock[] = [];
  #next: Promise<readonly ShuffleBlock[] | undefined> | undefined;
  #slab = Buffer.alloc(0);
  #isOver = false;

  /** @throws MayflyError INVALID_ARGUMENT */
  constructor(keys: ShuffleKeys, feed: NoticeFeed, partition: number, options: ReaderOptions) {
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
    this.#feed = feed;
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
      if (this.#lost.size > 0) throw await this.#lostError(deadline);
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
      units.push(this.#unitOf(notice, rows));
      bytes += unitBytes;
    }
    for (const { notice } of units) {
      this.#outputs.delete(notice.map);
      this.#taken.add(notice.map);
    }
    return units;
  }

  /** @throws MayflyError DAMAGED */
  #rowsOf({ map, object, runs }: Notice): BlockRow[] {
    const rows = this.#rows.get(attemptName(map, object));
    return Array.from({ length: runs }, (_, run) => {
      const row = rows?.get(run);
      if (row !== undefined) return row;
      const message = `Run ${run} of map ${map} is not in the tables of ${this.#keys.notices.what}.`;
      throw new MayflyError("DAMAGED", message);
    });
  }

  async #fetch(units: readonly Unit[], deadline: Deadline): Promise<ShuffleBlock[]> {
    let failures: BlockFailures;
    try {
      const reads = units.flatMap((unit) => unit.reads);
      failures = await fetchBlocks(this.#keys.context, reads, deadline);
    } catch (thrown) {
      // Nothing of them was handed out: whoever calls again gets them.
      for (const { notice } of units) this.#giveBack(notice);
      throw thrown;
    }
    const blocks: ShuffleBlock[] = [];
    for (const unit of units) {
      const failed = unit.reads.flatMap((read) => failures.get(read) ?? []);
      this.#rows.delete(attemptName(unit.notice.map, unit.notice.object));
      if (failed.length > 0) this.#drop(unit.notice, failed);
      else blocks.push(...unit.blocks);
    }
    return blocks;
  }

  #unitOf(notice: Notice, rows: readonly BlockRow[]): Unit {
    const { map, ref } = notice;
    const [blocks, reads]: [ShuffleBlock[], BlockRead[]] = [[], []];
    for (const [run, row] of rows.entries()) {
      if (row.bytes === 0 && row.records === 0) continue;
      const into = this.#allocate(row.bytes);
      blocks.push({ map, records: row.records, data: into });
      if (ref !== undefined && row.bytes > 0)
        reads.push({ ...row, map, run, partition: this.#partition, ref, into });
    }
    return { notice, blocks, reads };
  }

  #allocate(bytes: number): Uint8Array {
    const { allocate } = this.#options;
    if (allocate === undefined || bytes === 0) return this.#newMemory(bytes);
    const memory = allocate(bytes);
    if (memory.length === bytes) return memory;
    const message = `allocate gave ${memory.length} bytes of memory for a block of ${bytes}.`;
    throw new MayflyError("INVALID_ARGUMENT", message);
  }

  #newMemory(bytes: number): Uint8Array {
    if (bytes > slabBytes / 4) return Buffer.allocUnsafeSlow(bytes);
    if (this.#slab.length < bytes) this.#slab = Buffer.allocUnsafeSlow(slabBytes);
    const memory = this.#slab.subarray(0, bytes);
    // The next one begins where views of 8-byte numbers may.
    this.#slab = this.#slab.subarray(Math.ceil(bytes / 8) * 8);
    return memory;
  }

  #giveBack(notice: Notice): void {
    this.#taken.delete(notice.map);
    if (!this.#outputs.has(notice.map)) this.#outputs.set(notice.map, notice);
  }

  /** The output is not there any more: lost; or another reader found that, and the map runs again. */
  #drop(notice: Notice, errors: readonly MayflyError[]): void {
    this.#taken.delete(notice.map);
    const isLost = errors.some(({ code }) => code !== "FREED");
    if (!this.#outputs.has(notice.map)) this.#lost.set(notice.map, isLost ? notice : undefined);
  }

  /** Reads new notices, and the tables that go with them. @returns whether there were outputs to read among them */
  async #look(waits: boolean, deadline: Deadline): Promise<boolean> {
    const notices = await this.#feed.behind(this.#noticesRead, waits, deadline);
    const fresh = notices.filter(({ map }) => !this.#taken.has(map));
    if (fresh.length > 0) await this.#readTables(deadline);
    this.#noticesRead += notices.length;
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

  /** Takes the lost outputs back, for all readers: the next attempt is the first one again. */
  async #lostError(deadline: Deadline): Promise<MapsLostError> {
    const { context, notices } = this.#keys;
    const taken = [...this.#lost].map(async ([map, notice]) => {
      if (notice?.ref?.version === undefined) return;
      const condition = { ifVersion: notice.ref.version };
      try {
        await deleteCell(context, this.#keys.output(map), condition, deadline);
      } catch (thrown) {
        if (MayflyError.from(thrown).code !== "VERSION_MISMATCH") throw thrown;
      }
    });
    await Promise.all(taken);
    const maps = [...this.#lost.keys()].sort((a, b) => a - b);
    this.#lost.clear();
    return new MapsLostError(notices.what, maps);
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
