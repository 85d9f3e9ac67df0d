/**
 * One RESP3 connection to a node. Requests are Mayfly commands whose first argument is a tag; the node answers
 * each with a push `>3 +mf :<tag> <value>`, in whatever order answers are ready, so that a wait or a slow write
 * holds up nobody else. The handshake (HELLO, AUTH, MF.MAP) goes out with the first request, in one write.
 */
import type net from "node:net";
import type { Cancel, Clock } from "../../src/clock.ts";
import { atEndOfTurn } from "../../src/end-of-turn.ts";
import { MayflyError } from "../../src/errors.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { Address, Epoch } from "../../src/placement/types.ts";
import { ReplyDecoder } from "../../src/wire/reply-decoder.ts";
import { type CommandArgument, RequestWriter } from "../../src/wire/request-writer.ts";
import { RespError, RespPush, type RespValue } from "../../src/wire/resp-value.ts";
import { type Deadline, deadlineError, overError } from "./deadline.ts";
import { DirectReceiver } from "./direct-socket.ts";

export type Argument = CommandArgument;

/** Where the body of a reply goes; `path` are the positions within the nested arrays of the reply. */
export type TargetOf = (length: number, path: readonly number[]) => Uint8Array | undefined;

export interface RequestOptions {
  readonly deadline: Deadline;
  readonly targetOf?: TargetOf;
}

export interface Credentials {
  readonly user: string;
  readonly token: string;
}

interface Pending {
  readonly resolve: (value: RespValue) => void;
  readonly reject: (error: MayflyError) => void;
  readonly targetOf: TargetOf | undefined;
  readonly deadline: Deadline;
  readonly onAbort: (() => void) | undefined;
  /** The caller has gone: bodies still to come must not touch its memory. */
  abandoned: boolean;
}

export interface ConnectionOptions {
  readonly address: Address;
  readonly credentials: Credentials;
  readonly epoch: Epoch;
  /** The node's answer to MF.MAP: an encoded map newer than `epoch`, if it has one. */
  readonly onMap: (encoded: Uint8Array) => void;
  /** Called once, with the reason. */
  readonly onClosed: (error: MayflyError) => void;
  /** Called when the node begins to owe answers; the result is called when none is awaited any more. */
  readonly onWaiting?: (() => Cancel) | undefined;
}

const tagMax = 2 ** 31;
const pendingMax = 65_536;

export class Connection {
  readonly address: Address;
  #socket: net.Socket;
  #receiver: DirectReceiver;
  #decoder: ReplyDecoder;
  #writer = new RequestWriter();
  #pending = new Map<number, Pending>();
  /** Of `#pending`: those not abandoned. Only they keep the process alive. */
  #awaitedCount = 0;
  #stopWaiting: Cancel | undefined;
  /** One timer for all requests: it goes off at the earliest of their deadlines, or before. */
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer: Cancel | undefined;
  #tag = 0;
  /** The memory of a caller that a body is being received into, and the request it belongs to. */
  #receiving: { readonly tag: number; readonly target: Uint8Array } | undefined;
  /** Answers to the handshake still to come, in order. */
  #handshake: ((value: RespValue) => void)[] = [];
  #flushing = false;
  readonly #flushNow = (): void => this.#flush();
  #closed: MayflyError | undefined;
  readonly #onClosed: (error: MayflyError) => void;
  readonly #onWaiting: (() => Cancel) | undefined;

  constructor(options: ConnectionOptions) {
    this.address = options.address;
    this.#onClosed = options.onClosed;
    this.#onWaiting = options.onWaiting;
    this.#decoder = new ReplyDecoder({
      onReply: (value) => this.#onReply(value),
      bodyTarget: (length, stack) => this.#bodyTarget(length, stack),
    });
    this.#receiver = new DirectReceiver(this.#decoder, (error) => this.#fail(MayflyError.from(error)));
    this.#socket = this.#receiver.connect(options.address);
    this.#socket.on("error", (error) => this.#fail(this.#unreachable(error.message)));
    this.#socket.on("close", () => this.#fail(this.#unreachable("it closed the connection")));
    this.#sayHello(options);
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Requests without an answer yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /**
   * Sends one command; the tag is put in behind its name. Bodies of 16 KiB and more are sent from where they are:
   * they must not change before the answer. Rejects with the node's error, NODE_UNREACHABLE, DEADLINE_EXCEEDED
   * or ABORTED; in each case nothing is written to the request's targets any more.
   */
  request(name: string, args: readonly Argument[], options: RequestOptions): Promise<RespValue> {
    const { deadline, targetOf } = options;
    const refusal = this.#closed ?? overError(deadline) ?? this.#overload();
    if (refusal !== undefined) return Promise.reject(refusal);
    const tag = this.#nextTag();
    const { signal } = deadline;
    const onAbort =
      signal === undefined
        ? undefined
        : (): void => this.#abandon(tag, overError(deadline) ?? deadlineError(deadline));
    if (onAbort !== undefined) signal?.addEventListener("abort", onAbort, { once: true });
    if (++this.#awaitedCount === 1) {
      this.#socket.ref();
      this.#stopWaiting = this.#onWaiting?.();
    }
    if (deadline.atMs < this.#timerAtMs) this.#armTimer(deadline.clock, deadline.atMs);
    this.#writer.call(name, tag, args);
    this.#scheduleFlush();
    return new Promise((resolve, reject) => {
      this.#pending.set(tag, { resolve, reject, targetOf, deadline, onAbort, abandoned: false });
    });
  }

  /** Requests without an answer are rejected with `reason`, by default CLOSED. */
  close(reason?: MayflyError): void {
    this.#fail(
      reason ?? new MayflyError("CLOSED", `The connection to ${this.#name()} was closed by its owner.`),
    );
  }

  #sayHello(options: ConnectionOptions): void {
    const { user, token } = options.credentials;
    this.#writer.command(["HELLO", 3]);
    this.#writer.command(["AUTH", user, token]);
    this.#writer.command(["MF.MAP", 0, formatEpoch(options.epoch)]);
    const check = (value: RespValue): void => {
      if (value instanceof RespError) this.#fail(MayflyError.fromResp(value.line));
    };
    this.#handshake.push(check, check, (value) => {
      check(value);
      if (value instanceof Uint8Array) options.onMap(value);
    });
    this.#scheduleFlush();
  }

  #overload(): MayflyError | undefined {
    if (this.#pending.size < pendingMax) return undefined;
    return new MayflyError("BUSY", `${this.#name()} has ${pendingMax} requests without an answer.`);
  }

  #nextTag(): number {
    do this.#tag = (this.#tag % tagMax) + 1;
    while (this.#pending.has(this.#tag));
    return this.#tag;
  }

  #scheduleFlush(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    atEndOfTurn(this.#flushNow);
  }

  #flush(): void {
    this.#flushing = false;
    if (this.#closed !== undefined) return;
    const chunks = this.#writer.take();
    const socket = this.#socket;
    if (chunks.length > 1) socket.cork();
    for (const chunk of chunks) socket.write(chunk);
    if (chunks.length > 1) socket.uncork();
    if (socket.writableLength === 0) this.#writer.recycle();
  }

  #onReply(value: RespValue): void {
    this.#receiving = undefined;
    if (!(value instanceof RespPush)) {
      const answer = this.#handshake.shift();
      // A node that cannot make sense of what it got says so outside of any answer, and closes.
      if (answer === undefined && value instanceof RespError) throw MayflyError.fromResp(value.line);
      if (answer === undefined)
        throw new MayflyError("PROTOCOL", `${this.#name()} sent an answer nobody asked for.`);
      answer(value);
      return;
    }
    const [kind, tag, result] = value.items;
    if (kind !== "mf" || typeof tag !== "number" || result === undefined) return;
    const pending = this.#take(tag);
    if (pending === undefined || pending.abandoned) return;
    if (result instanceof RespError) pending.reject(MayflyError.fromResp(result.line));
    else pending.resolve(result);
  }

  #bodyTarget(length: number, stack: readonly (readonly RespValue[])[]): Uint8Array | undefined {
    const tag = stack[0]?.[1];
    if (typeof tag !== "number") return undefined;
    const pending = this.#pending.get(tag);
    if (pending?.targetOf === undefined || pending.abandoned) return undefined;
    const path = stack.slice(1).map((items) => items.length);
    const target = pending.targetOf(length, path);
    this.#receiving = target && { tag, target };
    return target;
  }

  #take(tag: number): Pending | undefined {
    const pending = this.#pending.get(tag);
    if (pending === undefined) return undefined;
    this.#pending.delete(tag);
    if (!pending.abandoned) this.#release(pending);
    return pending;
  }

  /** The entry stays until the answer has come, so that its tag is not used again before. */
  #abandon(tag: number, error: MayflyError): void {
    const pending = this.#pending.get(tag);
    if (pending === undefined || pending.abandoned) return;
    pending.abandoned = true;
    this.#release(pending);
    const receiving = this.#receiving?.tag === tag ? this.#receiving : undefined;
    if (receiving && this.#decoder.abandonBody(receiving.target) && !this.#receiver.retarget(this.#socket)) {
      this.#fail(this.#unreachable("a receive under way could not be redirected"));
    }
    pending.reject(error);
  }

  /** Answers that nobody awaits any more keep no process alive, however long a node takes with them. */
  #release({ deadline, onAbort }: Pending): void {
    if (onAbort !== undefined) deadline.signal?.removeEventListener("abort", onAbort);
    if (--this.#awaitedCount > 0) return;
    this.#socket.unref();
    this.#stopWaiting?.();
    this.#stopWaiting = undefined;
  }

  #armTimer(clock: Clock, atMs: number): void {
    this.#cancelTimer?.();
    this.#timerAtMs = atMs;
    this.#cancelTimer = clock.after(Math.max(0, atMs - clock.now()), () => this.#expire(clock), true);
  }

  /** Most requests are answered long before, so the timer is moved only when it goes off. */
  #expire(clock: Clock): void {
    this.#cancelTimer = undefined;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const [tag, { deadline, abandoned }] of this.#pending) {
      if (abandoned) continue;
      if (deadline.atMs <= nowMs) this.#abandon(tag, deadlineError(deadline));
      else nextMs = Math.min(nextMs, deadline.atMs);
    }
    if (nextMs < this.#timerAtMs && this.#closed === undefined) this.#armTimer(clock, nextMs);
  }

  #fail(error: MayflyError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#socket.destroy();
    this.#cancelTimer?.();
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const entry of pending) {
      if (entry.abandoned) continue;
      this.#release(entry);
      entry.reject(error);
    }
    this.#onClosed(error);
  }

  #name(): string {
    return `node ${this.address.host}:${this.address.port}`;
  }

  #unreachable(why: string): MayflyError {
    return new MayflyError("NODE_UNREACHABLE", `${this.#name()} cannot be reached: ${why}.`);
  }
}
