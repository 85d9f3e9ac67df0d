import { MayflyError } from "../src/errors.ts";
import { decodeRef, inlineObject, Ref } from "../src/wire/ref.ts";
import { inlineBytesMax, stripeBytesMax } from "../src/wire/stripe-layout.ts";
import { parseVersion } from "../src/wire/version.ts";
import type { CallOptions } from "./call-options.ts";
import {
  type CellValue,
  type CellWrite,
  type Condition,
  deleteCell,
  keyBytes,
  readCell,
  writeCell,
} from "./cells.ts";
import type { ClientContext } from "./context.ts";
import type { ImportOptions, ImportResult, PersistOptions, PersistResult } from "./durable/interfaces.ts";
import { Exchange } from "./exchange/exchange.ts";
import type { JobController } from "./job-controller.ts";
import type { KeyEntry } from "./list-keys.ts";
import { type ByteRange, copyRange, readObject, resolveRange } from "./objects/read-object.ts";
import type { RangeRead } from "./objects/read-ranges.ts";
import { stripesOfBytes } from "./objects/stripe-source.ts";
import { writeObject } from "./objects/write-object.ts";
import { checkDeadline, type Deadline, startDeadline, timeoutMsMax } from "./transport/deadline.ts";

export type Key = string | Uint8Array;
export type Bytes = Uint8Array;
/** Anything that yields bytes: a Node or web stream, a generator. */
export type ByteStream = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

export interface PutOptions extends CallOptions {
  /** Only if the key holds nothing; else KEY_EXISTS. */
  readonly ifAbsent?: boolean;
  /** Only if the key is at this version; else VERSION_MISMATCH. */
  readonly ifVersion?: string;
  /** The key expires after so long; default never (it goes with the job). */
  readonly ttlMs?: number;
  /** Acknowledged once it lies in the fleet's object store, too; it outlives the job there. The controller needs --store. */
  readonly durable?: boolean;
}

/** What is made durable before the job ends: keys that begin so, or all. */
export interface EndOptions extends CallOptions {
  readonly persist?: string | true;
}

export interface GetOptions extends CallOptions {
  /** Wait on the server until the key appears. */
  readonly waitMs?: number;
  readonly range?: ByteRange;
  /** Receive into this memory; the result is a view of it. */
  readonly into?: Uint8Array;
}

export interface DeleteOptions extends CallOptions {
  readonly ifVersion?: string;
}

/** What a key holds, without its bytes. */
export interface KeyStat {
  readonly version: string;
  readonly sizeBytes: number;
  readonly ref: Ref;
  readonly ttlLeftMs: number | undefined;
}

/** What all writes of a key have. */
type WriteCommon = Pick<CellWrite, "key" | "condition" | "ttlMs">;

const lasting = () => import("./durable/loaded.ts");
const timeoutMsDefault = 30_000;
const waitMsMax = timeoutMsMax - timeoutMsDefault;
const ttlMsMax = 366 * 24 * 3600 * 1000;

/**
 * A job's data, from inside a function. Made by `connect()`; all calls end by their deadline and reject with a
 * `MayflyError`. Its sockets do not keep the process alive.
 */
export class Job extends Exchange {
  readonly #context: ClientContext;
  readonly #controller: () => Promise<JobController>;
  readonly #token: string;
  readonly #close: () => void;

  /** @internal use connect() */
  constructor(
    context: ClientContext,
    controller: () => Promise<JobController>,
    token: string,
    close: () => void,
  ) {
    super(context);
    this.#context = context;
    this.#controller = controller;
    this.#token = token;
    this.#close = close;
  }

  /** The job's number; never used again for another job. */
  get number(): number {
    return this.#context.job;
  }

  /**
   * Stores bytes under a key and resolves when they are acknowledged. Returns the ref of the object, which reads it
   * without a lookup; `ref.version` is the key's new version. The bytes must not change before it resolves.
   * @throws MayflyError KEY_EXISTS, VERSION_MISMATCH, NOT_ENOUGH_NODES, QUOTA_EXCEEDED, JOB_ENDED, UNAVAILABLE, TOO_LARGE; when
   * durable also STORE_UNAVAILABLE, STORE_REFUSED, and INVALID_ARGUMENT where the fleet has no store
   */
  async put(key: Key, data: Bytes | string | ByteStream, options: PutOptions = {}): Promise<Ref> {
    const deadline = this.#deadline("put", key, options, 0);
    const bytes = typeof data === "string" ? Buffer.from(data, "utf8") : data;
    checkData(bytes);
    const write = { key: keyBytes(key), condition: conditionOf(options), ttlMs: checkTtl(options.ttlMs) };
    if (options.durable === true) {
      return (await lasting()).putDurable(this.#context, bytes, write, deadline);
    }
    if (bytes instanceof Uint8Array && bytes.length <= inlineBytesMax) {
      return this.#putInline(write, bytes, deadline);
    }
    return this.#putObject(write, bytes, deadline);
  }

  async #putInline(common: WriteCommon, value: Uint8Array, deadline: Deadline): Promise<Ref> {
    const version = await writeCell(this.#context, { ...common, kind: "bytes", value }, deadline);
    return inlineRef(this.#context, common.key, value.length, version);
  }

  async #putObject(common: WriteCommon, data: Bytes | ByteStream, deadline: Deadline): Promise<Ref> {
    const context = this.#context;
    if (data instanceof Uint8Array) {
      const stripes = stripesOfBytes(data, context.code);
      return writeObject(context, { ...common, stripes, whole: data }, deadline);
    }
    const stripeBytes = stripeBytesMax(context.code);
    const { stripesOfStream } = await import("./objects/stream-source.ts");
    const { whole, stripes } = await stripesOfStream(data, stripeBytes, inlineBytesMax, deadline);
    if (whole !== undefined) return this.#putInline(common, whole, deadline);
    return writeObject(context, { ...common, stripes }, deadline);
  }

  /**
   * The bytes at a key or of a ref.
   * @throws MayflyError NOT_FOUND, EXPIRED, FREED, LOST (with the refs), JOB_ENDED, UNAVAILABLE, DEADLINE_EXCEEDED
   */
  async get(from: Key | Ref, options: GetOptions = {}): Promise<Uint8Array> {
    const { waitMs = 0 } = options;
    const deadline = this.#deadline("get", from, options, waitMs);
    if (from instanceof Ref && !from.inline) {
      return readObject(this.#context, from, options.range, options.into, deadline);
    }
    const key = keyBytes(from instanceof Ref ? from.key : from);
    const cell = this.#found(from, await readCell(this.#context, key, deadline, waitMs), waitMs);
    return cell.kind === "bytes" ? bytesOf(cell, options) : this.#getObject(cell, from, options, deadline);
  }

  /** The object that a cell names; when it is gone since the cell was read, what the key holds now is the answer. */
  async #getObject(
    first: CellValue,
    from: Key | Ref,
    options: GetOptions,
    deadline: Deadline,
  ): Promise<Uint8Array> {
    const { range, into, waitMs = 0 } = options;
    for (let cell = first; ; ) {
      if (cell.kind === "bytes") return bytesOf(cell, options);
      try {
        return await readObject(this.#context, refIn(cell), range, into, deadline);
      } catch (thrown) {
        if (MayflyError.from(thrown).code !== "FREED") throw thrown;
        checkDeadline(deadline, thrown);
      }
      cell = await this.#cell(from, deadline, waitMs);
    }
  }

  /** The bytes as a stream of pieces of up to 8 MiB (a buffer of each piece's own), read ahead by one piece. */
  async *stream(
    from: Key | Ref,
    options: GetOptions & { chunkBytes?: number } = {},
  ): AsyncGenerator<Uint8Array> {
    const { waitMs = 0, chunkBytes = 4 * 1024 * 1024 } = options;
    const deadline = this.#deadline("stream", from, options, waitMs);
    const whole = from instanceof Ref && !from.inline ? from : await this.#cell(from, deadline, waitMs);
    const ref = whole instanceof Ref ? whole : whole.kind === "ref" ? refIn(whole) : undefined;
    const inline = ref === undefined ? (whole as CellValue).value : undefined;
    const { offset, length } = resolveRange(options.range, ref?.sizeBytes ?? inline!.length);
    if (ref === undefined) {
      if (length > 0) yield inline!.subarray(offset, offset + length);
      return;
    }
    const { streamObject } = await import("./objects/stream-object.ts");
    yield* streamObject(this.#context, ref, { offset, length, chunkBytes }, () =>
      this.#deadline("stream", from, options, 0),
    );
  }

  /**
   * Fills many ranges of many objects at once: each node is asked in batches, several nodes at a time. Refs that carry
   * their location need no lookup: those of put() and stat(); long ones lose it when they are printed.
   * @throws MayflyError as `get`; INVALID_ARGUMENT for a range that is not wholly inside its object
   */
  async readRanges(reads: readonly RangeRead[], options: CallOptions = {}): Promise<void> {
    const deadline = this.#deadline("readRanges", `${reads.length} ranges`, options, 0);
    const { checkRangeRead, readRangesOf } = await import("./objects/read-many.ts");
    for (const read of reads) checkRangeRead(read);
    await readRangesOf(this.#context, reads, deadline, (ref) => this.#cell(ref, deadline, 0));
  }

  /** True if the key holds something now. */
  async has(key: Key, options: CallOptions = {}): Promise<boolean> {
    const deadline = this.#deadline("has", key, options, 0);
    try {
      return (await readCell(this.#context, keyBytes(key), deadline)) !== undefined;
    } catch (thrown) {
      if (MayflyError.from(thrown).code === "EXPIRED") return false;
      throw thrown;
    }
  }

  /** Version, size and ref of what the key holds. @throws MayflyError NOT_FOUND, EXPIRED */
  async stat(key: Key, options: CallOptions & { waitMs?: number } = {}): Promise<KeyStat> {
    const { waitMs = 0 } = options;
    const cell = await this.#cell(key, this.#deadline("stat", key, options, waitMs), waitMs);
    const found =
      cell.kind === "ref"
        ? refIn(cell)
        : inlineRef(this.#context, keyBytes(key), cell.value.length, cell.version);
    return { version: cell.version, sizeBytes: found.sizeBytes, ref: found, ttlLeftMs: cell.ttlLeftMs };
  }

  /** Removes the key and frees its bytes; false if there was nothing. */
  async delete(key: Key, options: DeleteOptions = {}): Promise<boolean> {
    const deadline = this.#deadline("delete", key, options, 0);
    return deleteCell(this.#context, keyBytes(key), ifVersionOf(options), deadline);
  }

  /** The keys that begin with `prefix`, in no order; ones written or deleted meanwhile may or may not be listed. */
  async *list(prefix: Key = "", options: CallOptions = {}): AsyncGenerator<KeyEntry> {
    const bytes = typeof prefix === "string" ? Buffer.from(prefix, "utf8") : prefix;
    const { listKeys } = await import("./list-keys.ts");
    yield* listKeys(this.#context, bytes, this.#deadline("list", prefix, options, 0));
  }

  /** Renews the job's lease; any other operation does so too. */
  async extend(): Promise<void> {
    await (await this.#controller()).extendJob(this.number, this.#token);
  }

  /**
   * Makes durable what the keys that begin with `prefix` hold, a few at a time: plain objects in the fleet's store, which outlive the
   * job. The keys keep their versions. Counters and collections are left out, and what functions exchange (`mf:`) unless the
   * prefix says so. What was done stays done when it fails, and is passed over when it is called again.
   * @throws MayflyError as a durable put
   */
  async persist(prefix: Key = "", options: PersistOptions = {}): Promise<PersistResult> {
    const deadline = this.#deadline("persist", prefix, options, 0);
    return (await lasting()).persistKeys(this.#context, prefix, options, deadline);
  }

  /**
   * Gives keys to objects that lie in the fleet's store already; no bytes are copied, and reads of a range read no more. `from` is
   * the beginning of their names: a URL below that of the store, or without the store's URL. A key is `prefix` and what
   * follows the last slash of `from`; durable objects of other jobs have the keys that they had there, in their newest version.
   * @throws MayflyError NOT_FOUND when there is nothing, FORBIDDEN outside of the store, STORE_UNAVAILABLE, STORE_REFUSED
   */
  async import(from: string, options: ImportOptions = {}): Promise<ImportResult> {
    const deadline = this.#deadline("import", from, options, 0);
    return (await lasting()).importObjects(this.#context, from, options, deadline);
  }

  /** Ends the job: all its data that are not durable are freed, nothing of it can be read or written again. */
  async end({ persist, ...options }: EndOptions = {}): Promise<void> {
    if (persist !== undefined) await this.persist(persist === true ? "" : persist, options);
    await (await this.#controller()).endJob(this.number, this.#token);
    this.close();
  }

  /** Closes the connections; what is under way is rejected with CLOSED. */
  close(): void {
    this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /** The cell at a key, or the very one that an inline ref names. */
  async #cell(from: Key | Ref, deadline: Deadline, waitMs: number): Promise<CellValue> {
    const key = keyBytes(from instanceof Ref ? from.key : from);
    return this.#found(from, await readCell(this.#context, key, deadline, waitMs), waitMs);
  }

  /** @throws MayflyError FREED, NOT_FOUND */
  #found(from: Key | Ref, cell: CellValue | undefined, waitMs: number): CellValue {
    const key = from instanceof Ref ? from.key : from;
    if (from instanceof Ref && cell?.version !== from.version) {
      throw new MayflyError(
        "FREED",
        `Key ${printable(key)} was overwritten or deleted since this ref was made.`,
      );
    }
    if (cell !== undefined) return cell;
    const waited = waitMs > 0 ? ` It did not appear within ${waitMs} ms.` : "";
    throw new MayflyError(
      "NOT_FOUND",
      `There is nothing at key ${printable(key)} of job ${this.number}.${waited}`,
    );
  }

  #deadline(what: string, subject: Key | Ref, options: CallOptions, waitMs: number): Deadline {
    if (!(waitMs >= 0 && waitMs <= waitMsMax)) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `waitMs is ${waitMs}; it must be from 0 to ${waitMsMax} (14.5 minutes).`,
      );
    }
    const name = (): string => `${what}(${subject instanceof Ref ? "ref" : printable(subject)})`;
    const timeoutMs = options.timeoutMs ?? timeoutMsDefault + waitMs;
    return startDeadline(this.#context.clock, timeoutMs, options.signal, name);
  }
}

/** The ref that a cell holds, as `put` returned it. */
function refIn(cell: CellValue): Ref {
  return new Ref({ ...decodeRef(cell.value), version: cell.version });
}

/** Nobody else has the memory that a cell was received in. */
function bytesOf({ value }: CellValue, { range, into }: GetOptions): Uint8Array {
  return range === undefined && into === undefined ? value : copyRange(value, range, into);
}

function inlineRef({ code }: ClientContext, key: Uint8Array, sizeBytes: number, version: string): Ref {
  return new Ref({ object: inlineObject, key, sizeBytes, code, stripes: undefined, inline: true, version });
}

function printable(key: Key): string {
  return JSON.stringify(key instanceof Uint8Array ? Buffer.from(key).toString("latin1") : key);
}

function conditionOf(options: PutOptions): Condition {
  if (options.ifAbsent === true && options.ifVersion !== undefined) {
    throw new MayflyError("INVALID_ARGUMENT", "ifAbsent and ifVersion exclude one another; give one.");
  }
  if (options.ifAbsent === true) return { ifAbsent: true };
  return ifVersionOf(options);
}

function ifVersionOf({ ifVersion }: { readonly ifVersion?: string }): Condition {
  if (ifVersion === undefined) return undefined;
  parseVersion(ifVersion);
  return { ifVersion };
}

function checkData(data: Bytes | ByteStream): void {
  if (typeof data === "object" && data !== null) {
    if (Symbol.iterator in data || Symbol.asyncIterator in data) return;
  }
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `What is put is a string, a Uint8Array or a stream of Uint8Arrays, not ${data === null ? "null" : typeof data}.`,
  );
}

function checkTtl(ttlMs: number | undefined): number {
  if (ttlMs === undefined) return 0;
  if (Number.isInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMsMax) return ttlMs;
  throw new MayflyError(
    "INVALID_ARGUMENT",
    `ttlMs is ${ttlMs}; it is a whole number from 1 to ${ttlMsMax} (366 days).`,
  );
}
