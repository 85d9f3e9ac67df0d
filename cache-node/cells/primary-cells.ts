/**
 * The primary of a group decides here what a command does: conditions, versions, repetitions, expiry. Each change is
 * an effect that is applied, sent to the backups, and answered once it is on all of them; a read is answered once the
 * newest effect it saw is.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Effect, EffectKind } from "../../src/wire/cell.ts";
import { decodeRef, type Ref, refBytesMax } from "../../src/wire/ref.ts";
import { inlineBytesMax } from "../../src/wire/stripe-layout.ts";
import { formatVersion, type Version } from "../../src/wire/version.ts";
import type { GroupLogs } from "../replication/group-logs.ts";
import { type Cell, type CellStore, cellName, type SessionResult } from "../store/cell-store.ts";
import type { CellWaits } from "./cell-waits.ts";
import { ExpiryWheel, expiredKeptMs } from "./expiry-wheel.ts";
import type { Rows } from "./rows.ts";

export interface Mutation {
  readonly job: JobNumber;
  /** 8 bytes as latin-1. */
  readonly session: string;
  readonly sequence: number;
  readonly floor: number;
  readonly key: Uint8Array;
  /** `cellName(key)` */
  readonly name: string;
  /** "" always, "absent", or the version that must be there. */
  readonly condition: string;
}

export interface PrimaryCellsOptions {
  readonly clock: Clock;
  readonly cells: CellStore;
  readonly logs: GroupLogs;
  readonly rows: Rows;
  readonly waits: CellWaits;
  readonly map: () => FleetMap | undefined;
  /** @throws MayflyError QUOTA_EXCEEDED when the job may not have so many more bytes here */
  readonly checkQuota: (job: JobNumber, bytes: number) => void;
  /** Frees the shards of an object that nothing names any more. */
  readonly freeObject: (job: JobNumber, ref: Ref) => void;
}

/** Of effects that no session asked for. */
export const noSession: string = "\0".repeat(8);
/** Longer than any call may take, so that no repetition comes later. */
const sessionIdleMs = 20 * 60_000;

interface Due {
  readonly job: JobNumber;
  readonly key: Uint8Array;
  readonly position: number;
}

export class PrimaryCells {
  readonly #options: PrimaryCellsOptions;
  readonly #due = new ExpiryWheel<Due>();

  constructor(options: PrimaryCellsOptions) {
    this.#options = options;
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
    // No await between looking and logging: what was looked at would change in between.
    const known = this.#repetition(mutation, group);
    if (known !== undefined) return known.then(({ version }) => version);
    const failed = this.#failedCondition(mutation, group);
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
    const expiresAtMs = ttlMs === 0 ? 0 : this.#options.clock.wallMs() + ttlMs;
    return this.#log(mutation, group, kind, value, expiresAtMs);
  }

  /** True if there was something. */
  async delete(mutation: Mutation): Promise<boolean> {
    const group = groupOf(mutation.key);
    const known = this.#repetition(mutation, group);
    if (known !== undefined) return (await known).existed;
    const failed = this.#failedCondition(mutation, group);
    if (failed !== undefined) throw await failed;
    if (this.#live(mutation.job, group, mutation.key, mutation.name) === undefined) {
      await this.#committed(group, this.#options.logs.of(group).position);
      return false;
    }
    await this.#log(mutation, group, "deleted", new Uint8Array(0), 0);
    return true;
  }

  /** Makes sure that the object is never committed, then frees its shards. */
  async abort(mutation: Mutation, ref: Ref): Promise<void> {
    const group = groupOf(mutation.key);
    const known = this.#repetition(mutation, group);
    if (known !== undefined) {
      await known;
      return;
    }
    if (cellName(ref.key) !== cellName(mutation.key)) {
      throw new MayflyError("INVALID_ARGUMENT", "An object is aborted at its home key.");
    }
    const cell = this.#live(mutation.job, group, mutation.key, mutation.name);
    if (
      cell?.kind === "ref" &&
      cell.block !== undefined &&
      decodeRef(cell.block.view()).object === ref.object
    ) {
      throw new MayflyError("INVALID_ARGUMENT", "This object is committed: delete its key instead.");
    }
    await this.#log(mutation, group, "abort", Buffer.from(ref.object, "latin1"), 0);
    this.#options.freeObject(mutation.job, ref);
  }

  /**
   * The cell as it is now, to be answered at once; or a copy of it, to be answered only when `ready` has resolved and
   * with its block pinned until then.
   * @param group that of the key
   * @throws MayflyError MOVED
   */
  read(
    job: JobNumber,
    key: Uint8Array,
    group: Group = groupOf(key),
  ): { cell: Cell | undefined; ready: Promise<void> | undefined } {
    const { rows, cells, logs, clock } = this.#options;
    const name = cellName(key);
    if (!rows.canRead(group)) {
      const cell = cells.get(job, group, name);
      const past = cell !== undefined && cell.expiresAtMs > 0 && cell.expiresAtMs <= clock.wallMs();
      return { cell: past ? expired(cell) : cell, ready: undefined };
    }
    let cell = cells.get(job, group, name);
    if (cell?.block !== undefined && cell.expiresAtMs > 0) {
      this.#live(job, group, key, name);
      cell = cells.get(job, group, name);
    }
    if (cell === undefined || cell.position <= logs.of(group).committed) return { cell, ready: undefined };
    return { cell: cell.copy(), ready: this.#committed(group, cell.position) };
  }

  /** To be called now and then: logs expiries that nobody has read, forgets what was kept long enough. */
  tick(): void {
    const { clock, cells, rows } = this.#options;
    const nowMs = clock.wallMs();
    for (const { job, key, position } of this.#due.take(nowMs)) {
      const group = groupOf(key);
      const cell = cells.get(job, group, cellName(key));
      if (cell?.position !== position || !rows.isPrimary(group)) continue;
      if (cell.kind === "expired") cells.forget(job, group, cellName(key), position);
      else this.#live(job, group, key, cellName(key));
    }
    cells.sweep(nowMs, sessionIdleMs);
  }

  /** The cell if it holds something; one whose time has come is expired by an effect first. */
  #live(job: JobNumber, group: Group, key: Uint8Array, name: string): Cell | undefined {
    const { cells, clock } = this.#options;
    const cell = cells.get(job, group, name);
    if (cell === undefined || cell.block === undefined) return undefined;
    if (cell.expiresAtMs === 0 || cell.expiresAtMs > clock.wallMs()) return cell;
    const nobody = {
      job,
      session: noSession,
      sequence: 0,
      floor: 0,
      key: Buffer.from(key),
      name,
      condition: "",
    };
    const logged = this.#log(nobody, group, "expired", new Uint8Array(0), 0);
    if (logged instanceof Promise) logged.catch(() => undefined);
    return undefined;
  }

  /** Resolves once the effect is on all members. @throws MayflyError MOVED when this node stops being the primary first */
  #committed(group: Group, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#options.logs.of(group).whenCommitted(position, (committed) => {
        if (committed) resolve();
        else reject(this.#options.rows.moved(group));
      });
    });
  }

  /** The answer given before, if the mutation is a repetition. @throws MayflyError MOVED, ABORTED */
  #repetition(mutation: Mutation, group: Group): Promise<SessionResult> | undefined {
    this.#options.rows.asPrimary(group);
    const known = this.#options.cells.result(mutation.job, group, mutation.session, mutation.sequence);
    if (known === "stale") {
      throw new MayflyError("ABORTED", "This request came late: its session no longer waits for its answer.");
    }
    return known && this.#committed(group, known.position).then(() => known);
  }

  /** Why the mutation may not take place, if so. An answer too: it waits for the effect that it reveals. */
  #failedCondition(mutation: Mutation, group: Group): Promise<MayflyError> | undefined {
    const { condition, job, key } = mutation;
    if (condition === "") return undefined;
    const cell = this.#live(job, group, key, mutation.name);
    const there = cell === undefined ? undefined : formatVersion(cell.version);
    if (condition === "absent" ? cell === undefined : condition === there) return undefined;
    const position = cell?.position ?? this.#options.logs.of(group).position;
    return this.#committed(group, position).then(() => {
      if (condition === "absent") {
        return new MayflyError("KEY_EXISTS", `The key is there already, at version ${there}.`);
      }
      const found = there === undefined ? "is not there" : `is at version ${there}`;
      return new MayflyError("VERSION_MISMATCH", `The key ${found}, not at ${condition}; read it again.`);
    });
  }

  #checkRef(job: JobNumber, group: Group, key: Uint8Array, ref: Ref): void {
    if (cellName(ref.key) !== cellName(key) || ref.stripes === undefined || ref.inline) {
      throw new MayflyError("INVALID_ARGUMENT", "A committed ref names its own key and all its nodes.");
    }
    if (ref.stripes.some((nodes) => new Set(nodes).size !== nodes.length)) {
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
    const wrong = [...new Set(ref.stripes.flat())].filter((node) => !usable.has(node));
    if (wrong.length > 0) {
      throw new MayflyError(
        "PLACEMENT_REFUSED",
        `Nodes ${wrong.join(", ")} are gone or draining; place those shards again.`,
      );
    }
  }

  /** Applies an effect and sends it to the backups. Its version, at once or when it is on all members. */
  #log(
    mutation: Mutation,
    group: Group,
    kind: EffectKind,
    value: Uint8Array,
    expiresAtMs: number,
  ): Version | Promise<Version> {
    const { logs, rows, cells, clock } = this.#options;
    const row = rows.asPrimary(group);
    const log = logs.of(group);
    const { job, key, name, session } = mutation;
    const effect: Effect = {
      group,
      version: logs.nextVersion(group, row.generation),
      job,
      session,
      sessionSequence: mutation.sequence,
      sessionFloor: mutation.floor,
      kind,
      expiresAtMs,
      key,
      value,
    };
    const applied = cells.apply(effect, log.position + 1, clock.wallMs(), name);
    if (applied === undefined) {
      throw new MayflyError("BUSY", "This node has no memory left for cells; free some, or grow the fleet.", {
        retryAfterMs: 100,
      });
    }
    const position = logs.append(effect);
    if (expiresAtMs > 0) this.#due.add(expiresAtMs, { job, key, position });
    if (kind === "expired") this.#due.add(clock.wallMs() + expiredKeptMs, { job, key, position });
    const replacedRef = isSameObject(kind, value, applied.replacedRef) ? undefined : applied.replacedRef;
    const { version } = effect;
    const finish = (): Version => {
      if (replacedRef !== undefined) this.#options.freeObject(job, decodeRef(replacedRef));
      if (kind === "deleted") cells.forget(job, group, name, position);
      this.#options.waits.fire(job, name);
      return version;
    };
    return position <= log.committed ? finish() : this.#committed(group, position).then(finish);
  }
}

/** What is shown of a cell whose time has come, where nobody may log that. */
function expired(cell: Cell): Cell {
  const shown = cell.copy();
  shown.kind = "expired";
  shown.block = undefined;
  return shown;
}

/** A ref that is committed anew, with other nodes perhaps, still names its shards. */
function isSameObject(kind: EffectKind, value: Uint8Array, replaced: Uint8Array | undefined): boolean {
  return replaced !== undefined && kind === "ref" && decodeRef(value).object === decodeRef(replaced).object;
}
