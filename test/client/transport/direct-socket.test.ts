import { once } from "node:events";
import net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { type ByteSink, DirectReceiver } from "../../../client/transport/direct-socket.ts";
import { CommandDecoder } from "../../../src/wire/command-decoder.ts";
import { RespWriter } from "../../../src/wire/resp-writer.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";

async function listen(onSocket: (socket: net.Socket) => void, pauseOnConnect = false): Promise<number> {
  const server = net.createServer({ pauseOnConnect }, onSocket);
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  onTestFinished(() => void server.close());
  return (server.address() as net.AddressInfo).port;
}

/** Receives into `target` until it is full or given up, and collects everything else. */
class RecordingSink implements ByteSink {
  target: Buffer | undefined;
  filled = 0;
  directReads = 0;
  readonly fed: Buffer[] = [];

  constructor(target: Buffer | undefined) {
    this.target = target;
  }

  get fedBytes(): Buffer {
    return Buffer.concat(this.fed);
  }

  directTarget(): Uint8Array | undefined {
    if (this.target === undefined || this.filled === this.target.length) return undefined;
    return this.target.subarray(this.filled);
  }

  directReceived(byteCount: number): void {
    this.directReads += 1;
    this.filled += byteCount;
  }

  feed(chunk: Uint8Array): void {
    this.fed.push(Buffer.from(chunk));
  }
}

async function connectTo(
  sink: ByteSink,
  fail: (error: unknown) => void = (error) => {
    throw error;
  },
): Promise<{ receiver: DirectReceiver; socket: net.Socket; peer: net.Socket }> {
  let accepted = (_socket: net.Socket): void => undefined;
  const peerComes = new Promise<net.Socket>((resolve) => {
    accepted = resolve;
  });
  const port = await listen((socket) => accepted(socket));
  const receiver = new DirectReceiver(sink, fail);
  const socket = receiver.connect({ host: "127.0.0.1", port });
  const peer = await peerComes;
  onTestFinished(() => {
    socket.destroy();
    peer.destroy();
  });
  return { receiver, socket, peer };
}

test("bytes go straight into the target, and what follows is fed", async () => {
  const sink = new RecordingSink(Buffer.alloc(300_000));
  const { peer } = await connectTo(sink);
  const sent = anyBytes(400_000);
  peer.write(sent);
  await until("all has come", () => sink.filled + sink.fedBytes.length === sent.length);
  expect(sink.target?.equals(sent.subarray(0, 300_000))).toBe(true);
  expect(sink.fedBytes.equals(sent.subarray(300_000))).toBe(true);
  expect(sink.directReads).toBeGreaterThan(0);
});

test("after a retarget nothing is written to the old target", async () => {
  const target = Buffer.alloc(100_000, 0xaa);
  const sink = new RecordingSink(target);
  const { receiver, socket, peer } = await connectTo(sink);
  const sent = anyBytes(100_000);
  peer.write(sent.subarray(0, 30_000));
  await until("the first part has come", () => sink.filled === 30_000);
  sink.target = undefined;
  expect(receiver.retarget(socket)).toBe(true);
  peer.write(sent.subarray(30_000));
  await until("the rest has come", () => sink.fedBytes.length === 70_000);
  expect(sink.fedBytes.equals(sent.subarray(30_000))).toBe(true);
  expect(target.subarray(0, 30_000).equals(sent.subarray(0, 30_000))).toBe(true);
  expect(target.subarray(30_000).equals(Buffer.alloc(70_000, 0xaa))).toBe(true);
});

test("a receive moves on to another target in the middle", async () => {
  const first = Buffer.alloc(50_000, 0xaa);
  const second = Buffer.alloc(20_000);
  const sink = new RecordingSink(first);
  const { receiver, socket, peer } = await connectTo(sink);
  const sent = anyBytes(30_000);
  peer.write(sent.subarray(0, 10_000));
  await until("the first part has come", () => sink.filled === 10_000);
  sink.target = second;
  sink.filled = 0;
  expect(receiver.retarget(socket)).toBe(true);
  peer.write(sent.subarray(10_000));
  await until("the rest has come", () => sink.filled === 20_000);
  expect(second.equals(sent.subarray(10_000))).toBe(true);
  expect(first.subarray(10_000).equals(Buffer.alloc(40_000, 0xaa))).toBe(true);
});

test("a socket whose receive cannot be redirected says so", async () => {
  const { receiver, socket } = await connectTo(new RecordingSink(undefined));
  socket.destroy();
  expect(receiver.retarget(socket)).toBe(false);
});

test("what the reader throws is reported, not thrown into the event loop", async () => {
  const sink = new RecordingSink(undefined);
  sink.feed = () => {
    throw new Error("cannot read this");
  };
  const failures: unknown[] = [];
  const { peer } = await connectTo(sink, (error) => failures.push(error));
  peer.write("x");
  await until("it is reported", () => failures.length > 0);
  expect(failures[0]).toMatchObject({ message: "cannot read this" });
});

/** Commands with small and large arguments, the large ones received in place where that is possible. */
async function receiveCommands(plain: boolean): Promise<{
  commands: string[][];
  bodies: Buffer[];
  directReads: number;
  expected: { commands: string[][]; bodies: Buffer[] };
}> {
  const bodies = [anyBytes(5000), anyBytes(300_000), anyBytes(64 * 1024)];
  const received: Buffer[] = [];
  const commands: string[][] = [];
  let directReads = 0;
  const decoder = new CommandDecoder({
    onCommand: (args) => void commands.push(args.filter((arg) => arg.length < 100).map(String)),
    bodyTarget: (_args, _at, _count, length) => {
      const bytes = Buffer.alloc(length);
      received.push(bytes);
      return { bytes };
    },
    onAbortedBody: () => undefined,
  });
  const sink: ByteSink = {
    directTarget: () => decoder.directTarget(),
    directReceived: (count) => {
      directReads += 1;
      decoder.directReceived(count);
    },
    feed: (chunk) => decoder.feed(chunk),
  };
  const sockets: net.Socket[] = [];
  const port = await listen((accepted) => {
    const receiver = new DirectReceiver(sink, (error) => expect.fail(String(error)));
    const socket = receiver.adopt(accepted, plain);
    expect(socket === accepted).toBe(plain);
    sockets.push(socket);
  }, true);
  const client = net.connect({ host: "127.0.0.1", port });
  await once(client, "connect");
  const writer = new RespWriter();
  for (const [at, body] of bodies.entries()) {
    writer.command(["PUT", `before ${at}`, body, `behind ${at}`]);
    writer.command(["PING", String(at)]);
  }
  for (const chunk of writer.take()) client.write(chunk);
  await until("all has come", () => commands.length === 2 * bodies.length);
  client.destroy();
  await until("the server's side is closed", () => sockets.every((socket) => socket.destroyed));
  const expectedCommands = bodies.flatMap((_, at) => [
    ["PUT", `before ${at}`, `behind ${at}`],
    ["PING", String(at)],
  ]);
  return { commands, bodies: received, directReads, expected: { commands: expectedCommands, bodies } };
}

test("an accepted socket receives in place", async () => {
  const { commands, bodies, directReads, expected } = await receiveCommands(false);
  expect(commands).toEqual(expected.commands);
  expect(bodies.every((body, at) => body.equals(expected.bodies[at]!))).toBe(true);
  expect(directReads).toBeGreaterThan(0);
});

test("the fallback for accepted sockets gives the same bytes without private API", async () => {
  const { commands, bodies, directReads, expected } = await receiveCommands(true);
  expect(commands).toEqual(expected.commands);
  expect(bodies.every((body, at) => body.equals(expected.bodies[at]!))).toBe(true);
  expect(directReads).toBe(0);
});
