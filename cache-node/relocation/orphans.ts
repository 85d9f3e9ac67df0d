/**
 * Orphans: shards on this node that no committed ref names, since their writer died before its commit, or a relocation
 * ended half way. A shard that has lain here for a while is asked about at the primary of its object's group; one that
 * was confirmed is asked about again after nodes or rows changed, and else rarely.
 */
import { startDeadline } from "../../client/transport/deadline.ts";
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { Cancel, Clock } from "../../src/clock.ts";
import {
  type Group,
  groupOfObject,
  type JobNumber,
  type NodeId,
  type ObjectId,
  objectIdBytes,
} from "../../src/ids.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { RespValue } from "../../src/wire/resp-value.ts";
import {
  objectOfShard,
  type Shard,
  type ShardName,
  type ShardStore,
  shardNameOf,
} from "../store/shard-store.ts";
import type { AskNode } from "./ask-node.ts";
import { eachLimited } from "./each-limited.ts";
import type { ShardJudge, Verdict } from "./judge-shards.ts";
import { TimeSlices } from "./time-slices.ts";

export interface OrphanOptions {
  readonly clock: Clock;
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly view: Pick<FleetView, "current" | "epoch">;
  readonly judge: Pick<ShardJudge, "judge">;
  readonly ask: AskNode;
  /** Between two looks. */
  readonly checkMs: number;
  /** Without a new shard of an object for so long, those that are here are asked about. */
  readonly afterMs: number;
  /** So long what was confirmed is believed, while no node goes and no row changes. */
  readonly confirmedMs: number;
}

const shardsPerQuestion = 500;
const questionsInFlight = 4;
/** Of one look: what is more waits for the next. */
const askedMax = 20_000;
const askTimeoutMs = 15_000;

interface Suspect {
  readonly name: ShardName;
  readonly shard: Shard;
}

interface Question {
  readonly job: JobNumber;
  readonly group: Group;
  readonly suspects: readonly Suspect[];
}

export class Orphans {
  readonly #options: OrphanOptions;
  #cancel: Cancel | undefined;
  #closed = false;
  #map: FleetMap | undefined;
  /** The round in which a node went or a row changed last. */
  #upheavalRound = 0;
  /** Shards that were freed since the node began. */
  freed = 0;

  constructor(options: OrphanOptions) {
    this.#options = options;
  }

  start(): void {
    const { clock, checkMs } = this.#options;
    const look = (): void => {
      this.#cancel = undefined;
      void this.look()
        .catch(() => undefined)
        .finally(() => {
          if (!this.#closed) this.#cancel = clock.after(checkMs, look, true);
        });
    };
    this.#cancel = clock.after(checkMs, look, true);
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  mapChanged(map: FleetMap): void {
    const before = this.#map;
    this.#map = map;
    if (before === undefined) return;
    const alive = new Set(map.nodes.filter(({ state }) => state !== "dead").map(({ id }) => id));
    const isUpheaval =
      before.nodes.some(({ id, state }) => state !== "dead" && !alive.has(id)) ||
      before.rows.some(({ generation }, group) => map.rows[group]?.generation !== generation);
    if (isUpheaval) this.#upheavalRound = this.#options.shards.round;
  }

  /** Looks once at all shards; a round of the store's coarse time begins with it. */
  async look(): Promise<void> {
    const { shards } = this.#options;
    shards.round += 1;
    let left = askedMax;
    for (const job of shards.jobs()) {
      const suspects = await this.#suspectsOf(job, left);
      left -= suspects.length;
      await eachLimited(questionsOf(job, suspects), questionsInFlight, (question) => this.#ask(question));
      if (left <= 0 || this.#closed) return;
    }
  }

  /** Those of the objects of which a shard has come lately and was not confirmed yet. */
  async freshOf(job: JobNumber, objects: ReadonlySet<ObjectId>): Promise<ReadonlySet<ObjectId>> {
    const { shards, clock } = this.#options;
    const fresh = new Set<ObjectId>();
    const slices = new TimeSlices(clock);
    for (const [key, shard] of shards.shardsOf(job)) {
      if (!shard.confirmed && !this.#isOld(shard)) {
        const object = objectOfShard(key);
        if (objects.has(object)) fresh.add(object);
      }
      if (slices.over) await slices.pause();
    }
    return fresh;
  }

  async #suspectsOf(job: JobNumber, max: number): Promise<Suspect[]> {
    const { shards, clock } = this.#options;
    const found: Suspect[] = [];
    const slices = new TimeSlices(clock);
    for (const [key, shard] of shards.shardsOf(job)) {
      if (this.#isDue(shard)) found.push({ name: shardNameOf(key), shard });
      if (found.length >= max) break;
      if (slices.over) await slices.pause();
    }
    if (found.length === 0) return found;
    // A writer that goes on writing is not dead, however old its first shards are.
    const fresh = await this.freshOf(job, new Set(found.map(({ name }) => name.object)));
    return found.filter(({ name, shard }) => shard.confirmed || !fresh.has(name.object));
  }

  #isDue(shard: Shard): boolean {
    if (!shard.confirmed) return this.#isOld(shard);
    const { checkMs, confirmedMs, shards } = this.#options;
    const sinceUpheaval = shards.round - this.#upheavalRound;
    const isDoubtful = shard.seenRound <= this.#upheavalRound && sinceUpheaval > this.#roundsOld;
    return isDoubtful || (shards.round - shard.seenRound) * checkMs >= confirmedMs;
  }

  /** Certainly older than `afterMs`: it may have come at the end of its round. */
  #isOld(shard: Shard): boolean {
    return this.#options.shards.round - shard.seenRound > this.#roundsOld;
  }

  get #roundsOld(): number {
    return Math.ceil(this.#options.afterMs / this.#options.checkMs);
  }

  async #ask(question: Question): Promise<void> {
    const { shards, view } = this.#options;
    const { job, group, suspects } = question;
    const primary = view.current?.rows[group]?.nodes[0];
    if (primary === undefined) return;
    const verdicts = await this.#verdicts(primary, question).catch(() => []);
    for (const [at, { name, shard }] of suspects.entries()) {
      if (verdicts[at] === "keep") {
        shard.confirmed = true;
        shard.seenRound = shards.round;
      } else if (verdicts[at] === "free" && shards.freeIf(job, name, shard)) this.freed += 1;
    }
  }

  async #verdicts(
    primary: NodeId,
    { job, group, suspects }: Question,
  ): Promise<readonly (Verdict | RespValue)[]> {
    const { clock, self, view, judge, ask } = this.#options;
    const names = suspects.map(({ name }) => name);
    const { epoch } = view;
    if (primary === self()) return await judge.judge({ holder: primary, epoch, job, group, shards: names });
    const deadline = startDeadline(clock, askTimeoutMs, undefined, "the question for orphans");
    const args = names.flatMap(({ object, stripe, index }) => [objectIdBytes(object), stripe, index]);
    const head = [formatEpoch(epoch), job, group];
    const reply = await ask(primary, "small", "MF.OBJECT.CHECK", [...head, ...args], { deadline });
    return Array.isArray(reply) && reply.length === names.length ? reply : [];
  }
}

function questionsOf(job: JobNumber, suspects: readonly Suspect[]): Question[] {
  const groups = new Map<Group, Suspect[]>();
  for (const suspect of suspects) {
    const group = groupOfObject(suspect.name.object);
    // Whoever made such an id did without the collection: its shards go with their job.
    if (group === undefined) continue;
    const list = groups.get(group);
    if (list === undefined) groups.set(group, [suspect]);
    else list.push(suspect);
  }
  const questions: Question[] = [];
  for (const [group, list] of groups) {
    for (let at = 0; at < list.length; at += shardsPerQuestion) {
      questions.push({ job, group, suspects: list.slice(at, at + shardsPerQuestion) });
    }
  }
  return questions;
}
