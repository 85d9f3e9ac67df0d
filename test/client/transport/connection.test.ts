import net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Connection, type ConnectionOptions } from "../../../client/transport/connection.ts";
import { type Deadline, startDeadline } from "../../../client/transport/deadline.ts";
import { systemClock } from "../../../src/clock.ts";
import type { Address } from "../../../src/placement/types.ts";
import { until } from "../../support/until.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { startScriptedNode } from "./scripted-node.ts";

function open(address: Address, options: Partial<ConnectionOptions> = {}): Connection {
  const connection = new Connection({
    address,
    credentials: { user: "7", token: "secret" },
    epoch: { term: 1, n: 2 },
    onMap: () => undefined,
    onClosed: () => undefined,
    ...options,
  });
  onTestFinished(() => connection.close());
  return connection;
}

const within = (timeoutMs = 10_000, signal?: AbortSignal): Deadline =>
  startDeadline(systemClock, timeoutMs, signal, "the test");

test("answers find their requests in whatever order they come", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const answers = ["a", "b", "c"].map((arg) => connection.request("MF.X", [arg], { deadline: within() }));
  const calls = [await node.nextCall(), await node.nextCall(), await node.nextCall()];
  expect(calls.map((call) => String(call.args[0]))).toEqual(["a", "b", "c"]);
  expect(connection.pendingCount).toBe(3);
  for (const at of [2, 0, 1]) calls[at]!.reply((writer) => writer.bulk(`answer ${at}`));
  expect((await Promise.all(answers)).map(String)).toEqual(["answer 0", "answer 1", "answer 2"]);
  expect(connection.pendingCount).toBe(0);
});

test("the handshake goes before the first request, and hands on the map", async () => {
  const map = anyBytes(5000);
  const node = await startScriptedNode({ map: () => map });
  const maps: Uint8Array[] = [];
  const connection = open(node.address, { onMap: (encoded) => maps.push(encoded) });
  const answer = connection.request("MF.X", [], { deadline: within() });
  (await node.nextCall()).reply((writer) => writer.integer(5));
  expect(await answer).toBe(5);
  expect(node.names).toEqual(["HELLO", "AUTH", "MF.MAP", "MF.X"]);
  expect(maps.map((encoded) => map.equals(encoded))).toEqual([true]);
});

test("a refused token ends the connection, and every request gets to know why", async () => {
  const node = await startScriptedNode({ authReply: "-TOKENEXPIRED it is over" });
  const reasons: string[] = [];
  const connection = open(node.address, { onClosed: (error) => reasons.push(error.code) });
  const answer = connection.request("MF.X", [], { deadline: within() });
  await expect(answer).rejects.toMatchObject({ code: "TOKEN_EXPIRED", message: "it is over" });
  await expect(connection.request("MF.X", [], { deadline: within() })).rejects.toMatchObject({
    code: "TOKEN_EXPIRED",
  });
  expect(connection.closed).toBe(true);
  expect(reasons).toEqual(["TOKEN_EXPIRED"]);
});

test("a node's error is the request's error", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const answer = connection.request("MF.X", [], { deadline: within() });
  (await node.nextCall()).reply((writer) => writer.error("MOVED 3.4 not here"));
  await expect(answer).rejects.toMatchObject({ code: "MOVED", kind: "moved", message: "3.4 not here" });
  expect(connection.closed).toBe(false);
});

test("a body is received in the memory that the request gave for it", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const body = anyBytes(200_000);
  const target = Buffer.alloc(200_000);
  const asked: [number, readonly number[]][] = [];
  const answer = connection.request("MF.X", [], {
    deadline: within(),
    targetOf: (length, path) => {
      asked.push([length, path]);
      return target;
    },
  });
  const call = await node.nextCall();
  call.reply((writer) => {
    writer.arrayHeader(2);
    writer.null();
    writer.arrayHeader(2);
    writer.bulk("sums");
    writer.bulk(body);
  });
  const value = (await answer) as [null, [Uint8Array, Uint8Array]];
  expect(asked).toEqual([[200_000, [1, 1]]]);
  expect(target.equals(body)).toBe(true);
  expect(value[1][1].buffer).toBe(target.buffer);
});

test("after its deadline a request's memory stays as it is, and the connection goes on", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const target = Buffer.alloc(100_000, 0xaa);
  const late = connection.request("MF.LATE", [], { deadline: within(30), targetOf: () => target });
  const call = await node.nextCall();
  await expect(late).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  call.reply((writer) => writer.bulk(anyBytes(100_000)));
  const next = connection.request("MF.NEXT", [], { deadline: within() });
  (await node.nextCall()).reply((writer) => writer.integer(1));
  expect(await next).toBe(1);
  expect(target.equals(Buffer.alloc(100_000, 0xaa))).toBe(true);
  expect(connection.pendingCount).toBe(0);
});

test("a body that is half received when the request is aborted goes nowhere from then on", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const target = Buffer.alloc(300_000, 0xaa);
  const abort = new AbortController();
  const answer = connection.request("MF.X", [], {
    deadline: within(10_000, abort.signal),
    targetOf: () => target,
  });
  const { socket, reply } = await node.nextCall();
  const body = anyBytes(300_000);
  let whole = Buffer.alloc(0);
  const realWrite = socket.write.bind(socket);
  // Catches what would be sent, to send it in two parts.
  socket.write = ((chunk: Uint8Array) => {
    whole = Buffer.concat([whole, chunk]);
    return true;
  }) as typeof socket.write;
  reply((writer) => writer.bulk(body));
  socket.write = realWrite;
  socket.write(whole.subarray(0, 150_000));
  await until("some of it has come", () => target[100_000] !== 0xaa || target[100_001] !== 0xaa);
  abort.abort();
  await expect(answer).rejects.toMatchObject({ code: "ABORTED" });
  const atAbort = Buffer.from(target);
  socket.write(whole.subarray(150_000));
  const next = connection.request("MF.NEXT", [], { deadline: within() });
  (await node.nextCall()).reply((writer) => writer.bulk("still in step"));
  expect(String(await next)).toBe("still in step");
  expect(target.equals(atAbort)).toBe(true);
  expect(target.subarray(200_000).equals(Buffer.alloc(100_000, 0xaa))).toBe(true);
});

test("a request that is over before it begins is not sent", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const deadline = { ...within(), signal: AbortSignal.abort() };
  await expect(connection.request("MF.A", [], { deadline })).rejects.toMatchObject({ code: "ABORTED" });
  const past = { ...within(), atMs: systemClock.now() - 1 };
  await expect(connection.request("MF.B", [], { deadline: past })).rejects.toMatchObject({
    code: "DEADLINE_EXCEEDED",
  });
  const next = connection.request("MF.C", [], { deadline: within() });
  (await node.nextCall()).reply((writer) => writer.ok());
  await next;
  expect(node.names).not.toContain("MF.A");
  expect(node.names).not.toContain("MF.B");
});

test("a server that closes makes what is under way NODE_UNREACHABLE", async () => {
  const node = await startScriptedNode();
  const reasons: string[] = [];
  const connection = open(node.address, { onClosed: (error) => reasons.push(error.code) });
  const answers = [1, 2].map((arg) => connection.request("MF.X", [arg], { deadline: within() }));
  (await node.nextCall()).socket.destroy();
  for (const answer of answers) await expect(answer).rejects.toMatchObject({ code: "NODE_UNREACHABLE" });
  expect(reasons).toEqual(["NODE_UNREACHABLE"]);
});

test("nobody listens: NODE_UNREACHABLE, naming the place", async () => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0 }, resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  const connection = open({ host: "127.0.0.1", port });
  await expect(connection.request("MF.X", [], { deadline: within() })).rejects.toMatchObject({
    code: "NODE_UNREACHABLE",
    message: expect.stringContaining(`127.0.0.1:${port}`),
  });
});

test("an owner that closes gets CLOSED for what is under way, or the reason it gives", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const answer = connection.request("MF.X", [], { deadline: within() });
  connection.close();
  await expect(answer).rejects.toMatchObject({ code: "CLOSED" });
});

test("bytes that are no reply end the connection with PROTOCOL", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const answer = connection.request("MF.X", [], { deadline: within() });
  (await node.nextCall()).socket.write("?what\r\n");
  await expect(answer).rejects.toMatchObject({ code: "PROTOCOL" });
  expect(connection.closed).toBe(true);
});

test("an answer that nobody asked for ends the connection with PROTOCOL", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const answer = connection.request("MF.X", [], { deadline: within() });
  (await node.nextCall()).socket.write("+OK\r\n");
  await expect(answer).rejects.toMatchObject({ code: "PROTOCOL", message: /nobody asked for/ });
});

/** Sockets of this process that keep it alive. */
function activeSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

test("only awaited answers keep the process alive", async () => {
  const node = await startScriptedNode();
  const connection = open(node.address);
  const first = connection.request("MF.A", [], { deadline: within() });
  (await node.nextCall()).reply((writer) => writer.ok());
  await first;
  // The server's side of the connection counts too, and stays.
  const idle = activeSockets();
  const aborts = new AbortController();
  const abandoned = connection.request("MF.B", [], { deadline: within(10_000, aborts.signal) });
  const unanswered = await node.nextCall();
  expect(activeSockets()).toBe(idle + 1);
  aborts.abort();
  await expect(abandoned).rejects.toMatchObject({ code: "ABORTED" });
  expect(activeSockets()).toBe(idle);
  // An abandoned request is still owed an answer: the next one must keep the process alive all the same.
  const third = connection.request("MF.C", [], { deadline: within() });
  expect(activeSockets()).toBe(idle + 1);
  (await node.nextCall()).reply((writer) => writer.ok());
  await third;
  expect(connection.pendingCount).toBe(1);
  expect(activeSockets()).toBe(idle);
  unanswered.reply((writer) => writer.ok());
  await until("the late answer has come", () => connection.pendingCount === 0);
  expect(activeSockets()).toBe(idle);
});
