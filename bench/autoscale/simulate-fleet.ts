/**
 * A fleet in steps of a second, driven by a trace. What is simulated: memory and speed of each node, starts that take time,
 * drains that move bytes, jobs that ramp, writers that wait. What is not: reads, lost nodes, the network between nodes.
 *
 * A byte that finds no room or no speed in the second in which it comes waits, first come first served, and counts as delayed
 * beyond 1 s: also one that is written in the next second. The end of a job waits for its last byte. The bytes of a job that is
 * refused when it registers count as rejected.
 */
import type { Code } from "../../src/placement/types.ts";
import type { JobHints } from "../../src/wire/control-api.ts";
import { createSimulatedNodes, type SimulatedNodes } from "./simulated-nodes.ts";
import type { FleetShape, SimulatedInventory, SimulatedScaler } from "./simulated-scaler.ts";
import type { Trace, TraceJob } from "./trace.ts";

export interface SimulationOptions {
  readonly shape: FleetShape;
  readonly code: Code;
  readonly drainBytesPerSecond: number;
  readonly bandLow: number;
  readonly bandHigh: number;
  /** Asked once in a while; throws to stop. */
  readonly check?: () => void;
}

export interface SimulationResult {
  /** All nodes that were paid for: starting, active and draining. */
  readonly nodeHours: number;
  readonly nodesMost: number;
  readonly nodesMean: number;
  /** Shares of the time in which stored bytes were outside the band of what active nodes have. */
  readonly aboveBandShare: number;
  readonly belowBandShare: number;
  /** Shares of all bytes that came. */
  readonly rejectedShare: number;
  readonly delayedShare: number;
  readonly longestDelaySeconds: number;
  readonly starts: number;
  readonly stops: number;
  readonly jobsRejected: number;
  readonly jobsAliveMost: number;
}

/** A job that is alive; bytes are those on nodes. */
interface LiveJob {
  readonly number: number;
  readonly of: TraceJob;
  readonly hints: JobHints;
  arrivedBytes: number;
  storedBytes: number;
  readonly registeredAtMs: number;
}

interface Waiting {
  readonly job: LiveJob;
  readonly second: number;
  bytes: number;
}

/** Beyond the end of the trace, for what still waits. */
const overtimeSeconds = 24 * 3600;
const checkEverySeconds = 600;

export function simulateFleet(
  trace: Trace,
  scaler: SimulatedScaler,
  options: SimulationOptions,
): SimulationResult {
  const { shape, code } = options;
  const factor = (code.d + code.p) / code.d;
  const nodes = createSimulatedNodes(
    { ...shape, drainBytesPerSecond: options.drainBytesPerSecond },
    shape.nodesMin,
    () => shape.startMs,
  );
  const queue = createQueue();
  const coming = [...trace.jobs].sort((a, b) => a.startSeconds - b.startSeconds);
  let alive: LiveJob[] = [];
  const sums = { nodeSeconds: 0, above: 0, below: 0, rejected: 0, came: 0, delayed: 0, jobsRejected: 0 };
  let nodesMost = 0;
  let jobsAliveMost = 0;
  let longestDelaySeconds = 0;
  let next = 0;
  let second = 0;
  const last = Math.ceil(trace.seconds);
  for (; second < last || (alive.length > 0 && second < last + overtimeSeconds); second++) {
    if (second % checkEverySeconds === 0) options.check?.();
    const nowMs = second * 1000;
    nodes.pass(nowMs, 1);
    const ended = alive.filter((job) => isOver(job, second, factor));
    for (const job of ended) nodes.free(job.storedBytes);
    if (ended.length > 0) alive = alive.filter((job) => !ended.includes(job));
    for (; next < coming.length && coming[next]!.startSeconds <= second; next++) {
      const of = coming[next]!;
      const bytes = of.peakBytes * factor;
      sums.came += bytes;
      const hints = hintsOf(of);
      if (scaler.admit(inventoryOf(nowMs, nodes, alive, queue, options), hints, code).admitted) {
        alive.push({ number: next + 1, of, hints, arrivedBytes: 0, storedBytes: 0, registeredAtMs: nowMs });
      } else {
        sums.rejected += bytes;
        sums.jobsRejected++;
      }
    }
    for (const job of alive) queue.add(job, arrivals(job, second, factor), second);
    const written = queue.serve(nodes.write(queue.bytes(), 1), second);
    sums.delayed += written.delayedBytes;
    longestDelaySeconds = Math.max(longestDelaySeconds, written.longestSeconds);
    if (nowMs % shape.decideEveryMs === 0) {
      const { decision } = scaler.plan(inventoryOf(nowMs, nodes, alive, queue, options));
      nodes.keep(decision.keep);
      nodes.drain(decision.drain);
      nodes.order(decision.start, nowMs);
    }
    const fill = nodes.usedBytes() / nodes.activeLimitBytes();
    if (second < last) {
      sums.above += fill > options.bandHigh ? 1 : 0;
      sums.below += fill < options.bandLow ? 1 : 0;
    }
    sums.nodeSeconds += nodes.all.length;
    nodesMost = Math.max(nodesMost, nodes.all.length);
    jobsAliveMost = Math.max(jobsAliveMost, alive.length);
  }
  // What was never written waited for ever.
  sums.delayed += queue.bytes();
  const share = (part: number): number => (sums.came === 0 ? 0 : part / sums.came);
  return {
    ...{ nodeHours: sums.nodeSeconds / 3600, nodesMost, nodesMean: sums.nodeSeconds / Math.max(1, second) },
    ...{ aboveBandShare: sums.above / last, belowBandShare: sums.below / last },
    ...{ rejectedShare: share(sums.rejected), delayedShare: share(sums.delayed), longestDelaySeconds },
    ...{ starts: nodes.starts, stops: nodes.stops, jobsRejected: sums.jobsRejected, jobsAliveMost },
  };
}

/** A job that says nothing does not say how many functions it has either. */
function hintsOf({ hintBytes }: TraceJob): JobHints {
  return hintBytes === undefined ? {} : { bytes: Math.round(hintBytes) };
}

function isOver({ of, storedBytes }: LiveJob, second: number, factor: number): boolean {
  return second >= of.endSeconds && storedBytes >= bytesDue(of, second, factor) * (1 - 1e-9);
}

/** What a job has handed to its writers by the end of a second. One that ends within its ramp writes no more after that. */
function bytesDue(of: TraceJob, second: number, factor: number): number {
  const until = Math.min(second + 1, of.endSeconds);
  const ramp = (until - of.startSeconds - of.leadSeconds) / Math.max(1, of.rampSeconds);
  return of.peakBytes * factor * Math.min(1, Math.max(0, ramp));
}

function arrivals(job: LiveJob, second: number, factor: number): number {
  const due = bytesDue(job.of, second, factor);
  const bytes = due - job.arrivedBytes;
  job.arrivedBytes = due;
  return bytes;
}

function inventoryOf(
  nowMs: number,
  nodes: SimulatedNodes,
  alive: readonly LiveJob[],
  queue: Queue,
  { shape, code }: SimulationOptions,
): SimulatedInventory {
  const waiting = queue.writers();
  let active = 0;
  for (const node of nodes.all) if (node.state === "active") active++;
  // Made a million times: no spreading of objects here.
  return {
    nowMs,
    nodes: nodes.all.map((node) => ({
      id: node.id,
      state: node.state,
      startedAtMs: node.startedAtMs,
      limitBytes: shape.nodeMemoryBytes,
      usedBytes: node.usedBytes,
      networkBytesPerSecond: node.movedBytes,
      eventLoopUtilization: Math.min(1, node.movedBytes / shape.nodeBytesPerSecond),
      waitingWriters: node.state === "active" ? waiting / active : 0,
    })),
    jobs: alive.map((job) => ({
      job: job.number,
      usedBytes: job.storedBytes,
      hints: job.hints,
      code,
      registeredAtMs: job.registeredAtMs,
    })),
  };
}

interface Queue {
  bytes(): number;
  /** Functions of the jobs that wait since an earlier second. */
  writers(): number;
  add(job: LiveJob, bytes: number, second: number): void;
  /** Takes so many bytes out, the oldest first. */
  serve(bytes: number, second: number): { readonly delayedBytes: number; readonly longestSeconds: number };
}

function createQueue(): Queue {
  let items: Waiting[] = [];
  let total = 0;
  return {
    bytes: () => total,
    writers() {
      const jobs = new Set(items.map(({ job }) => job));
      let functions = 0;
      for (const job of jobs) functions += job.of.functions;
      return functions;
    },
    add(job, bytes, second) {
      if (bytes <= 0) return;
      items.push({ job, second, bytes });
      total += bytes;
    },
    serve(bytes, second) {
      let left = bytes;
      let delayedBytes = 0;
      let longestSeconds = 0;
      let served = 0;
      for (const item of items) {
        // What is written is all of it, but for the rounding of sums.
        const whole = item.bytes <= left + 1;
        const taken = whole ? item.bytes : left;
        item.job.storedBytes += taken;
        item.bytes -= taken;
        left -= taken;
        total -= taken;
        if (item.second < second) delayedBytes += taken;
        if (taken > 0) longestSeconds = Math.max(longestSeconds, second - item.second);
        if (!whole) break;
        served++;
      }
      items = items.slice(served);
      if (items.length === 0) total = 0;
      return { delayedBytes, longestSeconds };
    },
  };
}
