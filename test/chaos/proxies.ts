/**
 * Where there are no network namespaces: all processes on the loopback address, with a TCP proxy in this process before each
 * cache node and an HTTP proxy between each node and the controller. The latter also puts the address of the former into
 * what a node registers, so that everybody else reaches the node through its proxy. Who opened a connection is found in
 * /proc; without it every connection counts as one of the clients.
 *
 * A cut holds what was sent until it is healed. Connections are accepted meanwhile, which a real network would not do.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { listenOn } from "./listen-on.ts";
import { Cuts, clientsPlace, controllerPlace, type Network, type Place } from "./network.ts";

const host = "127.0.0.1";

export interface Proxies extends Network {
  /** From now on the connections of this process are those of the place. */
  identify(name: string, pid: number): void;
  /** The node of the place listens on this port. */
  expose(name: string, port: number): void;
}

interface ProxiedPlace {
  readonly data: net.Server;
  readonly control: http.Server;
  readonly dataPort: number;
  readonly sockets: Set<net.Socket>;
  nodePort: number;
}

export async function createProxies(): Promise<Proxies> {
  const controllerPort = await freePort();
  const places = new Map<string, ProxiedPlace>();
  const pids = new Map<number, string>();
  const cuts = new Cuts();
  const waiting = new Set<() => void>();

  async function whileCut(from: string, to: string): Promise<void> {
    while (cuts.has(from, to)) await new Promise<void>((resolve) => waiting.add(resolve));
  }

  function changed(): void {
    const all = [...waiting];
    waiting.clear();
    for (const resolve of all) resolve();
  }

  async function carry(input: net.Socket, output: net.Socket, from: string, to: string): Promise<void> {
    try {
      for await (const chunk of input) {
        await whileCut(from, to);
        if (!output.write(chunk as Buffer)) await drained(output);
      }
      await whileCut(from, to);
      output.end();
    } catch {
      input.destroy();
      output.destroy();
    }
  }

  function accept(name: string, socket: net.Socket): void {
    const place = places.get(name);
    if (place === undefined || place.nodePort === 0) return void socket.destroy();
    const from = sourceOf(socket.remotePort ?? 0, pids) ?? clientsPlace;
    const target = net.connect({ host, port: place.nodePort, noDelay: true });
    for (const one of [socket, target]) {
      one.on("error", () => undefined);
      one.once("close", () => place.sockets.delete(one));
      place.sockets.add(one);
    }
    void carry(socket, target, from, name);
    void carry(target, socket, name, from);
  }

  async function forward(name: string, request: http.IncomingMessage): Promise<[number, Buffer]> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const isRegistration = request.method === "POST" && request.url === "/v1/nodes";
    const place = places.get(name);
    let body = Buffer.concat(chunks);
    if (isRegistration && place !== undefined) {
      const wanted = { ...(JSON.parse(body.toString()) as object), host, port: place.dataPort };
      body = Buffer.from(JSON.stringify(wanted));
    }
    await whileCut(name, controllerPlace);
    const headers = { ...request.headers, host: `${host}:${controllerPort}`, "content-length": body.length };
    const path = request.url ?? "/";
    const answer = await ask(
      { host, port: controllerPort, method: request.method ?? "GET", path, headers },
      body,
    );
    await whileCut(controllerPlace, name);
    return answer;
  }

  async function addNodePlace(name: string): Promise<ProxiedPlace & { readonly controlPort: number }> {
    const data = net.createServer({ noDelay: true }, (socket) => accept(name, socket));
    const control = http.createServer((request, response) => {
      forward(name, request).then(
        ([status, body]) => response.writeHead(status, { "content-type": "application/json" }).end(body),
        () => request.socket.destroy(),
      );
    });
    const dataPort = await listenOn(data, host);
    const controlPort = await listenOn(control, host);
    return { data, control, dataPort, controlPort, sockets: new Set(), nodePort: 0 };
  }

  async function removePlace(name: string): Promise<void> {
    const place = places.get(name);
    places.delete(name);
    for (const socket of place?.sockets ?? []) socket.destroy();
    place?.data.close();
    place?.control.closeAllConnections();
    place?.control.close();
  }

  return {
    kind: "proxies",
    limits: [
      "clients and the controller cannot be parted",
      "a cut holds what is sent, and connections are still accepted",
    ],
    async addPlace(name): Promise<Place> {
      const command: Place["command"] = (program, args) => [program, args];
      const controllerUrl = `http://${host}:${controllerPort}`;
      if (name === controllerPlace || name === clientsPlace) {
        return { name, host, port: controllerPort, controllerUrl, command };
      }
      const place = await addNodePlace(name);
      places.set(name, place);
      return { name, host, port: 0, controllerUrl: `http://${host}:${place.controlPort}`, command };
    },
    removePlace,
    identify: (name, pid) => void pids.set(pid, name),
    expose(name, port) {
      const place = places.get(name);
      if (place !== undefined) place.nodePort = port;
    },
    async cut(from, to) {
      cuts.add(from, to);
    },
    async heal(from, to) {
      if (cuts.remove(from, to)) changed();
    },
    async close() {
      for (const name of [...places.keys()]) await removePlace(name);
    },
  };
}

/** Of a server that has ended, so another program may take it; the controller says so then. */
async function freePort(): Promise<number> {
  const server = net.createServer();
  const port = await listenOn(server, host);
  server.close();
  return port;
}

function drained(socket: net.Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("drain", resolve);
    socket.once("close", () => reject(new RangeError("the socket was closed")));
  });
}

function ask(options: http.RequestOptions, body: Buffer): Promise<[number, Buffer]> {
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve([response.statusCode ?? 500, Buffer.concat(chunks)]));
      response.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** The place of the process that has a loopback connection from this port. */
function sourceOf(remotePort: number, pids: ReadonlyMap<number, string>): string | undefined {
  try {
    const port = remotePort.toString(16).toUpperCase().padStart(4, "0");
    const lines = readFileSync("/proc/net/tcp", "latin1").split("\n").slice(1);
    const columns = lines.map((line) => line.trim().split(/\s+/));
    const inode = columns.find((column) => column[1]?.endsWith(`:${port}`) === true)?.[9];
    if (inode === undefined) return undefined;
    for (const [pid, name] of pids) if (holds(pid, `socket:[${inode}]`)) return name;
  } catch {
    // No /proc here.
  }
  return undefined;
}

function holds(pid: number, socket: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === socket;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
