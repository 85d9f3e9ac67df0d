/**
 * What every mutation of a cell goes through at the primary of its group: is it a repetition, does its condition hold, is
 * what was there still alive; then its effect is applied, sent to the backups, and answered once it is on all of them.
 *
 * Between looking and logging there must be no await: what was looked at would change in between.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { Row } from "../../src/placement/types.ts";
import { type Effect, type EffectKind, noSession } from "../../src/wire/cell.ts";
import type { CellResult } from "../../src/wire/collection.ts";
import { decodeRef, type Ref } from "../../src/wire/ref.ts";
import { formatVersion, noVersion, type Version } from "../../src/wire/version.ts";
import type { GroupLogs } from "../replication/group-logs.ts";
import { type Cell, cellName } from "../store/cell.ts";
import type { CellStore } from "../store/cell-store.ts";
import type { SessionResult } from "../store/session-results.ts";
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
  /** The epoch that the caller named; undefined when it has none to name. */
  readonly epoch: string | undefined;
}

export interface MutationLogOptions {
  readonly clock: Clock;
  readonly cells: CellStore;
  readonly logs: GroupLogs;
  readonly rows: Rows;
  readonly waits: CellWaits;
  /** Frees the shards of an object that nothing names any more. */
  readonly freeObject: (job: JobNumber, ref: Ref) => void;
  /** A ref is the key's from now on; its value may change afterwards. */
  readonly onRef: (job: JobNumber, group: Group, name: string, value: Uint8Array) => void;
}

/** Longer than any call may take, so that no repetition comes later. */
const sessionIdleMs = 20 * 60_000;

/** A key whose time may have come, and the effect that said so. */
interface Due {
  readonly job: JobNumber;
  readonly key: Uint8Array;
  readonly position: number;
}

/** For `log`, where nothing but the version is answered. */
export const versionOf = (version: Version): Version => version;

export class MutationLog {
  readonly #options: MutationLogOptions;
  readonly #due = new ExpiryWheel<Due>();

  constructor(options: MutationLogOptions) {
    this.#options = options;
  }

  /** The answer given before, if the mutation is a repetition. @throws MayflyError MOVED, ABORTED, what it was refused with */
  repetition(mutation: Mutation, group: Group): Promise<SessionResult> | undefined {
    const { rows } = this.#options;
    rows.asPrimary(group);
    if (mutation.epoch !== undefined) rows.checkNamed(group, mutation.epoch);
    const known = this.#options.cells.result(mutation.job, group, mutation.session, mutation.sequence);
    if (known === "stale") {
      throw new MayflyError("ABORTED", "This request came late: its session no longer waits for its answer.");
    }
    if (known === undefined) return undefined;
    return this.committed(group, known.position).then(() => {
      if (known.refused !== undefined) throw known.refused;
      return known;
    });
  }

  /** Why the mutation may not take place, if so. An answer too: it waits for the effect that it reveals. */
  failedCondition(mutation: Mutation, group: Group): Promise<MayflyError> | undefined {
    const { condition, job, key } = mutation;
    if (condition === "") return undefined;
    const row = this.#options.rows.asReader(group);
    if (this.#options.cells.get(job, group, mutation.name) === undefined) this.checkNotLost(job, row);
    const cell = this.live(job, group, key, mutation.name);
    const there = cell === undefined ? undefined : formatVersion(cell.version);
    if (condition === "absent" ? cell === undefined : condition === there) return undefined;
    const position = cell?.position ?? this.#options.logs.of(group).position;
    const error = refusal(condition, there);
    this.keepAnswer(mutation, group, { refused: error });
    return this.committed(group, position).then(() => error);
  }

  /** A late copy of what changed nothing must not change anything later. @throws MayflyError BUSY */
  keepAnswer(
    mutation: Mutation,
    group: Group,
    answer: Partial<Pick<SessionResult, "version" | "result" | "refused">>,
  ): void {
    const { cells, clock, logs } = this.#options;
    const { job, session, sequence: sessionSequence, floor: sessionFloor } = mutation;
    const { position } = logs.of(group);
    const result = { version: noVersion, position, existed: false, ...answer };
    const asked = { session, sessionSequence, sessionFloor };
    if (!cells.keepAnswer(job, group, asked, result, clock.wallMs())) throw noMemory();
  }

  /** Nothing is at the key: say so only if nothing can have been lost there. @throws MayflyError LOST */
  checkNotLost(job: JobNumber, row: Row): void {
    if (job > row.lostJobs) return;
    throw new MayflyError(
      "LOST",
      "All nodes that held the row of this key died at once: what it had, if anything, is lost; write it again.",
    );
  }

  /** The cell if it holds something; one whose time has come is expired by an effect first. */
  live(job: JobNumber, group: Group, key: Uint8Array, name: string): Cell | undefined {
    const { cells, clock } = this.#options;
    const cell = cells.get(job, group, name);
    if (cell === undefined || cell.block === undefined) return undefined;
    if (cell.expiresAtMs === 0 || cell.expiresAtMs > clock.wallMs()) return cell;
    const whose = nobody(job, Buffer.from(key), name);
    const logged = this.log(whose, group, "expired", new Uint8Array(0), 0, versionOf);
    if (logged instanceof Promise) logged.catch(() => undefined);
    return undefined;
  }

  /** Resolves once the effect is on all members. @throws MayflyError MOVED when this node stops being the primary first */
  committed(group: Group, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#options.logs.of(group).whenCommitted(position, (committed) => {
        if (committed) resolve();
        else reject(this.#options.rows.notServed(group));
      });
    });
  }

  /**
   * Applies an effect and sends it to the backups. What `answer` makes of it, at once or when it is on all members.
   * @throws MayflyError MOVED, UNAVAILABLE; BUSY without memory: then nothing was changed
   */
  log<T>(
    mutation: Mutation,
    group: Group,
    kind: EffectKind,
    value: Uint8Array,
    expiresAtMs: number,
    answer: (version: Version, result: CellResult | undefined) => T,
  ): T | Promise<T> {
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
    // What keeps its expiry through many updates is due once.
    const isDueAnew = expiresAtMs > 0 && cells.get(job, group, name)?.expiresAtMs !== expiresAtMs;
    const applied = cells.apply(effect, clock.wallMs(), name);
    if (applied === undefined) throw noMemory();
    const position = logs.append(effect);
    if (kind === "ref") this.#options.onRef(job, group, name, value);
    if (isDueAnew) this.#due.add(expiresAtMs, { job, key, position });
    if (kind === "expired") this.#due.add(clock.wallMs() + expiredKeptMs, { job, key, position });
    const { version } = effect;
    const { replacedRef, result, emptied } = applied;
    const finish = (): T => {
      if (replacedRef !== undefined) this.#options.freeObject(job, decodeRef(replacedRef));
      if (emptied || kind === "deleted") cells.forget(job, group, name, position);
      this.#options.waits.fire(job, name);
      return answer(version, result);
    };
    return position <= log.committed ? finish() : this.committed(group, position).then(finish);
  }

  /** To be called now and then: logs expiries that nobody has read, forgets what was kept long enough. */
  tick(): void {
    const { clock, cells, rows } = this.#options;
    // What is due stays due.
    if (rows.isStill) return;
    const nowMs = clock.wallMs();
    for (const { job, key, position } of this.#due.take(nowMs)) {
      const group = groupOf(key);
      const cell = cells.get(job, group, cellName(key));
      if (cell === undefined || !rows.serves(group)) continue;
      if (cell.kind === "expired") cells.forget(job, group, cellName(key), position);
      else this.live(job, group, key, cellName(key));
    }
    cells.sweep(nowMs, sessionIdleMs);
  }

  /**
   * This node serves the group from now on: expiries are its to log, and what was replaced is its to free. The primary before
   * may have resigned before it heard that a replacement is on all members; now it is. To free twice does no harm.
   */
  activate(group: Group): void {
    const { cells, clock, freeObject } = this.#options;
    for (const { job, ref } of cells.takeReplaced(group)) freeObject(job, decodeRef(ref));
    for (const { job, name, cell } of cells.timed(group)) {
      const key = Buffer.from(name, "latin1");
      const atMs = cell.kind === "expired" ? clock.wallMs() + expiredKeptMs : cell.expiresAtMs;
      this.#due.add(atMs, { job, key, position: cell.position });
    }
  }
}

/** @param there the version of the key, if it holds something */
function refusal(condition: string, there: string | undefined): MayflyError {
  if (condition === "absent") {
    return new MayflyError("KEY_EXISTS", `The key is there already, at version ${there}.`);
  }
  const found = there === undefined ? "is not there" : `is at version ${there}`;
  return new MayflyError("VERSION_MISMATCH", `The key ${found}, not at ${condition}; read it again.`);
}

function noMemory(): MayflyError {
  return new MayflyError("BUSY", "This node has no memory left for cells; free some, or grow the fleet.", {
    retryAfterMs: 100,
  });
}

/** A mutation that no session asked for. */
export function nobody(job: JobNumber, key: Uint8Array, name: string): Mutation {
  return { job, session: noSession, sequence: 0, floor: 0, key, name, condition: "", epoch: undefined };
}
