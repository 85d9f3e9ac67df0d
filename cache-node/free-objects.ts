/** Frees the shards of objects that nothing names any more, on the nodes where they lie. Best effort, in batches. */

import { startDeadline } from "../client/transport/deadline.ts";
import type { FleetView } from "../client/transport/fleet-view.ts";
import type { NodePool } from "../client/transport/node-pool.ts";
import type { Clock } from "../src/clock.ts";
import { type JobNumber, type NodeId, objectIdBytes } from "../src/ids.ts";
import type { Ref } from "../src/wire/ref.ts";
import type { ShardName, ShardStore } from "./store/shard-store.ts";

export interface ObjectFreerOptions {
  readonly clock: Clock;
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly pool: NodePool;
  readonly view: FleetView;
}

const shardsPerRequest = 1000;
const timeoutMs = 5000;

export function objectFreer(options: ObjectFreerOptions): (job: JobNumber, ref: Ref) => void {
  return (job, ref) => {
    const byNode = new Map<NodeId, ShardName[]>();
    for (const [stripe, nodes] of (ref.stripes ?? []).entries()) {
      for (const [index, node] of nodes.entries()) {
        const names = byNode.get(node) ?? [];
        names.push({ object: ref.object, stripe, index });
        byNode.set(node, names);
      }
    }
    for (const [node, names] of byNode) {
      if (node === options.self()) for (const name of names) options.shards.free(job, name);
      else void freeThere(options, job, node, names).catch(() => undefined);
    }
  };
}

async function freeThere(
  options: ObjectFreerOptions,
  job: JobNumber,
  node: NodeId,
  names: readonly ShardName[],
): Promise<void> {
  const entry = options.view.node(node);
  if (entry === undefined || entry.state === "dead") return;
  for (let at = 0; at < names.length; at += shardsPerRequest) {
    const args = names
      .slice(at, at + shardsPerRequest)
      .flatMap(({ object, stripe, index }) => [objectIdBytes(object), stripe, index]);
    const deadline = startDeadline(options.clock, timeoutMs, undefined, "freeing shards");
    await options.pool.connection(entry, "small").request("MF.SHARD.FREE", [job, ...args], { deadline });
  }
}
