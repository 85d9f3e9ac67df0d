/**
 * What a node tells with its heartbeats of how busy and how full it is. Heartbeats may follow each other at once, so rates are
 * those of the last window that was long enough to mean something.
 */
import { type EventLoopUtilization, performance } from "node:perf_hooks";
import type { Clock } from "../src/clock.ts";
import type { MayflyError } from "../src/errors.ts";
import type { JobNumber } from "../src/ids.ts";
import type { HeartbeatRequest, JobBytes } from "../src/wire/control-api.ts";
import type { StoreUse } from "./durable/store-use.ts";
import type { NodeMemory } from "./store/node-memory.ts";

/** What is counted of a connection that somebody opened to this node: a client, or another node. */
export interface CountedConnection {
  /** Received and sent since it was opened; stays when it is closed. */
  readonly movedBytes: number;
}

export type LoadReport = Pick<
  HeartbeatRequest,
  "eventLoopUtilization" | "networkBytesPerSecond" | "waitingWriters"
>;

export interface LoadSignalsOptions {
  readonly clock: Clock;
  /** Those that are open. */
  readonly connections: () => Iterable<CountedConnection>;
  /** By default that of this process. */
  readonly utilization?: (since?: EventLoopUtilization) => EventLoopUtilization;
}

/** Shorter windows would show the rate of a moment. */
const windowMsMin = 250;

const ofThisProcess = (since?: EventLoopUtilization): EventLoopUtilization => {
  const now = performance.eventLoopUtilization();
  return since === undefined ? now : performance.eventLoopUtilization(now, since);
};

export class LoadSignals {
  readonly #options: LoadSignalsOptions;
  readonly #utilization: (since?: EventLoopUtilization) => EventLoopUtilization;
  /** Whoever was answered BUSY in this window: a writer that tries again and again counts once. */
  #refused = new Set<CountedConnection>();
  #closedBytes = 0;
  #movedBytes = 0;
  #beganAtMs: number;
  #loop: EventLoopUtilization;
  #last: LoadReport = { eventLoopUtilization: 0, networkBytesPerSecond: 0, waitingWriters: 0 };

  constructor(options: LoadSignalsOptions) {
    this.#options = options;
    this.#utilization = options.utilization ?? ofThisProcess;
    this.#beganAtMs = options.clock.now();
    this.#loop = this.#utilization();
  }

  /** To be called when a connection has been closed and is no longer among those that are open. */
  closed(connection: CountedConnection): void {
    this.#closedBytes += connection.movedBytes;
  }

  /** Something was answered with an error. */
  failed(connection: CountedConnection, { code }: MayflyError): void {
    if (code === "BUSY") this.#refused.add(connection);
  }

  report(): LoadReport {
    const nowMs = this.#options.clock.now();
    const elapsedMs = nowMs - this.#beganAtMs;
    if (elapsedMs < windowMsMin) return this.#last;
    let movedBytes = this.#closedBytes;
    for (const connection of this.#options.connections()) movedBytes += connection.movedBytes;
    const { utilization } = this.#utilization(this.#loop);
    this.#last = {
      eventLoopUtilization: Math.min(1, Math.max(0, utilization)),
      networkBytesPerSecond: Math.max(0, Math.round(((movedBytes - this.#movedBytes) / elapsedMs) * 1000)),
      waitingWriters: this.#refused.size,
    };
    this.#refused = new Set();
    this.#movedBytes = movedBytes;
    this.#beganAtMs = nowMs;
    this.#loop = this.#utilization();
    return this.#last;
  }
}

export type MemoryReport = Pick<HeartbeatRequest, "limitBytes" | "usedBytes" | "claimedBytes" | "jobBytes">;

/** @param jobs those that may have memory here, or have read from the object store */
export function reportMemory(
  memory: NodeMemory,
  jobs: readonly JobNumber[],
  storeUse?: Pick<StoreUse, "of">,
): MemoryReport {
  const { limitBytes, usedBytes, claimedBytes, liveBytes, indexBytes } = memory.stats();
  // A part of what is claimed is the share of the node's own reserve that goes with it.
  const factor = claimedBytes / Math.max(1, liveBytes + indexBytes);
  const jobBytes = jobs.map((number): JobBytes => {
    const job = memory.job(number);
    const live = job.liveBytes + job.indexBytes;
    const store = storeUse?.of(number);
    const counts = { job: number, bytes: job.usedBytes, claimedBytes: Math.round(live * factor) };
    return store === undefined ? counts : { ...counts, store };
  });
  return { limitBytes, usedBytes, claimedBytes, jobBytes };
}
