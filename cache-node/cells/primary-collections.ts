/** The primary of a group: updates of counters and collections, and what they show. */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { CellKind } from "../../src/wire/cell.ts";
import type { CellResult } from "../../src/wire/collection.ts";
import type { Version } from "../../src/wire/version.ts";
import type { GroupLogs } from "../replication/group-logs.ts";
import { cellName } from "../store/cell.ts";
import type { CellStore } from "../store/cell-store.ts";
import type { Mutation, MutationLog } from "./mutation-log.ts";
import { planUpdate, type UpdateRequest } from "./plan-update.ts";
import type { PrimaryCells } from "./primary-cells.ts";
import { type CollectionValue, countOfAnswer, type Question, readCollection } from "./read-collection.ts";
import type { Rows } from "./rows.ts";

export interface PrimaryCollectionsOptions {
  readonly clock: Clock;
  readonly cells: CellStore;
  readonly logs: GroupLogs;
  readonly rows: Rows;
  readonly mutations: MutationLog;
  readonly primary: PrimaryCells;
  /** @throws MayflyError QUOTA_EXCEEDED when the job may not have so many more bytes here */
  readonly checkQuota: (job: JobNumber, bytes: number) => void;
}

export interface Updated {
  /** Of the key now; undefined when it holds nothing and was not changed. */
  readonly version: Version | undefined;
  readonly result: CellResult;
}

/** What a read shows, at the moment of the read. */
export interface Shown {
  readonly kind: CellKind;
  readonly version: Version;
  /** Wall clock; 0 for never. */
  readonly expiresAtMs: number;
  /** What a wait compares: the value of a counter, the elements of a collection, the messages found. */
  readonly count: number;
  readonly value: CollectionValue;
}

export interface CollectionRead {
  /** Undefined where nothing is; an error that says what is there instead. */
  readonly shown: Shown | MayflyError | undefined;
  /** Before this nothing of it may be told. */
  readonly ready: Promise<void> | undefined;
}

export class PrimaryCollections {
  readonly #options: PrimaryCollectionsOptions;

  constructor(options: PrimaryCollectionsOptions) {
    this.#options = options;
  }

  /**
   * Updates the counter or collection at the key; where nothing is there is a 0, or an empty one. One that loses its last
   * element is deleted. Answered at once or when it is on all members; the memory of the request may change afterwards.
   *
   * @param ttlMs from now; 0 leaves the expiry of the key as it is
   * @throws MayflyError WRONG_TYPE, TOO_LARGE, INVALID_ARGUMENT for a sum out of range, QUOTA_EXCEEDED, BUSY, KEY_EXISTS,
   * VERSION_MISMATCH, ABORTED, LOST, MOVED, UNAVAILABLE
   */
  update(mutation: Mutation, request: UpdateRequest, ttlMs: number): Updated | Promise<Updated> {
    const { cells, clock, mutations, rows } = this.#options;
    const { job, key, name } = mutation;
    const group = groupOf(key);
    const repeated = mutations.repetition(mutation, group);
    if (repeated !== undefined) return repeated.then(updatedAsBefore);
    const failed = mutations.failedCondition(mutation, group);
    if (failed !== undefined) {
      return failed.then((error) => {
        throw error;
      });
    }
    if (cells.get(job, group, name) === undefined) mutations.checkNotLost(job, rows.asPrimary(group));
    const cell = mutations.live(job, group, key, name);
    const plan = planUpdate(request, cell, cells.collection(job, group, name));
    if (!("kind" in plan)) return this.#answerUnchanged(mutation, group, plan, cell?.version, cell?.position);
    if (plan.addedBytes > 0) this.#options.checkQuota(job, plan.addedBytes);
    const expiresAtMs = ttlMs > 0 ? clock.wallMs() + ttlMs : (cell?.expiresAtMs ?? 0);
    return mutations.log(mutation, group, plan.kind, plan.value, expiresAtMs, updated);
  }

  /** What the key shows to the question. @throws MayflyError MOVED, UNAVAILABLE, LOST */
  read(job: JobNumber, key: Uint8Array, question: Question): CollectionRead {
    const group = groupOf(key);
    const { cell, ready } = this.#options.primary.read(job, key, group);
    if (cell === undefined) return { shown: undefined, ready };
    if (cell.kind === "expired") {
      return { shown: new MayflyError("EXPIRED", "What was at this key has expired."), ready };
    }
    if (cell.block === undefined) return { shown: undefined, ready };
    const { kind, version, expiresAtMs } = cell;
    const collection = this.#options.cells.collection(job, group, cellName(key));
    try {
      const value = readCollection(question, cell, collection);
      const count = countOfAnswer(question, value, cell, collection);
      return { shown: { kind, version, expiresAtMs, count, value }, ready };
    } catch (thrown) {
      return { shown: MayflyError.from(thrown), ready };
    }
  }

  /** An answer that changes nothing tells of what is there: it waits for that, and for nobody else being the primary. */
  #answerUnchanged(
    mutation: Mutation,
    group: Group,
    plan: { readonly unchanged: CellResult } | { readonly refused: MayflyError },
    version: Version | undefined,
    position: number | undefined,
  ): Promise<Updated> {
    const { logs, mutations, rows } = this.#options;
    rows.asReader(group);
    const answer =
      "refused" in plan ? plan : { result: plan.unchanged, ...(version !== undefined && { version }) };
    mutations.keepAnswer(mutation, group, answer);
    return mutations.committed(group, position ?? logs.of(group).position).then(() => {
      if ("refused" in plan) throw plan.refused;
      return { version, result: plan.unchanged };
    });
  }
}

function updated(version: Version, result: CellResult | undefined): Updated {
  return { version, result: result ?? 0 };
}

function updatedAsBefore({ version, result }: { version: Version; result?: CellResult }): Updated {
  return { version: version.generation === 0 ? undefined : version, result: result ?? 0 };
}
