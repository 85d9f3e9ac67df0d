/** One accepted connection: decodes commands, runs them, sends what they answer in one write a tick. */
import type net from "node:net";
import { DirectReceiver } from "../../client/transport/direct-socket.ts";
import type { TokenClaims } from "../../src/auth/token.ts";
import type { Clock } from "../../src/clock.ts";
import { atEndOfTurn } from "../../src/end-of-turn.ts";
import { MayflyError } from "../../src/errors.ts";
import { emptyBuffer } from "../../src/wire/as-buffer.ts";
import {
  type BodyTarget,
  type CommandBody,
  CommandDecoder,
  type CommandHandler,
} from "../../src/wire/command-decoder.ts";
import { commandLimits, unauthenticatedCommandLimits } from "../../src/wire/resp-limits.ts";
import { RespWriter } from "../../src/wire/resp-writer.ts";
import { WriteBufferPool } from "../../src/wire/write-buffer-pool.ts";
import type { Block } from "../store/segment.ts";
import type { Call, CallConnection, Command, WriteReply } from "./call.ts";
import { PlainReplies, TaggedReplies } from "./replies.ts";

/** Where the large last argument of a command is received: asked before it arrives. */
export interface BodyRouter {
  target(
    connection: ClientConnection,
    args: readonly Buffer[],
    argIndex: number,
    argCount: number,
    bytes: number,
  ): BodyTarget | "discard" | undefined;
  /** Takes a target back: its command did not arrive whole, or may not be carried out. */
  aborted(target: BodyTarget): void;
}

export interface ClientConnectionOptions {
  readonly id: number;
  readonly clock: Clock;
  readonly commands: ReadonlyMap<string, Command>;
  readonly bodies: BodyRouter;
  readonly onClosed: (connection: ClientConnection) => void;
  /** A command was answered with an error. */
  readonly onFailed?: (connection: ClientConnection, error: MayflyError) => void;
  /** Copy what is received instead of receiving in place (for tests of the fallback). */
  readonly plainReceive: boolean;
}

/** Above so many unsent bytes no more commands are read from the connection. */
const unsentBytesMax = 32 * 1024 * 1024;
const repliesOwedMax = 100_000;
/** How long a client that was told goodbye may take to close its side. */
const lingerMs = 1000;
/** Longer than any name: a longer one is unknown anyhow. */
const commandNameBytesMax = 64;
/** Shared, so that an idle connection holds no buffer. */
const writeBuffers = new WriteBufferPool();

export class ClientConnection implements CallConnection, CommandHandler {
  readonly id: number;
  readonly writer = new RespWriter({ protocol: 2, pool: writeBuffers });
  clientName = "";
  readonly #options: ClientConnectionOptions;
  readonly #decoder: CommandDecoder;
  readonly #socket: net.Socket;
  readonly #plain: PlainReplies;
  readonly #tagged: TaggedReplies;
  /** Commands come in runs: the name of the last one, and what it was found to be. */
  #lastName: Buffer = emptyBuffer;
  #lastCommand: Command | undefined;
  #claims: TokenClaims | undefined;
  #pins: Block[] = [];
  #flushing = false;
  readonly #flushNow = (): void => this.#flush();
  #ending = false;
  #closed = false;

  constructor(accepted: net.Socket, options: ClientConnectionOptions) {
    this.id = options.id;
    this.#options = options;
    this.#decoder = new CommandDecoder(this, { limits: unauthenticatedCommandLimits });
    const emit = (write: WriteReply): void => this.#emit(write);
    this.#plain = new PlainReplies(emit, (write) => this.#encode(write));
    this.#tagged = new TaggedReplies(emit);
    const receiver = new DirectReceiver(this.#decoder, (error) => this.#failed(MayflyError.from(error)));
    this.#socket = receiver.adopt(accepted, options.plainReceive);
    this.#socket.on("error", () => this.#socket.destroy());
    this.#socket.on("end", () => this.#socket.end());
    this.#socket.on("close", () => this.#onClose());
  }

  get claims(): TokenClaims | undefined {
    return this.#claims;
  }

  /** Received and sent so far. */
  get movedBytes(): number {
    return this.#socket.bytesRead + this.#socket.bytesWritten;
  }

  /** Strangers get little memory; whoever has authenticated gets what commands need. */
  set claims(claims: TokenClaims | undefined) {
    this.#claims = claims;
    this.#decoder.limits = claims === undefined ? unauthenticatedCommandLimits : commandLimits;
  }

  onCommand(args: readonly Buffer[], bodies: readonly CommandBody[]): void {
    if (this.#ending) {
      this.#takeBack(bodies);
      return;
    }
    const command = this.#commandOf(args[0]!);
    const tag = command?.tagged === true ? tagOf(args[1]) : 0;
    const call =
      tag === undefined || tag === 0
        ? this.#plain.call(args, bodies, this)
        : this.#tagged.call(tag, args, bodies, this);
    try {
      this.#admit(command, args, tag);
    } catch (error) {
      this.#takeBack(bodies);
      this.#replyError(call, error);
      return;
    }
    try {
      const done = command.handle(call);
      if (done !== undefined) done.catch((error: unknown) => this.#replyError(call, error));
    } catch (error) {
      this.#replyError(call, error);
    }
  }

  bodyTarget(
    args: readonly Buffer[],
    argIndex: number,
    argCount: number,
    bytes: number,
  ): BodyTarget | "discard" | undefined {
    return this.#options.bodies.target(this, args, argIndex, argCount, bytes);
  }

  onAbortedBody(target: BodyTarget): void {
    this.#options.bodies.aborted(target);
  }

  pinUntilSent(block: Block): void {
    block.pin();
    this.#pins.push(block);
  }

  endAfterReply(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#scheduleFlush();
    this.#options.clock.after(lingerMs, () => this.#socket.destroy(), true);
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Names are mostly written in capitals; those that are not are found, too. */
  #commandOf(name: Buffer): Command | undefined {
    if (this.#lastCommand !== undefined && isSame(name, this.#lastName)) return this.#lastCommand;
    const command = this.#findCommand(name);
    if (command !== undefined) {
      this.#lastName = Buffer.from(name);
      this.#lastCommand = command;
    }
    return command;
  }

  #findCommand(name: Buffer): Command | undefined {
    const text = name.toString("latin1", 0, commandNameBytesMax);
    return this.#options.commands.get(text) ?? this.#options.commands.get(text.toUpperCase());
  }

  #takeBack(bodies: readonly CommandBody[]): void {
    for (const { target } of bodies) if (target !== undefined) this.#options.bodies.aborted(target);
  }

  #admit(
    command: Command | undefined,
    args: readonly Buffer[],
    tag: number | undefined,
  ): asserts command is Command {
    if (command === undefined) throw unknownCommand(args[0]!);
    const { min, max } = command.args;
    const count = args.length;
    if (count < min || (max !== undefined && count > max)) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `wrong number of arguments for '${command.name.toLowerCase()}' command`,
      );
    }
    if (this.#plain.count > repliesOwedMax || this.#tagged.count > repliesOwedMax) {
      throw new MayflyError("BUSY", `This connection has ${repliesOwedMax} commands without an answer.`);
    }
    if (tag === undefined) {
      throw new MayflyError(
        "INVALID_ARGUMENT",
        `The tag of '${command.name.toLowerCase()}' is a number below 2^53; 0 for a plain reply.`,
      );
    }
    if (command.scope === "none") return;
    const { claims } = this;
    if (claims === undefined)
      throw new MayflyError("UNAUTHENTICATED", "Authentication required: AUTH <job> <token>.");
    if (claims.expiresAtMs <= this.#options.clock.wallMs()) {
      throw new MayflyError(
        "TOKEN_EXPIRED",
        "The token of this connection has expired; get a new ticket and connect again.",
      );
    }
    if (command.scope !== "any" && command.scope !== claims.scope) {
      throw new MayflyError(
        "FORBIDDEN",
        `'${command.name.toLowerCase()}' needs a token of scope ${command.scope}.`,
      );
    }
  }

  #replyError(call: Call, thrown: unknown): void {
    const error = MayflyError.from(thrown);
    this.#options.onFailed?.(this, error);
    call.reply((writer) => writer.error(error.toResp()));
  }

  #emit(write: WriteReply): void {
    if (this.#closed) return;
    try {
      write(this.writer);
    } catch (thrown) {
      // Part of a reply may have been written: nothing behind it could be told apart.
      this.close();
      throw thrown;
    }
    this.#scheduleFlush();
  }

  #encode(write: WriteReply): Uint8Array {
    const writer = new RespWriter({ protocol: this.writer.protocol, pool: writeBuffers });
    write(writer);
    const bytes = Buffer.concat(writer.take());
    writer.recycle();
    return bytes;
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    atEndOfTurn(this.#flushNow);
  }

  #flush(): void {
    this.#flushing = false;
    const pins = this.#pins;
    this.#pins = [];
    const chunks = this.#closed ? [] : this.writer.take();
    const socket = this.#socket;
    if (chunks.length === 0) unpinAll(pins);
    else {
      if (chunks.length > 1) socket.cork();
      for (const [at, chunk] of chunks.entries()) {
        if (at === chunks.length - 1 && pins.length > 0) socket.write(chunk, () => unpinAll(pins));
        else socket.write(chunk);
      }
      if (chunks.length > 1) socket.uncork();
    }
    if (socket.writableLength === 0) this.writer.recycle();
    else if (socket.writableLength > unsentBytesMax && !socket.isPaused()) this.#pauseUntilDrained();
    if (this.#ending) socket.end();
  }

  #pauseUntilDrained(): void {
    this.#socket.pause();
    this.#socket.once("drain", () => this.#socket.resume());
  }

  /** The decoder or a handler threw: what follows in the stream cannot be told apart any more. */
  #failed(error: MayflyError): void {
    if (this.#ending) return;
    const line = error.code === "PROTOCOL" ? `ERR ${error.message}` : error.toResp();
    this.#emit((writer) => writer.error(line));
    this.endAfterReply();
  }

  #onClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#decoder.abort();
    unpinAll(this.#pins);
    this.#pins = [];
    this.#options.onClosed(this);
  }
}

function unpinAll(pins: readonly Block[]): void {
  for (const block of pins) block.unpin();
}

function isSame(a: Buffer, b: Buffer): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** 0: the reply is a plain one, in the order of commands. Undefined: no tag. */
function tagOf(bytes: Buffer | undefined): number | undefined {
  if (bytes === undefined || bytes.length === 0 || bytes.length > 16) return undefined;
  let tag = 0;
  for (let i = 0; i < bytes.length; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return undefined;
    tag = tag * 10 + digit;
  }
  return Number.isSafeInteger(tag) ? tag : undefined;
}

function unknownCommand(name: Buffer): MayflyError {
  const shown = name.toString("latin1", 0, 64);
  return new MayflyError(
    "UNKNOWN_COMMAND",
    `unknown command '${shown}'; \`COMMAND\` lists those this node knows.`,
  );
}
