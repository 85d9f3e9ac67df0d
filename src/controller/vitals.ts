/**
 * What the controller may forget: when it last heard of nodes and jobs, and how much they hold. All times are of the
 * monotonic clock. After a restart everybody was heard of just now, so that nothing lapses because the controller was away.
 */
import { epochZero } from "../placement/epoch.ts";
import type { Epoch } from "../placement/types.ts";
import type { HeartbeatRequest } from "../wire/control-api.ts";

export interface NodeVitals {
  heardAtMs: number;
  /** The newest epoch that the node is known to have. */
  epoch: Epoch;
  limitBytes: number;
  usedBytes: number;
  eventLoopUtilization: number;
  jobBytes: ReadonlyMap<number, number>;
}

export class Vitals {
  readonly #nodes = new Map<number, NodeVitals>();
  /** By job: when its lease was last renewed. */
  readonly #renewedAtMs = new Map<number, number>();
  /** By job: the sum over all nodes. */
  readonly #jobBytes = new Map<number, number>();

  /** A node that registered or was found in the journal. */
  addNode(id: number, limitBytes: number, epoch: Epoch, nowMs: number): void {
    const jobBytes = new Map<number, number>();
    this.#nodes.set(id, {
      heardAtMs: nowMs,
      epoch,
      limitBytes,
      usedBytes: 0,
      eventLoopUtilization: 0,
      jobBytes,
    });
  }

  /** Forgets the nodes and jobs that are not among these. */
  retain(nodes: ReadonlySet<number>, jobs: ReadonlySet<number>): void {
    for (const [id, node] of this.#nodes) {
      if (nodes.has(id)) continue;
      for (const [job, bytes] of node.jobBytes) this.#addBytes(job, -bytes);
      this.#nodes.delete(id);
    }
    for (const job of this.#renewedAtMs.keys()) if (!jobs.has(job)) this.#renewedAtMs.delete(job);
  }

  heard(id: number, heartbeat: HeartbeatRequest, epoch: Epoch, nowMs: number): void {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new RangeError(`node ${id} has no vitals`);
    for (const [job, bytes] of node.jobBytes) this.#addBytes(job, -bytes);
    const jobBytes = new Map(heartbeat.jobBytes.map(({ job, bytes }) => [job, bytes]));
    for (const [job, bytes] of jobBytes) this.#addBytes(job, bytes);
    const { limitBytes, usedBytes, eventLoopUtilization } = heartbeat;
    this.#nodes.set(id, { heardAtMs: nowMs, epoch, limitBytes, usedBytes, eventLoopUtilization, jobBytes });
  }

  node(id: number): NodeVitals | undefined {
    return this.#nodes.get(id);
  }

  /** Milliseconds since the node was last heard of. */
  silentMs(id: number, nowMs: number): number {
    return nowMs - (this.#nodes.get(id)?.heardAtMs ?? nowMs);
  }

  /** The epoch that a node is known to have. */
  epochOf(id: number): Epoch {
    return this.#nodes.get(id)?.epoch ?? epochZero;
  }

  /** How full a node is, 0 .. 1; 0 before its first heartbeat. */
  fillOf(id: number): number {
    const node = this.#nodes.get(id);
    return node === undefined || node.limitBytes === 0 ? 0 : node.usedBytes / node.limitBytes;
  }

  bytesOf(job: number): number {
    return this.#jobBytes.get(job) ?? 0;
  }

  renew(job: number, nowMs: number): void {
    this.#renewedAtMs.set(job, nowMs);
  }

  /** Milliseconds since the lease of a job was renewed. */
  idleMs(job: number, nowMs: number): number {
    return nowMs - (this.#renewedAtMs.get(job) ?? nowMs);
  }

  /** Adds time that this process slept through: nobody else can be blamed for it. */
  forgive(lostMs: number): void {
    for (const node of this.#nodes.values()) node.heardAtMs += lostMs;
    for (const [job, renewedAtMs] of this.#renewedAtMs) this.#renewedAtMs.set(job, renewedAtMs + lostMs);
  }

  #addBytes(job: number, bytes: number): void {
    const sum = (this.#jobBytes.get(job) ?? 0) + bytes;
    if (sum > 0) this.#jobBytes.set(job, sum);
    else this.#jobBytes.delete(job);
  }
}
