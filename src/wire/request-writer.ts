/**
 * Encodes commands into chunks for one gathering write. Small values are copied into a shared buffer; large ones are
 * referenced, with what comes before and after them coalesced.
 */
import { ARRAY, BULK, CR, LF } from "./resp-types.ts";
import { WriteBufferPool } from "./write-buffer-pool.ts";

/** From this length on bytes are sent from where they are, unless a writer is told otherwise. */
export const referenceBytesMinDefault: number = 16 * 1024;

export interface RequestWriterOptions {
  /** Bulks from this length on are referenced: their memory must not change until the socket has sent them. */
  readonly referenceBytesMin?: number;
  /** One for each writer by default. */
  readonly pool?: WriteBufferPool;
}

/** An argument of a command: text counts in UTF-8, several pieces are one bulk string. */
export type CommandArgument = string | Uint8Array | number | readonly Uint8Array[];

/** A type byte, 20 digits or a sign and 19, CR LF. */
const HEADER_BYTES_MAX = 24;
/** Up to this length a loop beats the call into the runtime. */
export const LOOP_COPY_BYTES_MAX = 32;
const INT32_MAX = 2 ** 31 - 1;

export const crLf: Uint8Array = Buffer.from("\r\n");

export class RequestWriter {
  protected readonly referenceBytesMin: number;
  protected readonly pool: WriteBufferPool;
  #chunks: Uint8Array[] = [];
  /** Bytes in `#chunks`. */
  #chunkBytes = 0;
  #buffer: Buffer | undefined;
  /** `#buffer` from `#start` to `at` is not in `#chunks` yet. */
  #start = 0;
  protected at = 0;
  /** Full buffers that chunks still refer to. */
  #retired: Buffer[] = [];

  constructor(options: RequestWriterOptions = {}) {
    this.pool = options.pool ?? new WriteBufferPool();
    this.referenceBytesMin = options.referenceBytesMin ?? referenceBytesMinDefault;
  }

  /** Bytes written and not yet taken. */
  get pendingBytes(): number {
    return this.#chunkBytes + this.at - this.#start;
  }

  /** What was written, in order, for cork + write of each; the writer is empty after it. Never an empty chunk. */
  take(): Uint8Array[] {
    this.#seal();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    return chunks;
  }

  /**
   * Everything taken so far has left the process (`socket.writableLength === 0` after the write): its buffers are
   * used again. Until then the writer goes on behind them, or in fresh ones. Does nothing while something is
   * pending, for that may share a buffer with what was taken.
   */
  recycle(): void {
    if (this.pendingBytes > 0) return;
    for (const buffer of this.#retired) this.pool.give(buffer);
    if (this.#retired.length > 0) this.#retired = [];
    if (this.#buffer !== undefined) this.pool.give(this.#buffer);
    this.#buffer = undefined;
    this.#start = 0;
    this.at = 0;
  }

  /** A string counts in UTF-8. Long ones are referenced, see `referenceBytesMin`. */
  bulk(value: Uint8Array | string): void {
    if (typeof value === "string") {
      this.text(value);
      return;
    }
    this.header(BULK, value.length);
    this.raw(value);
    this.raw(crLf);
  }

  /** One bulk string that lies in several pieces; each is copied or referenced by its own length. */
  bulkOf(pieces: readonly Uint8Array[]): void {
    let length = 0;
    for (const piece of pieces) length += piece.length;
    this.header(BULK, length);
    for (const piece of pieces) this.raw(piece);
    this.raw(crLf);
  }

  /** A command: an array of bulk strings. Numbers in decimal. */
  command(args: readonly (string | Uint8Array | number)[]): void {
    this.header(ARRAY, args.length);
    for (const arg of args) {
      if (typeof arg === "number") this.#number(arg);
      else this.bulk(arg);
    }
  }

  /** One of Mayfly's own commands: its name, its tag, its arguments. */
  call(name: string, tag: number, args: readonly CommandArgument[]): void {
    this.header(ARRAY, args.length + 2);
    this.text(name);
    this.#number(tag);
    for (const arg of args) {
      if (typeof arg === "number") this.#number(arg);
      else if (typeof arg === "string" || arg instanceof Uint8Array) this.bulk(arg);
      else this.bulkOf(arg);
    }
  }

  /** A number as a bulk string. */
  #number(value: number): void {
    this.text(String(value));
  }

  /** Type, decimal number, line end. */
  protected header(type: number, value: number): void {
    if (value < 0 || value > INT32_MAX) {
      this.shortLine(type, String(value));
      return;
    }
    const buffer = this.room(HEADER_BYTES_MAX);
    let at = this.at;
    buffer[at++] = type;
    let digits = 1;
    for (let rest = value; rest >= 10; rest = (rest / 10) | 0) digits++;
    let rest = value;
    for (let i = at + digits - 1; i >= at; i--) {
      const tenth = (rest / 10) | 0;
      buffer[i] = 48 + rest - tenth * 10;
      rest = tenth;
    }
    at += digits;
    buffer[at++] = CR;
    buffer[at++] = LF;
    this.at = at;
  }

  /** Type, a few characters of ASCII, line end. */
  protected shortLine(type: number, text: string): void {
    const buffer = this.room(text.length + 3);
    buffer[this.at++] = type;
    this.at += buffer.write(text, this.at, "latin1");
    buffer[this.at++] = CR;
    buffer[this.at++] = LF;
  }

  protected text(text: string): void {
    const buffer = this.room(HEADER_BYTES_MAX + LOOP_COPY_BYTES_MAX);
    const undo = this.at;
    this.header(BULK, text.length);
    if (!this.shortAscii(buffer, text)) {
      this.at = undo;
      const length = Buffer.byteLength(text);
      this.header(BULK, length);
      this.longText(text, length);
    }
    this.raw(crLf);
  }

  /** Appends text of at most LOOP_COPY_BYTES_MAX ASCII characters; nothing, and false, if it is not that. */
  protected shortAscii(buffer: Buffer, text: string): boolean {
    const { length } = text;
    if (length > LOOP_COPY_BYTES_MAX) return false;
    const at = this.at;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[at + i] = code;
    }
    this.at = at + length;
    return true;
  }

  protected longText(text: string, utf8Bytes: number): void {
    if (utf8Bytes >= this.referenceBytesMin) {
      this.raw(Buffer.from(text));
      return;
    }
    const buffer = this.room(utf8Bytes);
    const encoding = utf8Bytes === text.length ? "latin1" : "utf8";
    this.at += buffer.write(text, this.at, encoding);
  }

  /** Copies or references. */
  protected raw(bytes: Uint8Array): void {
    const length = bytes.length;
    if (length >= this.referenceBytesMin) {
      this.#seal();
      this.#chunks.push(bytes);
      this.#chunkBytes += length;
      return;
    }
    const buffer = this.room(length);
    const at = this.at;
    if (length <= LOOP_COPY_BYTES_MAX) for (let i = 0; i < length; i++) buffer[at + i] = bytes[i]!;
    else buffer.set(bytes, at);
    this.at = at + length;
  }

  /** A buffer with space for `length` more bytes at `#at`. */
  protected room(length: number): Buffer {
    const buffer = this.#buffer;
    if (buffer !== undefined && this.at + length <= buffer.length) return buffer;
    return this.#nextBuffer();
  }

  #nextBuffer(): Buffer {
    this.#seal();
    if (this.#buffer !== undefined) this.#retired.push(this.#buffer);
    this.#buffer = this.pool.take();
    this.#start = 0;
    this.at = 0;
    return this.#buffer;
  }

  #seal(): void {
    if (this.#buffer === undefined || this.at === this.#start) return;
    this.#chunks.push(this.#buffer.subarray(this.#start, this.at));
    this.#chunkBytes += this.at - this.#start;
    this.#start = this.at;
  }
}
