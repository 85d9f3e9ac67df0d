/**
 * Replies as a client receives them, RESP2 and RESP3:
 *
 *     value = "+" text | "-" text | ":" integer | "," double | "(" integer | "#" ("t" | "f") | "_"    CRLF
 *           | ("$" | "!" | "=") length CRLF bytes CRLF     and "$-1", "*-1" for null
 *           | ("*" | "~" | ">") count CRLF count x value
 *           | "%" count CRLF 2 x count x value
 *           | "|" count CRLF 2 x count x value             an attribute of the value that follows: dropped
 *
 * Pushes stand between replies only. RESP3's streamed forms ("$?", "*?") are refused: no server sends them. Both
 * ways of feeding may be mixed freely and give the same calls wherever the stream is cut.
 */
import { asBuffer, emptyBuffer } from "./as-buffer.ts";
import { BodyReceiver } from "./body-receiver.ts";
import { NumberLine } from "./number-line.ts";
import { printableByte, protocolError } from "./protocol-error.ts";
import { type RespLimits, replyLimits, respObjectBytes, respValueBytes } from "./resp-limits.ts";
import {
  ARRAY,
  ATTRIBUTE,
  BIG_NUMBER,
  BLOB_ERROR,
  BOOLEAN,
  BULK,
  CR,
  DOUBLE,
  ERROR,
  INTEGER,
  LF,
  MAP,
  NULL,
  PUSH,
  SET,
  SIMPLE,
  VERBATIM,
} from "./resp-types.ts";
import { RespError, RespMap, RespPush, RespSet, type RespValue, RespVerbatim } from "./resp-value.ts";
import { scalarOf, simpleOf } from "./scalar-text.ts";
import { smallBuffer, smallBytesMax } from "./small-buffers.ts";
import { TextLine } from "./text-line.ts";

export interface ReplyHandler {
  /**
   * One complete top-level value. Its memory belongs to the receiver: nothing is a view of what was fed; small bulks
   * are pieces of slabs, see small-buffers.ts.
   */
  onReply(value: RespValue): void;

  /**
   * A bulk string of at least `directBodyMin` bytes begins. `stack` holds the elements so far of the aggregates
   * around it, outermost first (of a map: key, value, key, ...), so its position is `stack.at(-1).length`; it
   * changes after the call. Give memory of exactly `payloadBytes` to have it received there: that very array then
   * stands in the reply; or undefined to let the decoder allocate, within `totalBytesMax`. Not asked inside of
   * attributes, nor for blob errors and verbatim strings.
   */
  bodyTarget(payloadBytes: number, stack: readonly (readonly RespValue[])[]): Uint8Array | undefined;
}

export interface ReplyDecoderOptions {
  readonly limits?: RespLimits;
  /** From this length on the handler is asked for a target. */
  readonly directBodyMin?: number;
  /** With fewer bytes missing, `directTarget` is not worth a read of its own. */
  readonly directBytesMin?: number;
}

const START = 0;
const NUMBER = 1;
const TEXT = 2;
const BODY = 3;
const BODY_CR = 4;
const BODY_LF = 5;
const DEAD = 6;

const COLON = 0x3a;

/** Type byte -> NUMBER or TEXT, the form of its line; 0: no such type. */
const lineOfType = new Uint8Array(256);
for (const type of [BULK, BLOB_ERROR, VERBATIM, INTEGER, ARRAY, MAP, SET, PUSH, ATTRIBUTE])
  lineOfType[type] = NUMBER;
for (const type of [SIMPLE, ERROR, DOUBLE, BIG_NUMBER, BOOLEAN, NULL]) lineOfType[type] = TEXT;

/** Incremental and free of I/O. A thrown error, its own or the handler's, ends it. */
export class ReplyDecoder {
  readonly #handler: ReplyHandler;
  readonly #limits: RespLimits;
  readonly #directBodyMin: number;
  readonly #directBytesMin: number;
  #state = START;
  #type = 0;
  #heldBytes = 0;
  /** The open aggregates, outermost first: their elements, types, and how many elements are missing. */
  readonly #stack: RespValue[][] = [];
  readonly #types: number[] = [];
  readonly #missing: number[] = [];
  #openAttributes = 0;
  readonly #number = new NumberLine();
  readonly #line = new TextLine();
  readonly #receiver = new BodyReceiver();

  constructor(handler: ReplyHandler, options: ReplyDecoderOptions = {}) {
    this.#handler = handler;
    this.#limits = options.limits ?? replyLimits;
    this.#directBodyMin = options.directBodyMin ?? 4096;
    this.#directBytesMin = options.directBytesMin ?? 4096;
    if (!(this.#directBodyMin >= 1)) throw new RangeError(`directBodyMin ${this.#directBodyMin} is below 1`);
    if (!(this.#directBytesMin >= 1))
      throw new RangeError(`directBytesMin ${this.#directBytesMin} is below 1`);
  }

  /** Part of a reply has arrived and the rest has not. */
  get midReply(): boolean {
    return (this.#state !== START && this.#state !== DEAD) || this.#stack.length > 0;
  }

  /**
   * Consumes all of `chunk`, calling the handler for what completes. The caller may reuse its memory afterwards.
   * @throws MayflyError PROTOCOL; the replies before the fault have been delivered.
   */
  feed(chunk: Uint8Array): void {
    if (this.#state === DEAD) throw new RangeError("fed a reply decoder that has ended");
    try {
      this.#parse(asBuffer(chunk));
    } catch (thrown) {
      this.abort();
      throw thrown;
    }
  }

  /**
   * Where to read the next bytes of the stream, when a large bulk is being received; else undefined: read anywhere
   * and `feed`. Every read into it is reported by `directReceived` before anything is fed.
   */
  directTarget(): Uint8Array | undefined {
    return this.#state === BODY ? this.#receiver.directTarget(this.#directBytesMin) : undefined;
  }

  /** `count` bytes now stand at the beginning of the last `directTarget()`. */
  directReceived(count: number): void {
    if (this.#state !== BODY) throw new RangeError("received directly while no bulk was being received");
    this.#receiver.directReceived(count);
    if (this.#receiver.left === 0) this.#state = BODY_CR;
  }

  /**
   * The decoder writes no more into `target`: the rest of the bulk that it was given for is skipped, and stands in
   * the reply as an empty one. Returns whether that bulk was being received. A read by the socket into the last
   * `directTarget()` that is already under way is the caller's to await; it is then reported as always.
   */
  abandonBody(target: Uint8Array): boolean {
    return this.#state === BODY && this.#receiver.abandon(target);
  }

  /** The stream has ended: lets go of all memory, including targets. May be called in a callback. */
  abort(): void {
    this.#state = DEAD;
    this.#stack.length = 0;
    this.#types.length = 0;
    this.#missing.length = 0;
    this.#line.reset();
    this.#receiver.skip(0);
  }

  #parse(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    while (at < end) {
      switch (this.#state) {
        case START:
          this.#beginValue(chunk[at++]!);
          break;
        case NUMBER:
          at = this.#number.scan(chunk, at, end);
          if (at < 0) throw protocolError(`invalid number after ${printableByte(this.#type)}`);
          if (this.#number.done) this.#endNumber();
          break;
        case TEXT:
          at = this.#line.scan(chunk, at, end, this.#limits.inlineBytesMax);
          if (at < 0) throw protocolError(`line over ${this.#limits.inlineBytesMax} bytes`);
          if (this.#line.done) this.#endText();
          break;
        case BODY:
          at = this.#receiver.take(chunk, at, end);
          if (this.#receiver.left === 0) this.#state = BODY_CR;
          break;
        case BODY_CR:
          if (chunk[at++] !== CR) throw protocolError("expected CR LF after a bulk");
          this.#state = BODY_LF;
          break;
        case BODY_LF:
          if (chunk[at++] !== LF) throw protocolError("expected CR LF after a bulk");
          this.#endBody();
          break;
        default:
          return;
      }
    }
  }

  #beginValue(type: number): void {
    this.#type = type;
    this.#state = lineOfType[type]!;
    if (this.#state === NUMBER) this.#number.reset(type === INTEGER);
    else if (this.#state === TEXT) this.#line.reset();
    else throw protocolError(`no type begins with ${printableByte(type)}`);
  }

  #endNumber(): void {
    if (this.#type === INTEGER) {
      const integer = this.#number.integer;
      if (integer === undefined) throw protocolError("integer beyond 64 bits");
      this.#value(integer);
      return;
    }
    const number = this.#number.approximate;
    switch (this.#type) {
      case BULK:
      case BLOB_ERROR:
      case VERBATIM:
        if (number === -1 && this.#type === BULK) this.#value(null);
        else this.#beginBody(number);
        return;
      default:
        if (number === -1 && this.#type === ARRAY) this.#value(null);
        else this.#beginAggregate(number);
    }
  }

  #endText(): void {
    const { source, start } = this.#line;
    const end = this.#line.end - 1;
    if (end < start || source[end] !== CR) throw protocolError("line ends with LF alone");
    this.#heldBytes += end - start;
    if (this.#type === SIMPLE) this.#value(simpleOf(source, start, end));
    else if (this.#type === ERROR) this.#value(new RespError(source.toString("utf8", start, end)));
    else this.#value(scalarOf(this.#type, source.toString("latin1", start, end)));
  }

  #beginBody(length: number): void {
    const max = this.#limits.bulkBytesMax;
    if (length < 0 || length > max) throw protocolError(`invalid bulk length ${length} (limit ${max})`);
    const ask = length >= this.#directBodyMin && this.#type === BULK && this.#openAttributes === 0;
    this.#state = BODY;
    const given = ask ? this.#handler.bodyTarget(length, this.#stack) : undefined;
    if (this.#state !== BODY) return;
    if (given !== undefined && given.length !== length) {
      throw new RangeError(`target of ${given.length} bytes given for ${length}`);
    }
    this.#receiver.receive(given ?? this.#allocate(length));
    if (length === 0) this.#state = BODY_CR;
  }

  #allocate(length: number): Buffer {
    if (length === 0) return emptyBuffer;
    this.#hold(length + respObjectBytes);
    return length < smallBytesMax ? smallBuffer(length) : Buffer.allocUnsafeSlow(length);
  }

  #endBody(): void {
    const bytes = this.#receiver.finish();
    if (this.#type === BULK) {
      this.#value(bytes);
    } else if (this.#type === BLOB_ERROR) {
      this.#value(new RespError(asBuffer(bytes).toString()));
    } else {
      if (bytes[3] !== COLON) throw protocolError("verbatim string without a format");
      this.#value(new RespVerbatim(asBuffer(bytes).toString("latin1", 0, 3), bytes.subarray(4)));
    }
  }

  #beginAggregate(count: number): void {
    const type = this.#type;
    const length = type === MAP || type === ATTRIBUTE ? 2 * count : count;
    const { arrayLengthMax, depthMax } = this.#limits;
    if (count < 0 || length > arrayLengthMax) {
      throw protocolError(
        `invalid length ${count} after ${printableByte(type)} (limit ${arrayLengthMax} values)`,
      );
    }
    if (type === PUSH && this.#stack.length > 0) throw protocolError("push inside of another value");
    if (this.#stack.length >= depthMax) throw protocolError(`values nested deeper than ${depthMax}`);
    this.#hold(respObjectBytes);
    this.#state = START;
    if (length === 0) {
      if (type !== ATTRIBUTE) this.#value(aggregateOf(type, []));
      return;
    }
    this.#stack.push([]);
    this.#types.push(type);
    this.#missing.push(length);
    if (type === ATTRIBUTE) this.#openAttributes++;
  }

  #hold(bytes: number): void {
    this.#heldBytes += bytes;
    if (this.#heldBytes > this.#limits.totalBytesMax) {
      throw protocolError(`reply holds more than ${this.#limits.totalBytesMax} bytes`);
    }
  }

  /** A value is complete: puts it where it belongs, which may complete the aggregates around it. */
  #value(complete: RespValue): void {
    this.#hold(respValueBytes);
    this.#state = START;
    let value = complete;
    for (let top = this.#stack.length - 1; top >= 0; top--) {
      const items = this.#stack[top]!;
      items.push(value);
      if (--this.#missing[top]! > 0) return;
      const type = this.#types[top]!;
      this.#stack.pop();
      this.#types.pop();
      this.#missing.pop();
      if (type === ATTRIBUTE) {
        this.#openAttributes--;
        return;
      }
      value = aggregateOf(type, items);
    }
    this.#heldBytes = 0;
    this.#handler.onReply(value);
  }
}

function aggregateOf(type: number, items: RespValue[]): RespValue {
  if (type === ARRAY) return items;
  if (type === MAP) return new RespMap(items);
  return type === SET ? new RespSet(items) : new RespPush(items);
}
