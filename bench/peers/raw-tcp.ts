/**
 * Plain TCP between two Node processes, as fast as Node's documented API does it: one stream in each direction, bytes
 * received in their place, no names, no checks. The limit of any client that is written in JavaScript. It keeps one
 * value, and `get` too reads into memory that is used again.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { coresForBench, spawnPinned } from "../harness/processes.ts";
import { type KvServer, type KvStore, type StoreTarget, targetNumber } from "./kv-store.ts";
import { encodeRequest, requestKinds } from "./raw-tcp-requests.ts";

interface Reading {
  readonly into: Buffer;
  readonly resolve: (into: Buffer) => void;
}

const readyWithinMs = 10_000;
const spareBytes = 64 * 1024;

export async function startRawTcpServer(): Promise<KvServer> {
  const program = fileURLToPath(new URL("./raw-tcp-server.js", import.meta.url));
  const cores = coresForBench()?.servers;
  const server = await spawnPinned({ command: process.execPath, args: [program], cores, ipc: true });
  try {
    const signal = AbortSignal.timeout(readyWithinMs);
    const [{ port }] = (await once(server.child, "message", { signal })) as [{ port: number }];
    return { pids: [server.pid], target: { port }, stop: () => server.stop() };
  } catch (thrown) {
    await server.stop();
    throw new Error(`the server of raw-tcp does not serve: ${server.complaints()}`, { cause: thrown });
  }
}

export async function openRawTcp(target: StoreTarget): Promise<KvStore> {
  const readings: Reading[] = [];
  let at = 0;
  // Node asks where to receive before it is known what will come next.
  const spare = Buffer.alloc(spareBytes);
  const received = (bytes: number, place: Uint8Array): boolean => {
    for (let from = 0; from < bytes; ) {
      const reading = readings[0];
      if (reading === undefined) throw new Error("raw-tcp received what it had not asked for");
      const taken = Math.min(bytes - from, reading.into.length - at);
      if (place === spare) spare.copy(reading.into, at, from, from + taken);
      from += taken;
      at += taken;
      if (at < reading.into.length) continue;
      at = 0;
      readings.shift();
      reading.resolve(reading.into);
    }
    return true;
  };
  const reads = connect({
    ...{ host: "127.0.0.1", port: targetNumber(target, "port"), noDelay: true },
    onread: { buffer: () => readings[0]?.into.subarray(at) ?? spare, callback: received },
  });
  await once(reads, "connect");
  const writes = await dialledBy(reads);
  const writing: (() => void)[] = [];
  writes.on("data", (acknowledgements: Buffer) => {
    for (let i = 0; i < acknowledgements.length; i++) writing.shift()?.();
  });
  let sizeBytes = 0;
  let reused = Buffer.alloc(0);
  const getInto = (_key: string, into: Buffer): Promise<Buffer> =>
    new Promise((resolve) => {
      readings.push({ into, resolve });
      reads.write(encodeRequest(requestKinds.get, into.length));
    });
  return {
    keysMax: 1,
    put(_key, data) {
      sizeBytes = data.length;
      return new Promise<void>((resolve) => {
        writing.push(resolve);
        writes.cork();
        writes.write(encodeRequest(requestKinds.put, data.length));
        writes.write(data);
        writes.uncork();
      });
    },
    get(key) {
      if (reused.length !== sizeBytes) reused = Buffer.alloc(sizeBytes);
      return getInto(key, reused);
    },
    getInto,
    async close() {
      reads.destroy();
      writes.destroy();
    },
  };
}

/** The server connects to us for writes: only who connects can say where to receive. */
async function dialledBy(control: Socket): Promise<Socket> {
  const listener = createServer({ noDelay: true });
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (typeof address !== "object" || address === null) throw new Error("a TCP server has no port");
  control.write(encodeRequest(requestKinds.dial, address.port));
  const [socket] = (await once(listener, "connection")) as [Socket];
  listener.close();
  return socket;
}
