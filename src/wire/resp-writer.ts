/** Encodes replies, as `RequestWriter` does commands: what RESP2 lacks is written as its nearest form, see each method. */
import { crLf, LOOP_COPY_BYTES_MAX, RequestWriter, type RequestWriterOptions } from "./request-writer.ts";
import {
  ARRAY,
  BIG_NUMBER,
  BOOLEAN,
  BULK,
  DOUBLE,
  ERROR,
  INTEGER,
  MAP,
  NULL,
  PUSH,
  SET,
  SIMPLE,
  VERBATIM,
} from "./resp-types.ts";

export type RespProtocol = 2 | 3;

export interface RespWriterOptions extends RequestWriterOptions {
  /** 2 until the client says `HELLO 3`. */
  readonly protocol?: RespProtocol;
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

const lineBreaks = /[\r\n]+/g;
const minusOne = Buffer.from("-1");
const okLine = Buffer.from("+OK\r\n");

export class RespWriter extends RequestWriter {
  /** May change between two values. */
  protocol: RespProtocol;

  constructor(options: RespWriterOptions = {}) {
    super(options);
    if (!(this.referenceBytesMin >= 1 && this.referenceBytesMin <= this.pool.bufferBytes)) {
      throw new RangeError(
        `referenceBytesMin ${this.referenceBytesMin} is not in 1 .. ${this.pool.bufferBytes} (bufferBytes)`,
      );
    }
    this.protocol = options.protocol ?? 2;
  }

  /** What another writer has encoded. */
  encoded(bytes: Uint8Array): void {
    this.raw(bytes);
  }

  /** RESP2: the null bulk string. */
  null(): void {
    if (this.protocol === 3) this.#typed(NULL, crLf);
    else this.#nullOf(BULK);
  }

  /** Where Redis answers a null array (a wait that ended with nothing); RESP3 has one null. */
  nullArray(): void {
    if (this.protocol === 3) this.#typed(NULL, crLf);
    else this.#nullOf(ARRAY);
  }

  /** RESP2: 1 or 0. */
  bool(value: boolean): void {
    if (this.protocol === 3) this.shortLine(BOOLEAN, value ? "t" : "f");
    else this.integer(value ? 1 : 0);
  }

  /** Numbers must be safe integers. Bigints beyond 64 bits become a big number; RESP2: a bulk string. */
  integer(value: number | bigint): void {
    if (typeof value === "number") {
      if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is not a safe integer`);
      this.header(INTEGER, value);
    } else if (value >= INT64_MIN && value <= INT64_MAX) {
      this.shortLine(INTEGER, String(value));
    } else if (this.protocol === 3) {
      this.#textLine(BIG_NUMBER, String(value));
    } else {
      this.bulk(String(value));
    }
  }

  /** RESP2: a bulk string. */
  double(value: number): void {
    const text = doubleText(value);
    if (this.protocol === 3) this.shortLine(DOUBLE, text);
    else this.bulk(text);
  }

  ok(): void {
    this.raw(okLine);
  }

  /** @throws RangeError if there are line breaks in it: such text is a bulk. */
  simple(text: string): void {
    if (text.includes("\r") || text.includes("\n")) throw new RangeError("line break in a simple string");
    this.#textLine(SIMPLE, text);
  }

  /** The line that `MayflyError.toResp()` makes. Line breaks become spaces, lest a message forge a reply. */
  error(line: string): void {
    this.#textLine(ERROR, line.replaceAll(lineBreaks, " "));
  }

  /** `length` values follow. */
  arrayHeader(length: number): void {
    this.header(ARRAY, length);
  }

  /** `pairs` times key and value follow. RESP2: an array of twice as many. */
  mapHeader(pairs: number): void {
    if (this.protocol === 3) this.header(MAP, pairs);
    else this.header(ARRAY, 2 * pairs);
  }

  /** RESP2: an array. */
  setHeader(length: number): void {
    this.header(this.protocol === 3 ? SET : ARRAY, length);
  }

  /** RESP2: an array. */
  pushHeader(length: number): void {
    this.header(this.protocol === 3 ? PUSH : ARRAY, length);
  }

  /** `format` has three characters of ASCII. RESP2: a bulk string without it. */
  verbatim(format: string, value: Uint8Array | string): void {
    const bytes = typeof value === "string" ? Buffer.from(value) : value;
    if (this.protocol === 2) {
      this.bulk(bytes);
      return;
    }
    const prefix = Buffer.from(`${format}:`);
    if (prefix.length !== 4) throw new RangeError(`verbatim format ${format} has not three characters`);
    this.header(VERBATIM, bytes.length + 4);
    this.raw(prefix);
    this.raw(bytes);
    this.raw(crLf);
  }

  /** Type, text of any length, line end. */
  #textLine(type: number, text: string): void {
    const buffer = this.room(LOOP_COPY_BYTES_MAX + 3);
    buffer[this.at++] = type;
    if (!this.shortAscii(buffer, text)) this.longText(text, Buffer.byteLength(text));
    this.raw(crLf);
  }

  #nullOf(type: number): void {
    this.#typed(type, minusOne);
    this.raw(crLf);
  }

  #typed(type: number, rest: Uint8Array): void {
    const buffer = this.room(1);
    buffer[this.at++] = type;
    this.raw(rest);
  }
}

/** RESP3's `inf`, `-inf`, `nan`, else the shortest decimal that reads back the same, -0 included. */
function doubleText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  return Object.is(value, -0) ? "-0" : String(value);
}
