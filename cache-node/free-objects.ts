/**
 * Frees the shards of objects that nothing names any more, on the nodes where they lie. Best effort, and gathered for
 * a few milliseconds: overwriting objects would otherwise cost as many requests for freeing as for writing.
 */
import type { Argument } from "../client/transport/connection.ts";
import { startDeadline } from "../client/transport/deadline.ts";
import type { FleetView } from "../client/transport/fleet-view.ts";
import type { NodePool } from "../client/transport/node-pool.ts";
import type { Clock } from "../src/clock.ts";
import { type JobNumber, type NodeId, objectIdBytes } from "../src/ids.ts";
import type { Ref } from "../src/wire/ref.ts";
import type { ShardStore } from "./store/shard-store.ts";

export interface ObjectFreerOptions {
  readonly clock: Clock;
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly pool: NodePool;
  readonly view: FleetView;
}

const gatherMs = 10;
const shardsPerRequest = 1000;
const argsPerShard = 3;
const timeoutMs = 5000;

export class ObjectFreer {
  readonly #options: ObjectFreerOptions;
  /** By node and job: object, stripe and index of each shard to be freed there. */
  #gathered = new Map<NodeId, Map<JobNumber, Argument[]>>();

  constructor(options: ObjectFreerOptions) {
    this.#options = options;
  }

  free(job: JobNumber, { object, stripes = [] }: Ref): void {
    const { self, shards } = this.#options;
    for (const [stripe, nodes] of stripes.entries()) {
      for (const [index, node] of nodes.entries()) {
        if (node === self()) shards.free(job, { object, stripe, index });
        else this.#gather(job, node, [objectIdBytes(object), stripe, index]);
      }
    }
  }

  #gather(job: JobNumber, node: NodeId, shard: readonly Argument[]): void {
    if (this.#gathered.size === 0) this.#options.clock.after(gatherMs, () => this.#sendAll(), true);
    let jobs = this.#gathered.get(node);
    if (jobs === undefined) {
      jobs = new Map();
      this.#gathered.set(node, jobs);
    }
    const args = jobs.get(job);
    if (args === undefined) jobs.set(job, [...shard]);
    else args.push(...shard);
  }

  #sendAll(): void {
    const gathered = this.#gathered;
    this.#gathered = new Map();
    for (const [node, jobs] of gathered) {
      for (const [job, args] of jobs) void this.#send(node, job, args).catch(() => undefined);
    }
  }

  async #send(node: NodeId, job: JobNumber, args: readonly Argument[]): Promise<void> {
    const { clock, pool, view } = this.#options;
    const entry = view.node(node);
    if (entry === undefined || entry.state === "dead") return;
    const step = shardsPerRequest * argsPerShard;
    for (let at = 0; at < args.length; at += step) {
      const deadline = startDeadline(clock, timeoutMs, undefined, "freeing shards");
      const batch = [job, ...args.slice(at, at + step)];
      await pool.connection(entry, "small").request("MF.SHARD.FREE", batch, { deadline });
    }
  }
}
