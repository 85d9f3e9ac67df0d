/**
 * A faulty S3: a proxy in front of a real server, in which requests meet with faults. Signatures stay valid, since the server sees
 * the headers as they were sent. Which request meets with which fault a script says: the same seed and the same order of
 * requests give the same faults.
 *
 *     const faulty = await startFaultyS3(s3.endpoint);
 *     onTestFinished(() => faulty.stop());
 *     const store = await openObjectStore(s3.url("prefix", faulty.endpoint), given);
 *     faulty.script = seededFaults(seed, { rate: 0.1 });    // or faulty.failNext({ kind: "reset", when: "after" })
 */
import {
  Agent,
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable, Transform } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { seededRng } from "../../src/clock.ts";

export type Fault =
  /** An error of S3: instead of what was asked for, or after the server has done it. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly code: string;
      readonly when: "before" | "after";
    }
  /** The connection is reset: before the server sees the request, or after it has done what was asked for. */
  | { readonly kind: "reset"; readonly when: "before" | "after" }
  /** Half of the answer's body, and then the connection ends. */
  | { readonly kind: "truncate" }
  /** One bit of the body of an object is another one, on its way in or out. */
  | { readonly kind: "flip"; readonly of: "request" | "response" }
  /**
   * Nothing happens for so long: before the server sees the request, or amid the answer's body. Then all goes on, unless the client
   * has gone away: what it gave up does not reach the server any more.
   */
  | { readonly kind: "stall"; readonly ms: number; readonly when: "before" | "during" };

export type S3Operation =
  | ("put" | "get" | "head" | "list" | "delete" | "delete-batch" | "copy")
  | ("upload-begin" | "upload-part" | "upload-complete" | "upload-abort" | "other");

export interface FaultyRequest {
  readonly operation: S3Operation;
  readonly path: string;
  /** A get of a range, which has no checksum of its own. */
  readonly isRange: boolean;
  /** What became of it: undefined, if it went through. A fault that does not apply (no body to flip a bit of) is none. */
  fault: Fault | undefined;
}

export type FaultScript = (request: Readonly<FaultyRequest>) => Fault | undefined;

export interface FaultyS3 {
  /** Give it to clients as the server's. */
  readonly endpoint: string;
  /** All that came, in order. */
  readonly requests: readonly FaultyRequest[];
  /** Asked about each request that `failNext` has nothing for. None by default. */
  script: FaultScript | undefined;
  /** The next requests meet with these, one each. */
  failNext(...faults: readonly Fault[]): void;
  /** While it is down, connections are reset; those that are open are reset at once. */
  isDown: boolean;
  stop(): Promise<void>;
}

export interface SeededFaults {
  /** Of all requests, 0 to 1. */
  readonly rate: number;
  /** All by default, but stalls take `stallMs`. */
  readonly faults?: readonly Fault[];
  readonly stallMs?: number;
}

export function allFaults(stallMs: number): Fault[] {
  return [
    { kind: "answer", status: 500, code: "InternalError", when: "before" },
    { kind: "answer", status: 500, code: "InternalError", when: "after" },
    { kind: "answer", status: 503, code: "SlowDown", when: "before" },
    { kind: "reset", when: "before" },
    { kind: "reset", when: "after" },
    { kind: "truncate" },
    { kind: "flip", of: "request" },
    { kind: "flip", of: "response" },
    { kind: "stall", ms: stallMs, when: "before" },
    { kind: "stall", ms: stallMs, when: "during" },
  ];
}

/** Faults by chance. Bits of ranges are left alone: nobody but who reads them can see that they are wrong. */
export function seededFaults(
  seed: number,
  { rate, stallMs = 1000, faults = allFaults(stallMs) }: SeededFaults,
): FaultScript {
  const rng = seededRng(seed);
  return ({ isRange }) => {
    const isFaulty = rng.random() < rate;
    const fault = faults[Math.floor(rng.random() * faults.length)];
    if (!isFaulty || (isRange && fault?.kind === "flip")) return undefined;
    return fault;
  };
}

export async function startFaultyS3(endpoint: string): Promise<FaultyS3> {
  const { hostname, port } = new URL(endpoint);
  const agent = new Agent({ keepAlive: true });
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  const requests: FaultyRequest[] = [];
  const nexts: Fault[] = [];
  let isDown = false;

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(() => {
        timers.delete(timer);
        resolve();
      }, ms);
      timers.add(timer);
    });

  const serve = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
    const seen = faultyRequest(incoming);
    requests.push(seen);
    seen.fault = nexts.shift() ?? faulty.script?.(seen);
    if (!mayApply(seen)) seen.fault = undefined;
    const { fault } = seen;
    if (fault?.kind === "reset" && fault.when === "before") {
      incoming.socket.resetAndDestroy();
      return;
    }
    if (fault?.kind === "answer" && fault.when === "before") {
      await buffer(incoming);
      answerError(outgoing, fault);
      return;
    }
    let body: Readable = incoming;
    if (fault?.kind === "stall" && fault.when === "before") {
      // Read meanwhile: else nobody sees that the client has gone, and its request would take place long after it was repeated.
      body = Readable.from([await buffer(incoming)], { objectMode: false });
      await pause(fault.ms);
    }
    if (outgoing.destroyed || incoming.socket.destroyed) return;
    const answer = await forward(incoming, body, fault);
    if (fault?.kind === "reset" || fault?.kind === "answer") {
      await buffer(answer);
      if (fault.kind === "answer") answerError(outgoing, fault);
      else incoming.socket.resetAndDestroy();
      return;
    }
    outgoing.writeHead(answer.statusCode!, answer.rawHeaders);
    if (fault?.kind === "truncate" || (fault?.kind === "stall" && fault.when === "during")) {
      const body = await buffer(answer);
      const half = body.length >> 1;
      outgoing.write(body.subarray(0, half));
      if (fault.kind === "truncate") {
        outgoing.socket?.destroySoon();
        return;
      }
      await pause(fault.ms);
      outgoing.end(body.subarray(half));
      return;
    }
    const flipped = fault?.kind === "flip" && fault.of === "response" ? [flipOneBit()] : [];
    await pipeline([answer, ...flipped, outgoing]);
  };

  const forward = (
    incoming: IncomingMessage,
    body: Readable,
    fault: Fault | undefined,
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const { method, url: path, rawHeaders } = incoming;
      const outgoing = httpRequest(
        { host: hostname, port, agent, method, path, headers: rawHeaders, setHost: false },
        resolve,
      );
      outgoing.once("error", reject);
      const flipped = fault?.kind === "flip" && fault.of === "request" ? [flipOneBit()] : [];
      pipeline([body, ...flipped, outgoing]).catch(reject);
    });

  const server = createServer((incoming, outgoing) => {
    // A client that has gone away, or the server of it: the connection goes too.
    serve(incoming, outgoing).catch(() => incoming.socket.destroy());
  });
  server.on("connection", (socket) => {
    if (isDown) return void socket.resetAndDestroy();
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return undefined;
  });
  const resetAll = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  const faulty: FaultyS3 = {
    endpoint: await new Promise((resolve) =>
      server.listen(0, "127.0.0.1", () =>
        resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
      ),
    ),
    requests,
    script: undefined,
    failNext: (...faults) => void nexts.push(...faults),
    get isDown() {
      return isDown;
    },
    set isDown(value) {
      isDown = value;
      if (isDown) resetAll();
    },
    async stop() {
      for (const timer of timers) clearTimeout(timer);
      resetAll();
      agent.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return faulty;
}

function faultyRequest({ method, url = "/", headers }: IncomingMessage): FaultyRequest {
  const { pathname: path, searchParams } = new URL(url, "http://s3");
  const has = (name: string): boolean => searchParams.has(name);
  const isRange = method === "GET" && headers.range !== undefined;
  const isCopy = headers["x-amz-copy-source"] !== undefined;
  return { operation: operationOf(method, has, isCopy), path, isRange, fault: undefined };
}

function operationOf(
  method: string | undefined,
  has: (parameter: string) => boolean,
  isCopy: boolean,
): S3Operation {
  switch (method) {
    case "HEAD":
      return "head";
    case "GET":
      return has("list-type") ? "list" : "get";
    case "PUT":
      return isCopy ? "copy" : has("partNumber") ? "upload-part" : "put";
    case "DELETE":
      return has("uploadId") ? "upload-abort" : "delete";
    case "POST":
      if (has("delete")) return "delete-batch";
      return has("uploads") ? "upload-begin" : has("uploadId") ? "upload-complete" : "other";
    default:
      return "other";
  }
}

/** Only bytes of objects are flipped, and answers without a body cannot be cut. */
function mayApply({ operation, fault }: FaultyRequest): boolean {
  if (fault?.kind === "flip") {
    return fault.of === "response" ? operation === "get" : operation === "put" || operation === "upload-part";
  }
  const isOfBody = fault?.kind === "truncate" || (fault?.kind === "stall" && fault.when === "during");
  return !isOfBody || operation === "get" || operation === "list";
}

function answerError(
  outgoing: ServerResponse,
  { status, code }: { readonly status: number; readonly code: string },
): void {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>By the script of the faulty S3.</Message></Error>`;
  outgoing.writeHead(status, {
    "content-type": "application/xml",
    "content-length": Buffer.byteLength(text),
  });
  outgoing.end(text);
}

/** In the first byte that comes. */
function flipOneBit(): Transform {
  let isDone = false;
  return new Transform({
    transform(chunk: Buffer, _, done) {
      if (isDone || chunk.length === 0) return done(null, chunk);
      isDone = true;
      const copy = Buffer.from(chunk);
      copy[0] = copy[0]! ^ 1;
      return done(null, copy);
    },
  });
}
