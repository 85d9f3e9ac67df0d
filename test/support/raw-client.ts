/** A socket that speaks RESP and nothing more, for conformance tests: what is sent and what comes back, byte by byte. */
import { once } from "node:events";
import net from "node:net";
import { onTestFinished } from "vitest";
import type { Address } from "../../src/placement/types.ts";
import { ReplyDecoder } from "../../src/wire/reply-decoder.ts";
import { RespError, RespPush, type RespValue } from "../../src/wire/resp-value.ts";
import { RespWriter } from "../../src/wire/resp-writer.ts";

type Argument = string | number | Uint8Array;

export class RawClient {
  readonly socket: net.Socket;
  readonly #writer = new RespWriter();
  readonly #replies: RespValue[] = [];
  readonly #waiting: { resolve(value: RespValue): void; reject(error: Error): void }[] = [];
  #tag = 0;
  #ended: Error | undefined;

  constructor(socket: net.Socket) {
    this.socket = socket;
    const decoder = new ReplyDecoder({
      onReply: (value) => this.#take(value),
      bodyTarget: () => undefined,
    });
    socket.on("data", (chunk) => decoder.feed(chunk));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.#ended = new Error("the node closed the connection");
      for (const { reject } of this.#waiting.splice(0)) reject(this.#ended);
    });
  }

  static async open({ host, port }: Address): Promise<RawClient> {
    const socket = net.connect({ host, port, noDelay: true });
    onTestFinished(() => void socket.destroy());
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Sends a command and gives the next reply. */
  async send(...args: readonly Argument[]): Promise<RespValue> {
    this.write(...args);
    return await this.next();
  }

  /** A Mayfly command: puts a tag behind the name, and unwraps the reply. The protocol must be RESP3. */
  async tagged(name: string, ...args: readonly Argument[]): Promise<RespValue> {
    const tag = ++this.#tag;
    const reply = await this.send(name, tag, ...args);
    if (!(reply instanceof RespPush) || reply.items[0] !== "mf" || reply.items[1] !== tag) {
      throw new Error(`no reply to tag ${tag}: ${JSON.stringify(reply)}`);
    }
    return reply.items[2]!;
  }

  /** Sends without waiting for the reply. */
  write(...args: readonly Argument[]): void {
    this.#writer.command(args);
    this.writeRaw(...this.#writer.take());
  }

  writeRaw(...chunks: readonly (string | Uint8Array)[]): void {
    for (const chunk of chunks) this.socket.write(chunk);
  }

  /** The next reply; rejects when the connection is closed before. */
  next(): Promise<RespValue> {
    const reply = this.#replies.shift();
    if (reply !== undefined) return Promise.resolve(reply);
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  /** Resolves when the node has closed the connection. */
  async closed(): Promise<void> {
    if (!this.socket.destroyed) await once(this.socket, "close");
  }

  #take(value: RespValue): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#replies.push(value);
    else waiting.resolve(value);
  }
}

/** The first word of an error reply; undefined for any other. */
export function errorPrefix(reply: RespValue | undefined): string | undefined {
  return reply instanceof RespError ? reply.line.split(" ")[0] : undefined;
}
