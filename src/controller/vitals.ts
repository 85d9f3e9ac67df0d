/**
 * What the controller may forget: when it last heard of nodes and jobs, and how much they hold. All times are of the
 * monotonic clock. After a restart everybody was heard of just now, so that nothing lapses because the controller was away.
 */
import { compareEpochs, epochZero } from "../placement/epoch.ts";
import type { Epoch } from "../placement/types.ts";
import { type HeartbeatRequest, idleHeartbeat, type JobStoreUse } from "../wire/control-api.ts";

/** The last heartbeat of a node; an idle one before the first. */
export type NodeReport = Omit<HeartbeatRequest, "epoch" | "jobsVersion">;

/** Of a job, on one node or on all. */
interface ByteCounts {
  /** Whole segments: what quotas count. */
  readonly bytes: number;
  /** What cleaning cannot give back: what sizes are decided by. */
  readonly claimedBytes: number;
}

const noBytes: ByteCounts = { bytes: 0, claimedBytes: 0 };

export interface NodeVitals {
  readonly heardAtMs: number;
  /** The newest epoch that the node is known to have. */
  readonly epoch: Epoch;
  /** The epoch that the node had when it reported what is in `report`; undefined before its first heartbeat. */
  readonly reportEpoch: Epoch | undefined;
  /** When it registered; undefined when that was before this controller began. */
  readonly joinedAtMs: number | undefined;
  /** Of its process, on its own machine; undefined when it registered before this controller began. */
  readonly pid: number | undefined;
  readonly report: NodeReport;
  readonly jobBytes: ReadonlyMap<number, ByteCounts>;
  /** Event-loop utilisation of the last seconds: not that of a moment, and little of the time when it started. */
  readonly busy: number;
  /** Of relocations, between the last two heartbeats. */
  readonly movedBytesPerSecond: number;
}

/** A node as it registered. */
export interface Newcomer {
  readonly limitBytes: number;
  readonly pid?: number;
  readonly joinedAtMs?: number;
}

export class Vitals {
  readonly #nodes = new Map<number, NodeVitals>();
  /** By dead node: when it was declared dead. */
  readonly #diedAtMs = new Map<number, number>();
  /** By job: when its lease was last renewed. */
  readonly #renewedAtMs = new Map<number, number>();
  /** By job: the sum over all nodes. */
  readonly #jobBytes = new Map<number, ByteCounts>();
  /** By job and node, dead ones as well: what they have asked of the object store is to be paid. */
  readonly #storeUse = new Map<number, Map<number, JobStoreUse>>();

  /** A node that registered or was found in the journal. */
  addNode(id: number, { limitBytes, pid, joinedAtMs }: Newcomer, epoch: Epoch, nowMs: number): void {
    this.#nodes.set(id, {
      ...{ heardAtMs: nowMs, epoch, reportEpoch: undefined, joinedAtMs, pid },
      ...{ report: { ...idleHeartbeat, limitBytes }, jobBytes: new Map(), busy: 0, movedBytesPerSecond: 0 },
    });
  }

  /** Forgets the nodes and jobs that are not among these; nodes of `dead` that it knew alive died just now. */
  retain(
    living: ReadonlySet<number>,
    dead: ReadonlySet<number>,
    jobs: ReadonlySet<number>,
    nowMs: number,
  ): void {
    for (const [id, node] of this.#nodes) {
      if (living.has(id)) continue;
      for (const [job, counts] of node.jobBytes) this.#addBytes(job, counts, -1);
      this.#nodes.delete(id);
    }
    for (const id of dead) if (!this.#diedAtMs.has(id)) this.#diedAtMs.set(id, nowMs);
    for (const id of this.#diedAtMs.keys()) if (!dead.has(id)) this.#diedAtMs.delete(id);
    for (const job of this.#renewedAtMs.keys()) if (!jobs.has(job)) this.#renewedAtMs.delete(job);
    for (const job of this.#storeUse.keys()) if (!jobs.has(job)) this.#storeUse.delete(job);
  }

  /** @returns whether the node has another epoch than it was known to have */
  heard(id: number, heartbeat: HeartbeatRequest, epoch: Epoch, nowMs: number): boolean {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new RangeError(`node ${id} has no vitals`);
    for (const [job, counts] of node.jobBytes) this.#addBytes(job, counts, -1);
    const jobBytes = new Map(
      heartbeat.jobBytes.map(({ job, bytes, claimedBytes = bytes }) => [job, { bytes, claimedBytes }]),
    );
    for (const [job, counts] of jobBytes) this.#addBytes(job, counts, 1);
    for (const { job, store } of heartbeat.jobBytes)
      if (store !== undefined) this.#noteStoreUse(job, id, store);
    const movedBytesPerSecond = rateBetween(node, heartbeat, nowMs);
    const busy = smoothed(node, heartbeat, nowMs);
    const news = { heardAtMs: nowMs, epoch, reportEpoch: epoch, report: heartbeat, busy };
    this.#nodes.set(id, { ...node, ...news, jobBytes, movedBytesPerSecond });
    return compareEpochs(epoch, node.epoch) !== 0;
  }

  /** A node showed that it has this epoch; it is no heartbeat. @returns whether that was not known */
  knows(id: number, epoch: Epoch): boolean {
    const node = this.#nodes.get(id);
    if (node === undefined || compareEpochs(epoch, node.epoch) <= 0) return false;
    this.#nodes.set(id, { ...node, epoch });
    return true;
  }

  node(id: number): NodeVitals | undefined {
    return this.#nodes.get(id);
  }

  /** Milliseconds since the node was last heard of. */
  silentMs(id: number, nowMs: number): number {
    return nowMs - (this.#nodes.get(id)?.heardAtMs ?? nowMs);
  }

  /** Milliseconds since the node was declared dead. */
  deadMs(id: number, nowMs: number): number {
    return nowMs - (this.#diedAtMs.get(id) ?? nowMs);
  }

  /** Milliseconds since the node registered; infinite when that was before this controller began. */
  ageMs(id: number, nowMs: number): number {
    return nowMs - (this.#nodes.get(id)?.joinedAtMs ?? Number.NEGATIVE_INFINITY);
  }

  /** The epoch that a node is known to have. */
  epochOf(id: number): Epoch {
    return this.#nodes.get(id)?.epoch ?? epochZero;
  }

  /** How full a node is, 0 .. 1, as far as cleaning cannot help; 0 before its first heartbeat. */
  fillOf(id: number): number {
    const { limitBytes = 0 } = this.#nodes.get(id)?.report ?? {};
    return limitBytes === 0 ? 0 : this.claimedBytesOf(id) / limitBytes;
  }

  /** What a node holds as far as cleaning cannot help. */
  claimedBytesOf(id: number): number {
    const { usedBytes = 0, claimedBytes = usedBytes } = this.#nodes.get(id)?.report ?? {};
    return claimedBytes;
  }

  /** What a job's quota counts, on all nodes. */
  bytesOf(job: number): number {
    return this.#jobBytes.get(job)?.bytes ?? 0;
  }

  /** What a job has on all nodes, as far as cleaning cannot help. */
  claimedBytesOfJob(job: number): number {
    return this.#jobBytes.get(job)?.claimedBytes ?? 0;
  }

  /** What nodes have asked of the object store for a job, since this controller began; undefined where there was nothing. */
  storeUseOf(job: number): JobStoreUse | undefined {
    const uses = this.#storeUse.get(job);
    if (uses === undefined) return undefined;
    const sum = (count: (use: JobStoreUse) => number): number =>
      [...uses.values()].reduce((total, use) => total + count(use), 0);
    return {
      gets: sum((use) => use.gets),
      bytesRead: sum((use) => use.bytesRead),
      puts: sum((use) => use.puts),
      bytesWritten: sum((use) => use.bytesWritten),
    };
  }

  #noteStoreUse(job: number, node: number, use: JobStoreUse): void {
    const uses = this.#storeUse.get(job) ?? new Map<number, JobStoreUse>();
    this.#storeUse.set(job, uses);
    uses.set(node, use);
  }

  renew(job: number, nowMs: number): void {
    this.#renewedAtMs.set(job, nowMs);
  }

  /** Milliseconds since the lease of a job was renewed. */
  idleMs(job: number, nowMs: number): number {
    return nowMs - (this.#renewedAtMs.get(job) ?? nowMs);
  }

  /** Adds time for which nobody can be blamed: this process slept through it, or could hear nobody. */
  forgive(lostMs: number): void {
    for (const [id, node] of this.#nodes)
      this.#nodes.set(id, { ...node, heardAtMs: node.heardAtMs + lostMs });
    for (const [id, diedAtMs] of this.#diedAtMs) this.#diedAtMs.set(id, diedAtMs + lostMs);
    for (const [job, renewedAtMs] of this.#renewedAtMs) this.#renewedAtMs.set(job, renewedAtMs + lostMs);
  }

  /** Leases do not run while their fleet sleeps. */
  pauseLeases(pausedMs: number): void {
    for (const [job, renewedAtMs] of this.#renewedAtMs) this.#renewedAtMs.set(job, renewedAtMs + pausedMs);
  }

  #addBytes(job: number, { bytes, claimedBytes }: ByteCounts, sign: 1 | -1): void {
    const before = this.#jobBytes.get(job) ?? noBytes;
    const sum = {
      bytes: before.bytes + sign * bytes,
      claimedBytes: before.claimedBytes + sign * claimedBytes,
    };
    if (sum.bytes > 0 || sum.claimedBytes > 0) this.#jobBytes.set(job, sum);
    else this.#jobBytes.delete(job);
  }
}

/** Heartbeats that follow each other at once would show the rate of a moment: those keep the rate before. */
const rateWindowMsMin = 100;

const busyMs = 3000;

function smoothed(before: NodeVitals, { eventLoopUtilization }: HeartbeatRequest, nowMs: number): number {
  // More than all of its time is what a clock that jumped reports.
  const now = Math.min(1, eventLoopUtilization);
  const share = 1 - Math.exp(-Math.max(0, nowMs - before.heardAtMs) / busyMs);
  return before.busy + share * (now - before.busy);
}

function rateBetween(before: NodeVitals, { relocation }: HeartbeatRequest, nowMs: number): number {
  const elapsedMs = nowMs - before.heardAtMs;
  if (before.reportEpoch === undefined) return 0;
  const moved = relocation.movedBytes - before.report.relocation.movedBytes;
  if (elapsedMs < rateWindowMsMin) return before.movedBytesPerSecond;
  return Math.max(0, (moved / elapsedMs) * 1000);
}
