/** The objects that have shards on nodes that are dead, gone or draining: most endangered first, and how many they are. */
import type { Group, JobNumber, NodeId, ObjectId } from "../../src/ids.ts";
import type { Code } from "../../src/placement/types.ts";
import { type Assessment, isAtRisk, urgencies, urgencyOf } from "./plan-relocation.ts";

export interface PendingObject {
  readonly job: JobNumber;
  readonly group: Group;
  readonly name: string;
  readonly object: ObjectId;
  readonly code: Code;
  assessment: Assessment;
  state: "queued" | "running" | "waiting";
  /** Attempts that failed one after another. */
  failures: number;
  /** The scan of its group that last found it. */
  scan: number;
  removed: boolean;
}

export class PendingObjects {
  readonly #groups = new Map<Group, Map<string, PendingObject>>();
  /** By urgency; what was taken out or became more urgent stays in its old queue and is skipped there. */
  readonly #queues: PendingObject[][] = Array.from({ length: urgencies }, () => []);
  readonly #heads: number[] = Array.from({ length: urgencies }, () => 0);
  readonly #byNode = new Map<NodeId, number>();
  objects = 0;
  bytes = 0;
  atRisk = 0;

  get(job: JobNumber, group: Group, name: string): PendingObject | undefined {
    return this.#groups.get(group)?.get(keyOf(job, name));
  }

  of(group: Group): Iterable<PendingObject> {
    return this.#groups.get(group)?.values() ?? [];
  }

  *all(): Iterable<PendingObject> {
    for (const objects of this.#groups.values()) yield* objects.values();
  }

  /** `[node, objects]`: how many have shards there. */
  byNode(): [NodeId, number][] {
    return [...this.#byNode];
  }

  add(pending: PendingObject): void {
    let objects = this.#groups.get(pending.group);
    if (objects === undefined) {
      objects = new Map();
      this.#groups.set(pending.group, objects);
    }
    objects.set(keyOf(pending.job, pending.name), pending);
    this.#count(pending, 1);
    this.queue(pending);
  }

  /** To be taken by `take` as soon as nothing is more urgent. */
  queue(pending: PendingObject): void {
    pending.state = "queued";
    this.#queues[urgencyOf(pending.assessment, pending.code)]!.push(pending);
  }

  update(pending: PendingObject, assessment: Assessment): void {
    if (pending.removed) return;
    const before = urgencyOf(pending.assessment, pending.code);
    this.#count(pending, -1);
    pending.assessment = assessment;
    this.#count(pending, 1);
    if (pending.state === "queued" && urgencyOf(assessment, pending.code) !== before) this.queue(pending);
  }

  remove(pending: PendingObject): void {
    if (pending.removed) return;
    pending.removed = true;
    this.#count(pending, -1);
    const objects = this.#groups.get(pending.group);
    objects?.delete(keyOf(pending.job, pending.name));
    if (objects?.size === 0) this.#groups.delete(pending.group);
  }

  /**
   * The most urgent one that waits for its turn; it is running from now on.
   * @param below only if it is more urgent than this
   */
  take(below: number = urgencies): PendingObject | undefined {
    for (let urgency = 0; urgency < below; urgency++) {
      for (let next = this.#next(urgency); next !== undefined; next = this.#next(urgency)) {
        const isElsewhere = urgencyOf(next.assessment, next.code) !== urgency;
        if (next.removed || next.state !== "queued" || isElsewhere) continue;
        next.state = "running";
        return next;
      }
    }
    return undefined;
  }

  #next(urgency: number): PendingObject | undefined {
    const queue = this.#queues[urgency]!;
    const head = this.#heads[urgency]!++;
    const next = queue[head];
    if (next !== undefined && head < keptMax) return next;
    queue.splice(0, head + 1);
    this.#heads[urgency] = 0;
    return next;
  }

  #count({ assessment, code }: PendingObject, by: 1 | -1): void {
    this.objects += by;
    this.bytes += by * assessment.bytes;
    if (isAtRisk(assessment, code)) this.atRisk += by;
    for (const node of assessment.nodes) {
      const count = (this.#byNode.get(node) ?? 0) + by;
      if (count === 0) this.#byNode.delete(node);
      else this.#byNode.set(node, count);
    }
  }
}

/** Places in front of a queue that are kept before the others move up. */
const keptMax = 4096;

function keyOf(job: JobNumber, name: string): string {
  return `${job} ${name}`;
}
