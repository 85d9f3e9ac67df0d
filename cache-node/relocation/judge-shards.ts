/**
 * The primary says of shards that others hold whether something names them. What it does not know was perhaps never
 * committed: it is freed only after it is certain, on all members of the row, that it never will be.
 */
import { startDeadline } from "../../client/transport/deadline.ts";
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { Clock } from "../../src/clock.ts";
import { type Group, type JobNumber, type NodeId, type ObjectId, objectIdBytes } from "../../src/ids.ts";
import { compareEpochs } from "../../src/placement/epoch.ts";
import type { Epoch } from "../../src/placement/types.ts";
import { decodeRef, type Ref } from "../../src/wire/ref.ts";
import type { JobDirectory } from "../job-directory.ts";
import type { ShardName } from "../store/shard-store.ts";
import type { AskNode } from "./ask-node.ts";
import { eachLimited } from "./each-limited.ts";
import { objectOfRef } from "./glance-at-ref.ts";
import type { RelocationCells } from "./relocation-cells.ts";
import { TimeSlices } from "./time-slices.ts";

/**
 * `keep`: a committed ref names the holder for it. `free`: one places it elsewhere, or no ref of its object can ever be
 * committed. `later`: this node cannot say now.
 */
export type Verdict = "keep" | "free" | "later";

export interface ShardQuestion {
  /** Who holds the shards. */
  readonly holder: NodeId;
  readonly epoch: Epoch;
  readonly job: JobNumber;
  readonly group: Group;
  readonly shards: readonly ShardName[];
}

export interface JudgeOptions {
  readonly clock: Clock;
  readonly self: () => NodeId;
  readonly view: Pick<FleetView, "current" | "epoch">;
  readonly cells: RelocationCells;
  readonly jobs: Pick<JobDirectory, "ended">;
  readonly isMoving: (job: JobNumber, object: ObjectId) => boolean;
  /** Of this node's own shards: whether one of the object has come lately. */
  readonly isFresh: (job: JobNumber, objects: ReadonlySet<ObjectId>) => Promise<ReadonlySet<ObjectId>>;
  readonly ask: AskNode;
}

const freshTimeoutMs = 3000;
const abortsInFlight = 16;
/** Well below the time for which the cells remember aborts. */
const abortKnownMs = 60_000;
const abortsKnownMax = 10_000;

export class ShardJudge {
  readonly #options: JudgeOptions;
  /** Objects that were aborted lately, and when: each of their holders asks. */
  readonly #aborted = new Map<string, number>();

  constructor(options: JudgeOptions) {
    this.#options = options;
  }

  /** One verdict for each shard, in their order. */
  async judge(question: ShardQuestion): Promise<Verdict[]> {
    const { view, jobs } = this.#options;
    const { job, group, shards, holder, epoch } = question;
    // Who asks by a newer map may know of another primary; who asks of an ended job will hear that it has ended.
    if (compareEpochs(epoch, view.epoch) > 0 || jobs.ended(job) || !this.#reads(group)) {
      return shards.map(() => "later");
    }
    const objects = new Set(shards.map(({ object }) => object));
    const names = await this.#find(job, group, objects);
    const missing = new Set([...objects].filter((object) => !names.has(object)));
    const dead = await this.#abortAll(question, missing);
    if (!this.#reads(group)) return shards.map(() => "later");
    const refs = new Map([...names].map(([object, name]) => [object, this.#refOf(job, group, name, object)]));
    return shards.map(({ object, stripe, index }): Verdict => {
      if (dead.has(object)) return "free";
      const ref = refs.get(object);
      if (ref === undefined || this.#options.isMoving(job, object)) return "later";
      return ref.stripes?.[stripe]?.[index] === holder ? "keep" : "free";
    });
  }

  #reads(group: Group): boolean {
    return this.#options.cells.reads(group);
  }

  #refOf(job: JobNumber, group: Group, name: string, object: ObjectId): Ref | undefined {
    const value = this.#options.cells.ref(job, group, name);
    return value !== undefined && objectOfRef(value) === object ? decodeRef(value) : undefined;
  }

  /** The keys of the group that hold one of the objects. */
  async #find(job: JobNumber, group: Group, objects: ReadonlySet<ObjectId>): Promise<Map<ObjectId, string>> {
    const names = new Map<ObjectId, string>();
    const slices = new TimeSlices(this.#options.clock);
    for (const ref of this.#options.cells.refs(group)) {
      const object = ref.job === job ? objectOfRef(ref.value) : undefined;
      if (object !== undefined && objects.has(object)) names.set(object, ref.name);
      if (names.size === objects.size) break;
      if (slices.over) await slices.pause();
    }
    return names;
  }

  /** Those of the objects of which it is certain now that they are never committed. */
  async #abortAll(
    { job, group, holder }: ShardQuestion,
    objects: ReadonlySet<ObjectId>,
  ): Promise<ReadonlySet<ObjectId>> {
    const { cells, clock, isMoving } = this.#options;
    const dead = new Set<ObjectId>();
    const unknown = new Set<ObjectId>();
    for (const object of objects) {
      const atMs = this.#aborted.get(`${job} ${object}`);
      if (atMs !== undefined && clock.now() - atMs < abortKnownMs) dead.add(object);
      else if (!isMoving(job, object)) unknown.add(object);
    }
    const writing = await this.#beingWritten(job, unknown, holder);
    const abandoned = [...unknown].filter((object) => !writing.has(object));
    await eachLimited(abandoned, abortsInFlight, async (object) => {
      const aborted = await cells.abort(job, group, object).catch(() => false);
      if (!aborted) return;
      dead.add(object);
      this.#noteAborted(`${job} ${object}`);
    });
    return dead;
  }

  #noteAborted(key: string): void {
    this.#aborted.delete(key);
    this.#aborted.set(key, this.#options.clock.now());
    const [oldest] = this.#aborted.keys();
    if (this.#aborted.size > abortsKnownMax && oldest !== undefined) this.#aborted.delete(oldest);
  }

  /**
   * Objects of which some node got a shard lately: a slow writer is no dead one. Where a node cannot be asked that may be
   * so of all. The holder has looked at its own before it asked.
   */
  async #beingWritten(
    job: JobNumber,
    objects: ReadonlySet<ObjectId>,
    holder: NodeId,
  ): Promise<ReadonlySet<ObjectId>> {
    if (objects.size === 0) return objects;
    const { self, view, isFresh, ask, clock } = this.#options;
    const asked = [...objects];
    const writing = new Set<ObjectId>();
    const nodes = view.current?.nodes.filter(({ id, state }) => state !== "dead" && id !== holder) ?? [];
    const args = [job, ...asked.map(objectIdBytes)];
    const askOne = async (node: NodeId): Promise<void> => {
      if (node === self()) {
        for (const object of await isFresh(job, objects)) writing.add(object);
        return;
      }
      const deadline = startDeadline(
        clock,
        freshTimeoutMs,
        undefined,
        "the question for shards that came lately",
      );
      const reply = await ask(node, "small", "MF.OBJECT.FRESH", args, { deadline });
      const fresh = Array.isArray(reply) && reply.length === asked.length ? reply : asked.map(() => 1);
      for (const [at, object] of asked.entries()) if (fresh[at] !== 0) writing.add(object);
    };
    try {
      await Promise.all(nodes.map(({ id }) => askOne(id)));
      return writing;
    } catch {
      return objects;
    }
  }
}
