/** Small reads while the same client reads a large object: they come over connections of their own, and do not queue. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type net from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { Job } from "../../client/job.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { startFleet } from "../support/fleet.ts";
import { anyBytes, keysWhere } from "../support/written-keys.ts";

const largeBytes = 64 * 2 ** 20;
const smallBytes = 1024;
/** Without parity nothing is asked for twice, however late it is. */
const code = { d: 4, p: 0 };

interface Reader {
  readonly job: Job;
  readonly large: Buffer;
  readonly ref: Ref;
  /** One socket to each node. */
  readonly small: readonly net.Socket[];
  readonly bulk: readonly net.Socket[];
  /** How many there are by now. */
  opened(): number;
  /** Reads a small value of some node, and checks it. */
  readSmall(): Promise<void>;
}

/** Sockets that this process opens to one of `ports` from now on. */
function watchSockets(ports: readonly number[]): () => net.Socket[] {
  const opened: net.Socket[] = [];
  const note = (message: unknown): void => void opened.push((message as { socket: net.Socket }).socket);
  subscribe("net.client.socket", note);
  onTestFinished(() => void unsubscribe("net.client.socket", note));
  return () => opened.filter(({ remotePort }) => ports.includes(remotePort ?? 0));
}

const portsOf = (sockets: readonly net.Socket[]): number[] =>
  sockets.map((socket) => socket.remotePort!).sort();
const received = (sockets: readonly net.Socket[]): number =>
  sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0);

/** A client with all its connections: to each of six nodes one that it opened for small and one for large reads. */
async function startReader(): Promise<Reader> {
  const fleet = await startFleet(6);
  const { ticket } = await fleet.createJob({ code });
  const writer = await fleet.connect(ticket);
  const [large, value] = [anyBytes(largeBytes), anyBytes(smallBytes)];
  const ref = await writer.put("large", large);
  const keys = fleet.nodeIds.flatMap((node) => keysWhere(fleet.map, "small-", 1, (row) => row[0] === node));
  for (const key of keys) await writer.put(key, value);

  const ports = fleet.map.nodes.map(({ port }) => port).sort();
  const sockets = watchSockets(ports);
  const job = await fleet.connect(ticket);
  let next = 0;
  const readSmall = async (): Promise<void> => {
    const key = keys[next++ % keys.length]!;
    if (!value.equals(await job.get(key))) throw new Error(`key ${key} has other bytes`);
  };
  for (const _ of keys) await readSmall();
  const small = sockets();
  expect(portsOf(small)).toEqual(ports);
  expect(large.equals(await job.get(ref))).toBe(true);
  const bulk = sockets().filter((socket) => !small.includes(socket));
  expect(portsOf(bulk)).toEqual(ports);
  return { job, large, ref, small, bulk, opened: () => sockets().length, readSmall };
}

test("each of many readers of small values gets on during each read of a large object", async () => {
  const { job, large, ref, small, bulk, opened, readSmall } = await startReader();
  const before = { small: received(small), bulk: received(bulk) };
  // If a small read had to wait for the large one, as many as there are lanes would end with each large read. How many
  // more there are depends on the machine, in fact on how much a turn of the event loop takes in.
  const lanes = 8;
  const largeReads = 5;
  let reading = true;
  let done = 0;
  const looping = Array.from({ length: lanes }, async () => {
    for (; reading; done++) await readSmall();
  });
  const duringEach: number[] = [];
  for (let i = 0; i < largeReads; i++) {
    const doneBefore = done;
    const bytes = await job.get(ref);
    duringEach.push(done - doneBefore);
    expect(large.equals(bytes)).toBe(true);
  }
  reading = false;
  await Promise.all(looping);
  expect(Math.min(...duringEach)).toBeGreaterThan(2 * lanes);
  // Nor did they come the same way.
  expect(opened()).toBe(small.length + bulk.length);
  const smallGot = received(small) - before.small;
  expect(smallGot).toBeGreaterThan(done * smallBytes);
  expect(smallGot).toBeLessThan(done * smallBytes * 1.5);
  expect(received(bulk) - before.bulk).toBeGreaterThan(largeReads * largeBytes);
  expect(received(bulk) - before.bulk).toBeLessThan(largeReads * largeBytes * 1.01);
});

test("small reads go on while a large one stands still", async () => {
  const { job, large, ref, bulk, readSmall } = await startReader();
  for (const socket of bulk) socket.pause();
  const before = received(bulk);
  let ended = false;
  const reading = job.get(ref).finally(() => {
    ended = true;
  });
  for (let i = 0; i < 300; i++) await readSmall();
  expect([ended, received(bulk) - before]).toEqual([false, 0]);
  for (const socket of bulk) socket.resume();
  expect(large.equals(await reading)).toBe(true);
});
