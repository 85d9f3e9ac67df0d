/**
 * Reads ranges of stored objects for the functions that ask this node: by whole blocks, many with one request to the store, no block
 * twice at a time, through a memory of what was read lately. All of it is bounded: what is kept, and what is under way.
 */
import { type Deadline, within } from "../../client/transport/deadline.ts";
import type { Clock } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { JobNumber } from "../../src/ids.ts";
import { coalesce, type StoredRange, spanGapBytesMax, storedPartBytes } from "../../src/wire/stored-spans.ts";
import { BlockCache, type BlockRun, blockBytes, blockOf } from "./block-cache.ts";
import { ReadAhead } from "./read-ahead.ts";
import type { StoreUse } from "./store-use.ts";

export interface StoredReaderOptions {
  readonly clock: Clock;
  readonly open: () => Promise<Pick<ObjectStore, "get">>;
  readonly use: Pick<StoreUse, "add">;
  /** What is kept for the next who asks. */
  readonly cacheBytes: number;
}

export interface StoredRead {
  readonly job: JobNumber;
  readonly ranges: readonly StoredRange[];
  readonly timeoutMs: number;
  /** Past what is kept: it was damaged. */
  readonly fresh?: boolean;
}

/** Asked of the store at once, at most; whoever comes when that is used up is told to come again. */
const underWayBytesMax = 64 * 1024 * 1024;
const busyMs = 50;
/** For one request to the store; those who wait for it may leave before. */
const getTimeoutMs = 20_000;
const endsMax = 1024;
/** What one request of a client may touch, where its first and last block are not whole. */
const getBytesMax = storedPartBytes + blockBytes;

/** A request to the store that is under way. */
interface Fetch {
  readonly name: string;
  readonly firstBlock: number;
  readonly blocks: number;
  readonly run: Promise<BlockRun | undefined>;
  readonly controller: AbortController;
  waiters: number;
}

export class StoredReader {
  readonly #options: StoredReaderOptions;
  readonly #cache: BlockCache;
  readonly #ahead = new ReadAhead();
  /** By name and block. */
  readonly #fetches = new Map<string, Fetch>();
  #underWayBytes = 0;
  /** Where objects end, of those that were read to their ends. */
  readonly #ends = new Map<string, number>();

  constructor(options: StoredReaderOptions) {
    this.#options = options;
    this.#cache = new BlockCache(options.cacheBytes);
  }

  /**
   * For each range its bytes in pieces, which nobody may change: fewer where the object ends before; undefined when nothing of the
   * name is in the store.
   * @throws MayflyError BUSY; STORE_UNAVAILABLE also when time is over; what the store refuses with
   */
  async read({ job, ranges, timeoutMs, fresh = false }: StoredRead): Promise<(Uint8Array[] | undefined)[]> {
    const found = new Map<string, Uint8Array>();
    const awaited = new Set<Fetch>();
    const missing: StoredRange[] = [];
    for (const { name, block } of blocksOf(ranges)) {
      const key = keyOf(name, block);
      if (found.has(key)) continue;
      const kept = fresh ? undefined : this.#cache.get(name, block);
      const fetch = fresh ? undefined : this.#fetches.get(key);
      if (kept !== undefined) found.set(key, kept);
      else if (fetch !== undefined) awaited.add(fetch);
      else missing.push({ name, offset: block * blockBytes, length: blockBytes });
    }
    const spans = coalesce(missing, spanGapBytesMax, getBytesMax);
    this.#admit(spans.reduce((sum, { length }) => sum + length, 0));
    for (const span of spans) awaited.add(this.#fetch(job, span));
    for (const { name, offset, length } of coalesce(ranges)) {
      const ahead = this.#ahead.note(name, offset, offset + length);
      if (ahead !== undefined && !fresh) this.#readAhead(job, name, ahead.start, ahead.end);
    }
    const runs = awaited.size === 0 ? [] : await this.#await([...awaited], timeoutMs);
    const gone = new Set<string>();
    for (const { fetch, run } of runs) {
      if (run === undefined) gone.add(fetch.name);
      else
        for (let block = fetch.firstBlock; block < fetch.firstBlock + fetch.blocks; block++)
          found.set(keyOf(fetch.name, block), blockOf(run, block));
    }
    return ranges.map((range) => (gone.has(range.name) ? undefined : piecesOf(range, found)));
  }

  /** Forgets what is kept of objects with such names. */
  dropWhere(fits: (name: string) => boolean): void {
    this.#cache.dropWhere(fits);
  }

  #admit(bytes: number): void {
    if (bytes === 0 || this.#underWayBytes === 0 || this.#underWayBytes + bytes <= underWayBytesMax) return;
    throw new MayflyError(
      "BUSY",
      `This node has ${this.#underWayBytes} bytes under way from the object store, and at most ${underWayBytesMax}.`,
      { retryAfterMs: busyMs },
    );
  }

  async #await(
    fetches: readonly Fetch[],
    timeoutMs: number,
  ): Promise<{ fetch: Fetch; run: BlockRun | undefined }[]> {
    const { clock } = this.#options;
    const deadline: Deadline = {
      ...{ clock, atMs: clock.now() + timeoutMs, signal: undefined, what: "reading from the object store" },
    };
    for (const fetch of fetches) fetch.waiters += 1;
    try {
      const all = Promise.all(fetches.map(async (fetch) => ({ fetch, run: await fetch.run })));
      return await within(deadline, all);
    } catch (thrown) {
      const error = MayflyError.from(thrown);
      if (error.code !== "DEADLINE_EXCEEDED") throw error;
      const message = `The object store has not answered within ${Math.round(timeoutMs)} ms.`;
      throw new MayflyError("STORE_UNAVAILABLE", message, { cause: error });
    } finally {
      for (const fetch of fetches) {
        fetch.waiters -= 1;
        // Nobody waits any more: what would come is of no use, and whoever comes later must not wait for it.
        if (fetch.waiters > 0) continue;
        this.#unlist(fetch);
        fetch.controller.abort();
      }
    }
  }

  /** Only what is neither here nor on its way, and nothing behind the end; that it fails hurts nobody. */
  #readAhead(job: JobNumber, name: string, start: number, end: number): void {
    const missing: StoredRange[] = [];
    const objectEnd = this.#ends.get(name) ?? Number.POSITIVE_INFINITY;
    for (let block = Math.ceil(start / blockBytes); block * blockBytes < Math.min(end, objectEnd); block++) {
      const isHere = this.#cache.get(name, block) !== undefined || this.#fetches.has(keyOf(name, block));
      if (!isHere) missing.push({ name, offset: block * blockBytes, length: blockBytes });
    }
    for (const span of coalesce(missing, spanGapBytesMax, getBytesMax)) {
      if (this.#underWayBytes + span.length > underWayBytesMax / 2) return;
      this.#fetch(job, span).waiters += 1;
    }
  }

  #fetch(job: JobNumber, { name, offset, length }: StoredRange): Fetch {
    const firstBlock = offset / blockBytes;
    const blocks = length / blockBytes;
    const controller = new AbortController();
    const run = this.#get(job, name, firstBlock, length, controller.signal);
    const fetch: Fetch = { name, firstBlock, blocks, run, controller, waiters: 0 };
    for (let at = 0; at < blocks; at++) this.#fetches.set(keyOf(name, firstBlock + at), fetch);
    this.#underWayBytes += length;
    const ended = (): void => {
      this.#underWayBytes -= length;
      this.#unlist(fetch);
    };
    run.then(ended, ended);
    return fetch;
  }

  #unlist(fetch: Fetch): void {
    for (let at = 0; at < fetch.blocks; at++) {
      const key = keyOf(fetch.name, fetch.firstBlock + at);
      if (this.#fetches.get(key) === fetch) this.#fetches.delete(key);
    }
  }

  async #get(
    job: JobNumber,
    name: string,
    firstBlock: number,
    length: number,
    signal: AbortSignal,
  ): Promise<BlockRun | undefined> {
    const { open, use } = this.#options;
    const store = await open();
    const start = firstBlock * blockBytes;
    const into = Buffer.allocUnsafeSlow(length);
    use.add(job, { gets: 1 });
    try {
      const range = { start, end: start + length };
      const bytes = await store.get(name, { range, into, signal, timeoutMs: getTimeoutMs });
      use.add(job, { bytesRead: bytes.length });
      if (bytes.length < length) this.#noteEnd(name, start + bytes.length);
      const run = { name, firstBlock, bytes };
      this.#cache.put(run);
      return run;
    } catch (thrown) {
      const { code } = MayflyError.from(thrown);
      if (code === "NOT_FOUND") return undefined;
      // Behind the end of the object; the names are of our own making.
      if (code === "INVALID_ARGUMENT") return { name, firstBlock, bytes: new Uint8Array(0) };
      throw thrown;
    }
  }

  #noteEnd(name: string, end: number): void {
    this.#ends.set(name, end);
    const [oldest] = this.#ends.keys();
    if (this.#ends.size > endsMax && oldest !== undefined) this.#ends.delete(oldest);
  }
}

function keyOf(name: string, block: number): string {
  return `${block} ${name}`;
}

function* blocksOf(ranges: readonly StoredRange[]): Generator<{ name: string; block: number }> {
  for (const { name, offset, length } of ranges) {
    const end = offset + length;
    for (let block = Math.floor(offset / blockBytes); block * blockBytes < end; block++)
      yield { name, block };
  }
}

function piecesOf(
  { name, offset, length }: StoredRange,
  found: ReadonlyMap<string, Uint8Array>,
): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = offset; at < offset + length; ) {
    const block = Math.floor(at / blockBytes);
    const bytes = found.get(keyOf(name, block));
    const from = at - block * blockBytes;
    const piece = bytes?.subarray(from, Math.min(from + offset + length - at, blockBytes));
    if (piece === undefined || piece.length === 0) break;
    join(pieces, piece);
    at += piece.length;
    // The object ends here.
    if (bytes!.length < blockBytes) break;
  }
  return pieces;
}

/** Blocks of one run lie together: they are sent as one piece. */
function join(pieces: Uint8Array[], piece: Uint8Array): void {
  const last = pieces.at(-1);
  if (last?.buffer === piece.buffer && last.byteOffset + last.length === piece.byteOffset) {
    pieces[pieces.length - 1] = new Uint8Array(last.buffer, last.byteOffset, last.length + piece.length);
  } else pieces.push(piece);
}
