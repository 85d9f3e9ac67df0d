/**
 * Frees shards that a relocation has left without a name, a moment later, so that readers with the old ref mostly find
 * them. Only where no shard of the same name can have come back meanwhile: on nodes that drain, which get none, of objects that are
 * gone, and of those that lie in the object store alone. All others, and what is not reached, the collection of orphans finds.
 */
import type { Argument } from "../../client/transport/connection.ts";
import { startDeadline } from "../../client/transport/deadline.ts";
import type { Clock } from "../../src/clock.ts";
import { type Group, type JobNumber, type NodeId, type ObjectId, objectIdBytes } from "../../src/ids.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { decodeRef } from "../../src/wire/ref.ts";
import type { ShardStore } from "../store/shard-store.ts";
import type { AskNode } from "./ask-node.ts";
import { objectOfRef } from "./glance-at-ref.ts";
import { fateOf, statesOf } from "./plan-relocation.ts";
import type { RelocationCells } from "./relocation-cells.ts";

export interface SupersededOptions {
  readonly clock: Clock;
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly ask: AskNode;
  readonly cells: Pick<RelocationCells, "ref" | "reads">;
  readonly map: () => FleetMap | undefined;
  /** Its shards are being written just now. */
  readonly isMoving: (job: JobNumber, object: ObjectId) => boolean;
  /** Between a relocation and the freeing of what it left; up to twice as long. */
  readonly delayMs: number;
}

export interface HomeKey {
  readonly job: JobNumber;
  readonly group: Group;
  readonly name: string;
  readonly object: ObjectId;
}

export interface LeftShard {
  readonly node: NodeId;
  readonly stripe: number;
  readonly index: number;
}

interface Left {
  readonly home: HomeKey;
  readonly shards: readonly LeftShard[];
  readonly isGone: boolean;
}

const argsPerShard = 3;
const shardsPerRequest = 1000;
const timeoutMs = 5000;

export class SupersededShards {
  readonly #options: SupersededOptions;
  #gathered: Left[] = [];

  constructor(options: SupersededOptions) {
    this.#options = options;
  }

  /** The object lies elsewhere now. */
  free(home: HomeKey, shards: readonly LeftShard[]): void {
    this.#gather({ home, shards, isGone: false });
  }

  /** The key does not hold the object any more, and no other one ever will. */
  freeGone(home: HomeKey, shards: readonly LeftShard[]): void {
    this.#gather({ home, shards, isGone: true });
  }

  #gather(left: Left): void {
    if (left.shards.length === 0) return;
    const { clock, delayMs } = this.#options;
    if (this.#gathered.length === 0) {
      clock.after(
        delayMs,
        () => {
          const due = this.#gathered;
          this.#gathered = [];
          // Once more, for those that came at the end of the first time.
          clock.after(delayMs, () => this.#freeAll(due), true);
        },
        true,
      );
    }
    this.#gathered.push(left);
  }

  #freeAll(due: readonly Left[]): void {
    const { self, shards } = this.#options;
    const batches = new Map<string, { node: NodeId; job: JobNumber; names: Argument[] }>();
    for (const { home, shards: left, isGone } of due) {
      const mayFree = isGone ? () => true : this.#whatMayGo(home);
      for (const { node, stripe, index } of left) {
        if (!mayFree({ node, stripe, index })) continue;
        if (node === self()) {
          shards.free(home.job, { object: home.object, stripe, index });
          continue;
        }
        const key = `${node} ${home.job}`;
        const batch = batches.get(key) ?? { node, job: home.job, names: [] };
        batch.names.push(objectIdBytes(home.object), stripe, index);
        batches.set(key, batch);
      }
    }
    for (const { node, job, names } of batches.values()) {
      void this.#send(node, job, names).catch(() => undefined);
    }
  }

  #whatMayGo({ job, group, name, object }: HomeKey): (left: LeftShard) => boolean {
    const { cells, isMoving, map } = this.#options;
    // Another primary may be moving shards by now.
    if (!cells.reads(group) || isMoving(job, object)) return () => false;
    const value = cells.ref(job, group, name);
    if (value === undefined || objectOfRef(value) !== object) return () => true;
    const { stripes } = decodeRef(value);
    // Nobody brings it back to memory as soon as that: see spill/read-back.ts.
    if (stripes === undefined) return () => true;
    const states = statesOf(map()?.nodes ?? []);
    return ({ node, stripe, index }) =>
      fateOf(states, node) === "leaves" && stripes?.[stripe]?.[index] !== node;
  }

  async #send(node: NodeId, job: JobNumber, names: readonly Argument[]): Promise<void> {
    const { clock, ask } = this.#options;
    const step = shardsPerRequest * argsPerShard;
    for (let at = 0; at < names.length; at += step) {
      const deadline = startDeadline(clock, timeoutMs, undefined, "freeing shards that have moved");
      // The connection that shards are written on: what is written after it is not freed by it.
      await ask(node, "bulk", "MF.SHARD.FREE", [job, ...names.slice(at, at + step)], { deadline });
    }
  }
}
