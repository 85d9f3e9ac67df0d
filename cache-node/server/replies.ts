/**
 * Commands that are owed a reply. Those of plain Redis commands leave in the order of the commands, also when one of
 * them has to wait; tagged ones leave as they are ready.
 */
import type { CommandBody } from "../../src/wire/command-decoder.ts";
import type { Call, CallConnection, WriteReply } from "./call.ts";

/** Writes a reply to the connection. */
export type Emit = (write: WriteReply) => void;

/** The bytes of a reply that has to wait: what it was made from may change or go until it leaves. */
export type Encode = (write: WriteReply) => Uint8Array;

export class PlainReplies {
  readonly #emit: Emit;
  readonly #encode: Encode;
  /** From `#first` on: in the order of the commands. */
  #owed: PlainCall[] = [];
  #first = 0;

  constructor(emit: Emit, encode: Encode) {
    this.#emit = emit;
    this.#encode = encode;
  }

  /** Commands whose replies are still owed. */
  get count(): number {
    return this.#owed.length - this.#first;
  }

  call(args: readonly Buffer[], bodies: readonly CommandBody[], connection: CallConnection): Call {
    const call = new PlainCall(this, args, bodies, connection);
    this.#owed.push(call);
    return call;
  }

  /** @internal */
  ready(call: PlainCall, write: WriteReply): void {
    if (this.#owed[this.#first] !== call) {
      const bytes = this.#encode(write);
      call.waiting = (writer) => writer.encoded(bytes);
      return;
    }
    this.#first += 1;
    this.#emit(write);
    for (let next = this.#owed[this.#first]; next?.waiting !== undefined; next = this.#owed[this.#first]) {
      this.#first += 1;
      this.#emit(next.waiting);
    }
    const owed = this.#owed;
    if (this.#first < owed.length && this.#first < keptMax) return;
    this.#owed = this.#first === owed.length ? emptied(owed) : owed.slice(this.#first);
    this.#first = 0;
  }
}

/** Places in front that are kept before the others move up. */
const keptMax = 1024;

/** The same array, unless it has grown large. */
function emptied(calls: PlainCall[]): PlainCall[] {
  if (calls.length > keptMax) return [];
  calls.length = 0;
  return calls;
}

class PlainCall implements Call {
  readonly args: readonly Buffer[];
  readonly bodies: readonly CommandBody[];
  readonly connection: CallConnection;
  /** The reply, while those before it have not left. */
  waiting: WriteReply | undefined;
  #replied = false;
  readonly #replies: PlainReplies;

  constructor(
    replies: PlainReplies,
    args: readonly Buffer[],
    bodies: readonly CommandBody[],
    connection: CallConnection,
  ) {
    this.#replies = replies;
    this.args = args;
    this.bodies = bodies;
    this.connection = connection;
  }

  reply(write: WriteReply): void {
    if (this.#replied) return;
    this.#replied = true;
    this.#replies.ready(this, write);
  }
}

export class TaggedReplies {
  readonly #emit: Emit;
  #count = 0;

  constructor(emit: Emit) {
    this.#emit = emit;
  }

  /** Commands whose replies are still owed. */
  get count(): number {
    return this.#count;
  }

  call(
    tag: number,
    args: readonly Buffer[],
    bodies: readonly CommandBody[],
    connection: CallConnection,
  ): Call {
    this.#count += 1;
    return new TaggedCall(this, tag, args, bodies, connection);
  }

  /** @internal */
  ready(tag: number, write: WriteReply): void {
    this.#count -= 1;
    this.#emit((writer) => {
      writer.pushHeader(3);
      writer.simple("mf");
      writer.integer(tag);
      write(writer);
    });
  }
}

class TaggedCall implements Call {
  readonly args: readonly Buffer[];
  readonly bodies: readonly CommandBody[];
  readonly connection: CallConnection;
  readonly #replies: TaggedReplies;
  readonly #tag: number;
  #owed = true;

  constructor(
    replies: TaggedReplies,
    tag: number,
    args: readonly Buffer[],
    bodies: readonly CommandBody[],
    connection: CallConnection,
  ) {
    this.#replies = replies;
    this.#tag = tag;
    this.args = args;
    this.bodies = bodies;
    this.connection = connection;
  }

  reply(write: WriteReply): void {
    if (!this.#owed) return;
    this.#owed = false;
    this.#replies.ready(this.#tag, write);
  }
}
