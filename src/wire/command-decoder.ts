/**
 * Commands as a node receives them:
 *
 *     command = "*" count CRLF count x ( "$" length CRLF bytes CRLF )
 *             | inline LF                      for people with telnet; see inline-args.ts
 *
 * Counts of 0 and below are skipped silently, as Redis does. Both ways of feeding may be mixed freely and give the
 * same calls wherever the stream is cut.
 */
import { asBuffer, emptyBuffer } from "./as-buffer.ts";
import { BodyReceiver } from "./body-receiver.ts";
import { CarryBlocks } from "./carry-blocks.ts";
import { inlineArgs } from "./inline-args.ts";
import { NumberLine } from "./number-line.ts";
import { printableByte, protocolError } from "./protocol-error.ts";
import { commandLimits, type RespLimits } from "./resp-limits.ts";
import { ARRAY, BULK, CR, LF } from "./resp-types.ts";
import { TextLine } from "./text-line.ts";

/** Where a handler wants a large argument to be received. */
export interface BodyTarget {
  /** Exactly as long as the argument. Belongs to the decoder until the command or its abort is reported. */
  readonly bytes: Uint8Array;
  /** Whatever the handler wants to find again: the decoder does not look at it. */
  readonly token?: unknown;
}

/** A large argument for which `bodyTarget` gave a target or asked to discard. */
export interface CommandBody {
  readonly argIndex: number;
  readonly payloadBytes: number;
  /** Undefined: discarded, the argument is delivered empty. */
  readonly target: BodyTarget | undefined;
}

export interface CommandHandler {
  /**
   * One complete command. The bytes of `args` are valid only during the call, except those in targets of the
   * handler; keep a copy. `bodies` lists, by ascending `argIndex`, what `bodyTarget` decided; mostly empty.
   */
  onCommand(args: readonly Buffer[], bodies: readonly CommandBody[]): void;

  /**
   * A bulk string of at least `directBodyMin` bytes begins: argument `argIndex` of `argCount`; `args` are the ones
   * before it, valid only during the call. Give a target to have it received there; "discard" to skip it without
   * memory and stay in step (the command still arrives, so that it can be answered with an error); undefined to
   * let the decoder hold it, within `totalBytesMax`. Not asked for inline commands.
   */
  bodyTarget(
    args: readonly Buffer[],
    argIndex: number,
    argCount: number,
    payloadBytes: number,
  ): BodyTarget | "discard" | undefined;

  /** `abort` was called: this target's command will never arrive. Nothing more is written to it by the decoder. */
  onAbortedBody(target: BodyTarget): void;
}

export interface CommandDecoderOptions {
  readonly limits?: RespLimits;
  /** From this length on the handler is asked for a target. */
  readonly directBodyMin?: number;
  /** With fewer bytes missing, `directTarget` is not worth a read of its own. */
  readonly directBytesMin?: number;
}

const START = 0;
const COUNT = 1;
const ARG = 2;
const LENGTH = 3;
const BODY = 4;
const BODY_CR = 5;
const BODY_LF = 6;
const INLINE = 7;
const DEAD = 8;

const ZERO = 48;

const noBodies: readonly CommandBody[] = Object.freeze([]);

/** Incremental and free of I/O. A thrown error, its own or the handler's, ends it: only `abort` may follow. */
export class CommandDecoder {
  readonly #handler: CommandHandler;
  readonly #directBodyMin: number;
  readonly #directBytesMin: number;
  #limits: RespLimits;
  #state = START;
  #args: Buffer[] = [];
  #argCount = 0;
  #bodies: CommandBody[] | undefined;
  /** The argument that the receiver fills. */
  #incoming: Buffer = emptyBuffer;
  #heldBytes = 0;
  /** Arguments before this index do not lie in the chunk that is being fed. */
  #ownedArgs = 0;
  readonly #number = new NumberLine();
  readonly #line = new TextLine();
  readonly #receiver = new BodyReceiver();
  readonly #carry = new CarryBlocks();

  constructor(handler: CommandHandler, options: CommandDecoderOptions = {}) {
    this.#handler = handler;
    this.#limits = options.limits ?? commandLimits;
    this.#directBodyMin = options.directBodyMin ?? 4096;
    this.#directBytesMin = options.directBytesMin ?? 4096;
    if (!(this.#directBodyMin >= 1)) throw new RangeError(`directBodyMin ${this.#directBodyMin} is below 1`);
    if (!(this.#directBytesMin >= 1))
      throw new RangeError(`directBytesMin ${this.#directBytesMin} is below 1`);
  }

  /** Other limits from the next header on: a connection starts with those of strangers and AUTH lifts them. */
  set limits(limits: RespLimits) {
    this.#limits = limits;
  }

  /** Part of a command has arrived and the rest has not. */
  get midCommand(): boolean {
    return this.#state !== START && this.#state !== DEAD;
  }

  /**
   * Consumes all of `chunk`, calling the handler for what completes. The caller may reuse its memory afterwards.
   * @throws MayflyError PROTOCOL; the commands before the fault have been delivered. Close after answering it.
   */
  feed(chunk: Uint8Array): void {
    if (this.#state === DEAD) throw new RangeError("fed a command decoder that has ended");
    try {
      this.#parse(asBuffer(chunk));
    } catch (thrown) {
      this.#state = DEAD;
      throw thrown;
    }
  }

  /**
   * Where to read the next bytes of the stream, when a large argument is being received; else undefined: read
   * anywhere and `feed`. Every read into it is reported by `directReceived` before anything is fed.
   */
  directTarget(): Uint8Array | undefined {
    return this.#state === BODY ? this.#receiver.directTarget(this.#directBytesMin) : undefined;
  }

  /** `count` bytes now stand at the beginning of the last `directTarget()`. */
  directReceived(count: number): void {
    if (this.#state !== BODY) throw new RangeError("received directly while no argument was being received");
    this.#receiver.directReceived(count);
    if (this.#receiver.left === 0) this.#endBody();
  }

  /** The stream has ended. Reports the targets of a command that did not complete. May be called in a callback. */
  abort(): void {
    const bodies = this.#bodies ?? noBodies;
    this.#state = DEAD;
    this.#bodies = undefined;
    this.#args = [];
    this.#incoming = emptyBuffer;
    this.#receiver.skip(0);
    for (const { target } of bodies) if (target !== undefined) this.#handler.onAbortedBody(target);
  }

  #parse(chunk: Buffer): void {
    const end = chunk.length;
    let at = 0;
    this.#ownedArgs = this.#args.length;
    while (at < end) {
      switch (this.#state) {
        case START:
          if (chunk[at] === ARRAY) {
            const behind = this.#deliverWhole(chunk, at, end);
            if (behind > 0) {
              at = behind;
              break;
            }
            at++;
            this.#number.reset(false);
            this.#state = COUNT;
          } else {
            this.#line.reset();
            this.#state = INLINE;
          }
          break;
        case COUNT:
          at = this.#number.scan(chunk, at, end);
          if (at < 0) throw protocolError("invalid multibulk length");
          if (this.#number.done) this.#beginCommand(this.#number.approximate);
          break;
        case ARG:
          if (chunk[at] !== BULK) throw protocolError(`expected '$', got ${printableByte(chunk[at]!)}`);
          at++;
          this.#number.reset(false);
          this.#state = LENGTH;
          break;
        case LENGTH:
          at = this.#number.scan(chunk, at, end);
          if (at < 0) throw protocolError("invalid bulk length");
          if (this.#number.done) at = this.#beginBody(this.#number.approximate, chunk, at, end);
          break;
        case BODY:
          at = this.#receiver.take(chunk, at, end);
          if (this.#receiver.left === 0) this.#endBody();
          break;
        case BODY_CR:
          if (chunk[at++] !== CR) throw protocolError("expected CR LF after a bulk");
          this.#state = BODY_LF;
          break;
        case BODY_LF:
          if (chunk[at++] !== LF) throw protocolError("expected CR LF after a bulk");
          this.#state = ARG;
          if (this.#args.length === this.#argCount) this.#deliver();
          break;
        case INLINE:
          at = this.#line.scan(chunk, at, end, this.#limits.inlineBytesMax);
          if (at < 0) {
            throw protocolError(`too big inline request (limit ${this.#limits.inlineBytesMax} bytes)`);
          }
          if (this.#line.done) this.#inlineCommand();
          break;
        default:
          return;
      }
    }
    if (this.#args.length > this.#ownedArgs) this.#carryArgs(chunk);
  }

  /**
   * Delivers a command of few and small arguments that lies whole in the chunk, as most do, without the steps of the
   * other states. Returns the position behind it; 0 when it is not like that, or not well-formed.
   */
  #deliverWhole(chunk: Buffer, start: number, end: number): number {
    if (end - start < 4 || chunk[start + 2] !== CR || chunk[start + 3] !== LF) return 0;
    const count = chunk[start + 1]! - ZERO;
    const { arrayLengthMax, bulkBytesMax, totalBytesMax } = this.#limits;
    if (count < 1 || count > 9 || count > arrayLengthMax) return 0;
    const lengthMax = Math.min(this.#directBodyMin - 1, bulkBytesMax, Math.floor(totalBytesMax / count));
    const args: Buffer[] = [];
    let at = start + 4;
    for (let i = 0; i < count; i++) {
      if (end - at < 6 || chunk[at] !== BULK) return 0;
      let length = chunk[at + 1]! - ZERO;
      if (length < 0 || length > 9) return 0;
      const zero = length === 0;
      at += 2;
      for (; at < end; at++) {
        const digit = chunk[at]! - ZERO;
        if (digit < 0 || digit > 9) break;
        if (zero) return 0;
        length = length * 10 + digit;
        if (length > lengthMax) return 0;
      }
      const behind = at + 2 + length;
      if (length > lengthMax || behind + 2 > end) return 0;
      if (chunk[at] !== CR || chunk[at + 1] !== LF || chunk[behind] !== CR || chunk[behind + 1] !== LF)
        return 0;
      args.push(zero ? emptyBuffer : chunk.subarray(at + 2, behind));
      at = behind + 2;
    }
    this.#handler.onCommand(args, noBodies);
    return at;
  }

  #beginCommand(count: number): void {
    const max = this.#limits.arrayLengthMax;
    if (count > max) throw protocolError(`invalid multibulk length ${count} (limit ${max})`);
    this.#state = count > 0 ? ARG : START;
    this.#argCount = count;
  }

  /** Decides where an argument goes. Returns the position after what it consumed of it. */
  #beginBody(length: number, chunk: Buffer, at: number, end: number): number {
    const max = this.#limits.bulkBytesMax;
    if (length < 0 || length > max) throw protocolError(`invalid bulk length ${length} (limit ${max})`);
    this.#state = BODY;
    if (length >= this.#directBodyMin) {
      const argIndex = this.#args.length;
      const target = this.#handler.bodyTarget(this.#args, argIndex, this.#argCount, length);
      if (target !== undefined) {
        this.#receiveBody({
          argIndex,
          payloadBytes: length,
          target: target === "discard" ? undefined : target,
        });
        return at;
      }
      if (this.#state !== BODY) return end;
    }
    this.#heldBytes += length;
    if (this.#heldBytes > this.#limits.totalBytesMax) {
      throw protocolError(`command holds more than ${this.#limits.totalBytesMax} bytes`);
    }
    if (end - at >= length) {
      this.#args.push(length === 0 ? emptyBuffer : chunk.subarray(at, at + length));
      this.#state = BODY_CR;
      return at + length;
    }
    const small = length < this.#directBodyMin;
    this.#incoming = small ? this.#carry.reserve(length) : Buffer.allocUnsafeSlow(length);
    this.#receiver.receive(this.#incoming);
    return at;
  }

  #receiveBody(body: CommandBody): void {
    const { target, payloadBytes } = body;
    if (target !== undefined && target.bytes.length !== payloadBytes) {
      throw new RangeError(`target of ${target.bytes.length} bytes given for ${payloadBytes}`);
    }
    if (this.#state !== BODY) {
      // The handler aborted in its own bodyTarget; it must still get back what it gave.
      if (target !== undefined) this.#handler.onAbortedBody(target);
      return;
    }
    this.#bodies ??= [];
    this.#bodies.push(body);
    this.#incoming = target === undefined ? emptyBuffer : asBuffer(target.bytes);
    if (target === undefined) this.#receiver.skip(payloadBytes);
    else this.#receiver.receive(target.bytes);
  }

  #endBody(): void {
    this.#receiver.finish();
    this.#args.push(this.#incoming);
    this.#incoming = emptyBuffer;
    this.#state = BODY_CR;
  }

  #inlineCommand(): void {
    const { source, start, end } = this.#line;
    const args = inlineArgs(source.subarray(start, end));
    if (args === undefined) throw protocolError("unbalanced quotes in request");
    const max = this.#limits.arrayLengthMax;
    if (args.length > max) throw protocolError(`${args.length} inline arguments (limit ${max})`);
    this.#line.reset();
    this.#state = START;
    if (args.length > 0) this.#handler.onCommand(args, noBodies);
  }

  #deliver(): void {
    const args = this.#args;
    const bodies = this.#bodies ?? noBodies;
    this.#args = [];
    this.#bodies = undefined;
    this.#heldBytes = 0;
    this.#ownedArgs = 0;
    this.#state = START;
    this.#handler.onCommand(args, bodies);
    this.#carry.reset();
  }

  /** The chunk ends inside a command: its arguments that lie in the chunk move to memory that stays. */
  #carryArgs(chunk: Buffer): void {
    const from = chunk.byteOffset;
    const to = from + chunk.length;
    for (let i = this.#ownedArgs; i < this.#args.length; i++) {
      const arg = this.#args[i]!;
      if (arg.length === 0 || arg.buffer !== chunk.buffer) continue;
      if (arg.byteOffset < from || arg.byteOffset >= to) continue;
      const kept = this.#carry.reserve(arg.length);
      arg.copy(kept);
      this.#args[i] = kept;
    }
  }
}
