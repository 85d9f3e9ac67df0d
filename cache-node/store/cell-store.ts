/**
 * The cells of all jobs, by group: what effects have made of each key. The same code applies effects on a primary and
 * on a backup; deciding which effects to make is the primary's (cells/primary-cells.ts).
 */
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import { asBuffer } from "../../src/wire/as-buffer.ts";
import type { CellKind, Effect } from "../../src/wire/cell.ts";
import type { Version } from "../../src/wire/version.ts";
import { indexChargeFor } from "./index-charge.ts";
import type { JobMemory } from "./job-memory.ts";
import type { NodeMemory } from "./node-memory.ts";
import type { Block } from "./segment.ts";

/**
 * What a key holds. The next effect on the key changes it in place, so that an overwrite leaves nothing behind that V8
 * would take to be long-lived: whoever awaits something keeps a copy, and the block pinned.
 */
export class Cell {
  kind: CellKind;
  /** Of the group's log on this node: the newest effect on this key. */
  position: number;
  /** Wall clock; 0 for never. */
  expiresAtMs: number;
  /** Undefined for what is left of a deleted or expired key. */
  block: Block | undefined;
  #generation: number;
  #sequence: number;

  constructor(effect: Pick<Effect, "kind" | "version" | "expiresAtMs">, position: number, block?: Block) {
    this.kind = effect.kind as CellKind;
    this.position = position;
    this.expiresAtMs = effect.expiresAtMs;
    this.block = block;
    this.#generation = effect.version.generation;
    this.#sequence = effect.version.sequence;
  }

  get version(): Version {
    return { generation: this.#generation, sequence: this.#sequence };
  }

  set version({ generation, sequence }: Version) {
    this.#generation = generation;
    this.#sequence = sequence;
  }

  copy(): Cell {
    return new Cell(this, this.position, this.block);
  }
}

/** What was made of one mutation of a session. */
export interface SessionResult {
  readonly version: Version;
  readonly position: number;
  readonly existed: boolean;
}

/** Answers given to one session, for as long as it may ask again. */
interface SessionResults {
  /** Lower sequences are not asked for any more. */
  floor: number;
  usedAtMs: number;
  readonly versions: Map<number, SessionResult>;
}

interface GroupCells {
  readonly cells: Map<string, Cell>;
  readonly sessions: Map<string, SessionResults>;
  /** Object ids that must not be committed any more. */
  readonly aborted: Map<string, number>;
}

const resultCharge = indexChargeFor(8);

/** Keys are bytes; as latin-1 they take one byte a character and keep their order. */
export function cellName(key: Uint8Array): string {
  return asBuffer(key).toString("latin1");
}

export class CellStore {
  readonly #memory: NodeMemory;
  /** Of each job one entry a group, made when first needed. */
  readonly #jobs = new Map<JobNumber, (GroupCells | undefined)[]>();
  /** The job that was asked for last, and its entries. */
  #lastJob: JobNumber | undefined;
  #lastGroups: (GroupCells | undefined)[] = [];

  constructor(memory: NodeMemory) {
    this.#memory = memory;
  }

  get(job: JobNumber, group: Group, name: string): Cell | undefined {
    return this.#groupsOf(job)?.[group]?.cells.get(name);
  }

  /**
   * What the session was answered before, if this is a repetition; "stale" when the session has said that it no longer
   * waits for this answer: a late copy of a request that must not take effect again.
   */
  result(
    job: JobNumber,
    group: Group,
    session: string,
    sequence: number,
  ): SessionResult | "stale" | undefined {
    if (sequence === 0) return undefined;
    const known = this.#groupsOf(job)?.[group]?.sessions.get(session);
    if (known === undefined) return undefined;
    return sequence < known.floor ? "stale" : known.versions.get(sequence);
  }

  wasAborted(job: JobNumber, group: Group, object: string): boolean {
    return this.#jobs.get(job)?.[group]?.aborted.has(object) ?? false;
  }

  /**
   * Applies an effect; returns the cell that was there before, with the bytes of its ref if it was one and is now
   * gone. Undefined when there is no memory: then nothing was changed.
   */
  apply(
    effect: Effect,
    position: number,
    wallMs: number,
    name: string = cellName(effect.key),
  ): { readonly replacedRef: Buffer | undefined } | undefined {
    const memory = this.#memory.job(effect.job);
    const group = this.#group(effect.job, effect.group);
    if (effect.kind === "abort") {
      if (!this.#remember(memory, group, effect, position, wallMs, true)) return undefined;
      group.aborted.set(Buffer.from(effect.value).toString("latin1"), wallMs);
      return { replacedRef: undefined };
    }
    const old = group.cells.get(name);
    const existed = old !== undefined && old.kind !== "deleted" && old.kind !== "expired";
    const fresh = old === undefined;
    const charge = indexChargeFor(effect.key.length);
    if (fresh && !memory.charge(charge)) return undefined;
    const holds = effect.kind === "bytes" || effect.kind === "ref";
    const oldBlock = old?.block;
    const reused = holds && oldBlock?.length === effect.value.length && !oldBlock.pinned;
    const block = reused ? oldBlock : holds ? memory.allocate(effect.value.length) : undefined;
    const stored = block !== undefined || !holds;
    if (!stored || !this.#remember(memory, group, effect, position, wallMs, existed)) {
      if (fresh) memory.discharge(charge);
      if (block !== undefined && !reused) memory.free(block);
      return undefined;
    }
    const replacedRef =
      old?.kind === "ref" && oldBlock !== undefined ? Buffer.from(oldBlock.view()) : undefined;
    block?.view().set(effect.value);
    if (oldBlock !== undefined && !reused) memory.free(oldBlock);
    if (old === undefined) group.cells.set(name, new Cell(effect, position, block));
    else {
      old.kind = effect.kind;
      old.version = effect.version;
      old.position = position;
      old.expiresAtMs = effect.expiresAtMs;
      old.block = block;
    }
    return { replacedRef };
  }

  /** Drops what is left of a deleted or expired key, unless something newer is there. */
  forget(job: JobNumber, group: Group, name: string, position: number): void {
    const cells = this.#jobs.get(job)?.[group]?.cells;
    const cell = cells?.get(name);
    if (cells === undefined || cell?.position !== position || cell.block !== undefined) return;
    cells.delete(name);
    this.#memory.job(job).discharge(indexChargeFor(name.length));
  }

  /** Names in the group that begin with `prefix` and come after `after`, in order. */
  names(job: JobNumber, group: Group, prefix: string, after: string): string[] {
    const cells = this.#jobs.get(job)?.[group]?.cells;
    if (cells === undefined) return [];
    const names: string[] = [];
    for (const [name, cell] of cells) {
      if (cell.block !== undefined && name > after && name.startsWith(prefix)) names.push(name);
    }
    return names.sort();
  }

  /** Lets go of answers to sessions that have been silent for `idleMs`, and of old aborts. */
  sweep(wallMs: number, idleMs: number): void {
    for (const [job, groups] of this.#jobs) {
      const memory = this.#memory.job(job);
      for (const group of groups) {
        if (group === undefined) continue;
        for (const [id, session] of group.sessions) {
          if (wallMs - session.usedAtMs < idleMs) continue;
          group.sessions.delete(id);
          memory.discharge(resultCharge * (1 + session.versions.size));
        }
        for (const [object, atMs] of group.aborted) if (wallMs - atMs >= idleMs) group.aborted.delete(object);
      }
    }
  }

  endJob(job: JobNumber): void {
    if (job === this.#lastJob) this.#lastJob = undefined;
    this.#jobs.delete(job);
  }

  count(): number {
    let count = 0;
    for (const groups of this.#jobs.values()) for (const group of groups) count += group?.cells.size ?? 0;
    return count;
  }

  #groupsOf(job: JobNumber): (GroupCells | undefined)[] | undefined {
    if (job === this.#lastJob) return this.#lastGroups;
    const groups = this.#jobs.get(job);
    if (groups === undefined) return undefined;
    this.#lastJob = job;
    this.#lastGroups = groups;
    return groups;
  }

  #group(job: JobNumber, group: Group): GroupCells {
    let groups = this.#groupsOf(job);
    if (groups === undefined) {
      groups = new Array<GroupCells | undefined>(groupCount).fill(undefined);
      this.#jobs.set(job, groups);
    }
    let cells = groups[group];
    if (cells === undefined) {
      cells = { cells: new Map(), sessions: new Map(), aborted: new Map() };
      groups[group] = cells;
    }
    return cells;
  }

  /** Keeps the answer for a repetition, and drops those the session has acknowledged. */
  #remember(
    memory: JobMemory,
    group: GroupCells,
    effect: Effect,
    position: number,
    wallMs: number,
    existed: boolean,
  ): boolean {
    if (effect.sessionSequence === 0) return true;
    let session = group.sessions.get(effect.session);
    const isNew = session?.versions.has(effect.sessionSequence) !== true;
    if (!memory.charge(resultCharge * (Number(session === undefined) + Number(isNew)))) return false;
    if (session === undefined) {
      session = { floor: 0, usedAtMs: wallMs, versions: new Map() };
      group.sessions.set(effect.session, session);
    }
    session.usedAtMs = wallMs;
    if (effect.sessionFloor > session.floor) {
      session.floor = effect.sessionFloor;
      for (const sequence of session.versions.keys()) {
        if (sequence >= session.floor) continue;
        session.versions.delete(sequence);
        memory.discharge(resultCharge);
      }
    }
    session.versions.set(effect.sessionSequence, { version: effect.version, position, existed });
    return true;
  }
}
