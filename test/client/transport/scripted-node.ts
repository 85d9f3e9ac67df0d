/** A server that decodes what a client sends as a node would, and answers what the test says, when the test says. */
import net from "node:net";
import { onTestFinished } from "vitest";
import type { Address } from "../../../src/placement/types.ts";
import { CommandDecoder } from "../../../src/wire/command-decoder.ts";
import { RespWriter } from "../../../src/wire/resp-writer.ts";

export interface ScriptedCall {
  readonly name: string;
  /** Behind name and tag. */
  readonly args: readonly Buffer[];
  readonly socket: net.Socket;
  /** Writes a tagged reply. */
  reply(write: (writer: RespWriter) => void): void;
}

export interface ScriptedNode {
  readonly address: Address;
  /** Names of all commands, handshakes included, in the order of their arrival. */
  readonly names: string[];
  /** Connections accepted so far. */
  readonly sockets: readonly net.Socket[];
  /** The next tagged command, but for the handshake's. */
  nextCall(): Promise<ScriptedCall>;
}

export interface ScriptedNodeOptions {
  /** Instead of +OK. */
  readonly authReply?: string;
  /** What MF.MAP of the handshake answers; null by default. */
  readonly map?: () => Uint8Array | null;
}

export async function startScriptedNode(options: ScriptedNodeOptions = {}): Promise<ScriptedNode> {
  const calls: ScriptedCall[] = [];
  const waiting: ((call: ScriptedCall) => void)[] = [];
  const names: string[] = [];
  const sockets: net.Socket[] = [];
  const take = (call: ScriptedCall): void => {
    const next = waiting.shift();
    if (next === undefined) calls.push(call);
    else next(call);
  };
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    const decoder = new CommandDecoder({
      onCommand(args) {
        const [name = "", tag = "", ...rest] = args.map((arg) => Buffer.from(arg));
        names.push(String(name));
        const reply = (write: (writer: RespWriter) => void): void => {
          const writer = new RespWriter({ protocol: 3 });
          write(writer);
          for (const chunk of writer.take()) socket.write(chunk);
        };
        const value = options.map?.() ?? null;
        if (String(name) === "HELLO") reply((writer) => writer.ok());
        else if (String(name) === "AUTH") socket.write(`${options.authReply ?? "+OK"}\r\n`);
        else if (String(name) === "MF.MAP" && String(tag) === "0")
          reply((writer) => (value === null ? writer.null() : writer.bulk(value)));
        else {
          const tagged = (write: (writer: RespWriter) => void): void =>
            reply((writer) => {
              writer.pushHeader(3);
              writer.simple("mf");
              writer.integer(Number(tag));
              write(writer);
            });
          take({ name: String(name), args: rest, socket, reply: tagged });
        }
      },
      bodyTarget: () => undefined,
      onAbortedBody: () => undefined,
    });
    socket.on("data", (chunk) => decoder.feed(chunk));
  });
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as net.AddressInfo;
  return {
    address: { host: "127.0.0.1", port },
    names,
    sockets,
    nextCall: () => {
      const call = calls.shift();
      if (call !== undefined) return Promise.resolve(call);
      return new Promise((resolve) => waiting.push(resolve));
    },
  };
}
