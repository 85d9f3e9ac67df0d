/**
 * The primary of a group decides here what a command does: conditions, versions, repetitions, expiry. Each change is
 * an effect that is applied, sent to the backups, and answered once it is on all of them; a read is answered once the
 * newest effect it saw is.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type Group, groupOfObject, type JobNumber, type ObjectId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { decodeRef, Ref, refBytesMax } from "../../src/wire/ref.ts";
import { inlineBytesMax } from "../../src/wire/stripe-layout.ts";
import { compareVersions, type Version } from "../../src/wire/version.ts";
import { objectOfRef } from "../relocation/glance-at-ref.ts";
import type { GroupLogs } from "../replication/group-logs.ts";
import { type Cell, cellName } from "../store/cell.ts";
import type { CellStore } from "../store/cell-store.ts";
import { type Mutation, type MutationLog, nobody, versionOf } from "./mutation-log.ts";
import type { Rows } from "./rows.ts";

export interface PrimaryCellsOptions {
  readonly clock: Clock;
  readonly cells: CellStore;
  readonly logs: GroupLogs;
  readonly rows: Rows;
  readonly mutations: MutationLog;
  readonly map: () => FleetMap | undefined;
  /** @throws MayflyError QUOTA_EXCEEDED when the job may not have so many more bytes here */
  readonly checkQuota: (job: JobNumber, bytes: number) => void;
  /** @throws MayflyError INVALID_ARGUMENT when the job may not name what lies at this place in the object store */
  readonly checkStored: (job: JobNumber, ref: Ref) => void;
  /** Frees the shards of an object that nothing names any more. */
  readonly freeObject: (job: JobNumber, ref: Ref) => void;
  /** Somebody reads a key that holds a ref. The value is valid until the call returns. */
  readonly onRefRead: (job: JobNumber, group: Group, name: string, value: Uint8Array) => void;
}

export class PrimaryCells {
  readonly #options: PrimaryCellsOptions;
  readonly #mutations: MutationLog;

  constructor(options: PrimaryCellsOptions) {
    this.#options = options;
    this.#mutations = options.mutations;
  }

  /**
   * Sets the key to bytes or a ref. The version, at once or when it is on all members. The memory of the value may
   * change afterwards, and without a ttl that of the key.
   */
  set(
    mutation: Mutation,
    kind: "bytes" | "ref",
    value: Uint8Array,
    ttlMs: number,
    group: Group = groupOf(mutation.key),
  ): Version | Promise<Version> {
    const answered = this.check(mutation, kind, value, group);
    return answered ?? this.setChecked(mutation, kind, value, ttlMs, group);
  }

  /**
   * Whatever may keep a set from taking place, in the order in which it counts: it took place before (then its version), its
   * condition fails, the value is refused. Undefined when nothing does, which holds until the next await only.
   */
  check(
    mutation: Mutation,
    kind: "bytes" | "ref",
    value: Uint8Array,
    group: Group,
  ): Promise<Version> | undefined {
    const known = this.#mutations.repetition(mutation, group);
    if (known !== undefined) return known.then(({ version }) => version);
    const failed = this.#mutations.failedCondition(mutation, group);
    if (failed !== undefined) {
      return failed.then((error) => {
        throw error;
      });
    }
    this.#options.checkQuota(mutation.job, value.length);
    const valueBytesMax = kind === "ref" ? refBytesMax : inlineBytesMax;
    if (value.length > valueBytesMax) {
      const what = kind === "ref" ? "A ref has" : "A cell holds inline";
      throw new MayflyError("TOO_LARGE", `${what} up to ${valueBytesMax} bytes, not ${value.length}.`);
    }
    if (kind === "ref") this.#checkRef(mutation.job, group, mutation.key, decodeRef(value));
    return undefined;
  }

  /** Sets what was checked in the same turn: what was looked at would change in between. */
  setChecked(
    mutation: Mutation,
    kind: "bytes" | "ref" | "durable",
    value: Uint8Array,
    ttlMs: number,
    group: Group,
  ): Version | Promise<Version> {
    const expiresAtMs = ttlMs === 0 ? 0 : this.#options.clock.wallMs() + ttlMs;
    return this.#mutations.log(mutation, group, kind, value, expiresAtMs, versionOf);
  }

  /** True if there was something. */
  async delete(mutation: Mutation): Promise<boolean> {
    const group = groupOf(mutation.key);
    const known = this.#mutations.repetition(mutation, group);
    if (known !== undefined) return (await known).existed;
    const failed = this.#mutations.failedCondition(mutation, group);
    if (failed !== undefined) throw await failed;
    const { job, key, name } = mutation;
    if (this.#mutations.live(job, group, key, name) === undefined) {
      const row = this.#options.rows.asReader(group);
      if (this.#options.cells.get(job, group, name) === undefined) this.#mutations.checkNotLost(job, row);
      this.#mutations.keepAnswer(mutation, group, {});
      await this.#mutations.committed(group, this.#options.logs.of(group).position);
      return false;
    }
    await this.#mutations.log(mutation, group, "deleted", new Uint8Array(0), 0, versionOf);
    return true;
  }

  /** Makes sure that the object is never committed, then frees its shards. */
  async abort(mutation: Mutation, ref: Ref): Promise<void> {
    const group = groupOf(mutation.key);
    const known = this.#mutations.repetition(mutation, group);
    if (known !== undefined) {
      await known;
      return;
    }
    if (cellName(ref.key) !== cellName(mutation.key)) {
      throw new MayflyError("INVALID_ARGUMENT", "An object is aborted at its home key.");
    }
    const cell = this.#mutations.live(mutation.job, group, mutation.key, mutation.name);
    if (
      cell?.kind === "ref" &&
      cell.block !== undefined &&
      decodeRef(cell.block.view()).object === ref.object
    ) {
      throw new MayflyError("INVALID_ARGUMENT", "This object is committed: delete its key instead.");
    }
    await this.#mutations.log(mutation, group, "abort", Buffer.from(ref.object, "latin1"), 0, versionOf);
    // Who aborts has written shards, and nothing else that could be freed here.
    this.#options.freeObject(mutation.job, new Ref({ ...ref, stored: undefined }));
  }

  /**
   * The cell as it is now, to be answered at once; or a copy of it, to be answered only when `ready` has resolved and
   * with its block pinned until then.
   * @param group that of the key
   * @throws MayflyError MOVED; UNAVAILABLE while the row has just moved here or its grants are over; LOST when the key may
   * have had something that was lost with all members of its row
   */
  read(
    job: JobNumber,
    key: Uint8Array,
    group: Group = groupOf(key),
  ): { cell: Cell | undefined; ready: Promise<void> | undefined } {
    const { rows, cells, logs } = this.#options;
    const name = cellName(key);
    const row = rows.asReader(group);
    let cell = cells.get(job, group, name);
    if (cell === undefined) this.#mutations.checkNotLost(job, row);
    if (cell?.block !== undefined && cell.expiresAtMs > 0) {
      this.#mutations.live(job, group, key, name);
      cell = cells.get(job, group, name);
    }
    if (cell?.kind === "ref" && cell.block !== undefined) {
      this.#options.onRefRead(job, group, name, cell.block.view());
    }
    if (cell === undefined || cell.position <= logs.of(group).committed) return { cell, ready: undefined };
    const ready = this.#mutations.committed(group, cell.position);
    // Who looks again later does not wait for this one.
    ready.catch(() => undefined);
    return { cell: cell.copy(), ready };
  }

  /**
   * Gives the object at the key another location hint, if it is still there; its version stays. Resolves once that is on
   * all members; false when the key holds something else now.
   *
   * @throws MayflyError MOVED, UNAVAILABLE, BUSY
   */
  async relocate(
    job: JobNumber,
    group: Group,
    name: string,
    object: ObjectId,
    value: Uint8Array,
  ): Promise<boolean> {
    this.#options.rows.asPrimary(group);
    const key = Buffer.from(name, "latin1");
    const cell = this.#mutations.live(job, group, key, name);
    if (cell?.kind !== "ref" || decodeRef(cell.block!.view()).object !== object) return false;
    await this.#mutations.log(nobody(job, key, name), group, "relocated", value, cell.expiresAtMs, versionOf);
    return true;
  }

  /**
   * Makes the bytes at the key durable, if they still have this version, which stays. Resolves once that is on all members; false
   * when the key holds something else now.
   * @param value a durable value with the same bytes
   * @throws MayflyError MOVED, UNAVAILABLE, BUSY
   */
  async keepBytes(
    job: JobNumber,
    group: Group,
    name: string,
    version: Version,
    value: Uint8Array,
  ): Promise<boolean> {
    this.#options.rows.asPrimary(group);
    const key = Buffer.from(name, "latin1");
    const cell = this.#mutations.live(job, group, key, name);
    if (cell?.kind !== "bytes" || compareVersions(cell.version, version) !== 0) return false;
    await this.#mutations.log(nobody(job, key, name), group, "relocated", value, cell.expiresAtMs, versionOf);
    return true;
  }

  /**
   * Makes sure, on all members, that the object is never committed; false when it is, at some key of the group.
   *
   * @throws MayflyError MOVED, UNAVAILABLE, BUSY
   */
  async abortObject(job: JobNumber, group: Group, object: ObjectId): Promise<boolean> {
    const { rows, cells } = this.#options;
    rows.asPrimary(group);
    for (const ref of cells.refs(group)) {
      if (ref.job === job && objectOfRef(ref.value) === object) return false;
    }
    const key = Buffer.from(object, "latin1");
    await this.#mutations.log(nobody(job, key, object), group, "abort", key, 0, versionOf);
    return true;
  }

  #checkRef(job: JobNumber, group: Group, key: Uint8Array, ref: Ref): void {
    if (cellName(ref.key) !== cellName(key) || (ref.stripes ?? ref.stored) === undefined || ref.inline) {
      throw new MayflyError("INVALID_ARGUMENT", "A committed ref names its own key and all its nodes.");
    }
    if (ref.stored !== undefined) this.#options.checkStored(job, ref);
    if (groupOfObject(ref.object) !== group) {
      throw new MayflyError("INVALID_ARGUMENT", "The id of an object begins with the group of its home key.");
    }
    const { stripes = [] } = ref;
    if (stripes.some((nodes) => new Set(nodes).size !== nodes.length)) {
      throw new MayflyError("INVALID_ARGUMENT", "The shards of a stripe lie on distinct nodes.");
    }
    if (this.#options.cells.wasAborted(job, group, ref.object)) {
      throw new MayflyError("FREED", "This object was aborted before its commit came; write it again.");
    }
    const usable = new Set(
      this.#options
        .map()
        ?.nodes.filter((node) => node.state === "active")
        .map((node) => node.id),
    );
    const wrong = [...new Set(stripes.flat())].filter((node) => !usable.has(node));
    if (wrong.length > 0) {
      throw new MayflyError(
        "PLACEMENT_REFUSED",
        `Nodes ${wrong.join(", ")} are gone or draining; place those shards again.`,
      );
    }
  }
}
