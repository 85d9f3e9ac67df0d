/**
 * The cells of all jobs, by group: what effects have made of each key. The same code applies effects on a primary and
 * on a backup; deciding which effects to make is the primary's (cells/primary-cells.ts).
 */
import type { Group, JobNumber } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import { type CellKind, type Effect, hasValue } from "../../src/wire/cell.ts";
import {
  type CellResult,
  type CollectionKind,
  decodeUpdate,
  parseInteger,
} from "../../src/wire/collection.ts";
import { durableRef } from "../../src/wire/durable-value.ts";
import { decodeRef } from "../../src/wire/ref.ts";
import type { GroupRecord } from "../replication/snapshot.ts";
import { Cell, cellName } from "./cell.ts";
import { type Collection, createCollection } from "./collections.ts";
import {
  collectionCharge,
  createGroupCells,
  dropCollection,
  freeGroupCells,
  type GroupCells,
  install,
  isCollection,
  type ReplacedRef,
  recordsOf,
} from "./group-cells.ts";
import { indexChargeFor } from "./index-charge.ts";
import type { JobMemory } from "./job-memory.ts";
import type { NodeMemory } from "./node-memory.ts";
import type { Block } from "./segment.ts";
import { type Asked, type SessionResult, smallEntryCharge } from "./session-results.ts";

/** What an effect has done. */
export interface Applied {
  /** The bytes of the ref that was at the key, when nothing names its object any more. */
  readonly replacedRef: Buffer | undefined;
  /** What the update of a counter or a collection is answered. */
  readonly result: CellResult | undefined;
  /** The collection has lost its last element, and with that its key holds nothing. */
  readonly emptied: boolean;
}

/** Of nearly all effects. */
const plainly: Applied = { replacedRef: undefined, result: undefined, emptied: false };

export class CellStore {
  readonly #memory: Pick<NodeMemory, "job">;
  /** Of each job one entry a group, made when first needed. */
  readonly #jobs = new Map<JobNumber, (GroupCells | undefined)[]>();
  /** The job that was asked for last, and its entries. */
  #lastJob: JobNumber | undefined;
  #lastGroups: (GroupCells | undefined)[] = [];

  constructor(memory: Pick<NodeMemory, "job">) {
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
    return this.#groupsOf(job)?.[group]?.sessions.get(session, sequence);
  }

  /** The elements of the collection at the key; undefined when it holds none. */
  collection(job: JobNumber, group: Group, name: string): Collection | undefined {
    return this.#groupsOf(job)?.[group]?.collections?.get(name);
  }

  wasAborted(job: JobNumber, group: Group, object: string): boolean {
    return this.#jobs.get(job)?.[group]?.aborted.has(object) ?? false;
  }

  /** Applies an effect. Undefined when there is no memory: then nothing was changed. */
  apply(effect: Effect, wallMs: number, name: string = cellName(effect.key)): Applied | undefined {
    const memory = this.#memory.job(effect.job);
    const group = this.#group(effect.job, effect.group);
    const { kind } = effect;
    if (kind === "abort") return abort(memory, group, effect, wallMs);
    if (kind === "relocated") return relocate(memory, group, effect, name);
    if (kind === "list" || kind === "hash" || kind === "set") {
      return update(memory, group, effect, kind, name, wallMs);
    }
    const old = group.cells.get(name);
    const fresh = old === undefined;
    const charge = indexChargeFor(effect.key.length);
    if (fresh && !memory.charge(charge)) return undefined;
    const holds = hasValue(kind);
    const oldBlock = old?.block;
    const reused = holds && oldBlock?.length === effect.value.length && !oldBlock.pinned;
    const block = reused ? oldBlock : holds ? memory.allocate(effect.value.length) : undefined;
    const stored = block !== undefined || !holds;
    const result = kind === "counter" ? parseInteger(effect.value) : undefined;
    if (!stored || !remember(memory, group, effect, existed(old), result, wallMs)) {
      if (fresh) memory.discharge(charge);
      if (block !== undefined && !reused) memory.free(block);
      return undefined;
    }
    const replacedRef = old && replacedBy(effect, old);
    if (replacedRef !== undefined) noteReplaced(group, { ref: replacedRef, wallMs });
    block?.view().set(effect.value);
    if (oldBlock !== undefined && !reused) memory.free(oldBlock);
    if (old !== undefined && isCollection(old.kind)) dropCollection(memory, group, name);
    place(group, name, effect, old, block);
    if (replacedRef === undefined && result === undefined) return plainly;
    return { replacedRef, result, emptied: false };
  }

  /** Keeps the answer to a mutation that changed nothing: a late copy of it must not either. False without memory. */
  keepAnswer(job: JobNumber, group: Group, asked: Asked, result: SessionResult, wallMs: number): boolean {
    return this.#group(job, group).sessions.remember(this.#memory.job(job), asked, result, wallMs);
  }

  /** All that the group holds, over all jobs. Keys and values are to be copied before the next change. */
  *records(group: Group): Iterable<GroupRecord> {
    for (const [job, groups] of this.#jobs) {
      const held = groups[group];
      if (held !== undefined) yield* recordsOf(job, held);
    }
  }

  /** Adds what another node's `records` gave, of jobs that live; the group was dropped before. False without memory. */
  install(group: Group, records: Iterable<GroupRecord>, wallMs: number): boolean {
    for (const record of records) {
      const { job } = record;
      if (!install(this.#memory.job(job), this.#group(job, group), record, wallMs)) return false;
    }
    return true;
  }

  /** Refs in the group that were replaced lately, over all jobs; from now on they are forgotten. */
  *takeReplaced(group: Group): Iterable<{ readonly job: JobNumber; readonly ref: Uint8Array }> {
    for (const [job, groups] of this.#jobs) {
      const held = groups[group];
      if (held === undefined || held.replaced.length === 0) continue;
      const { replaced } = held;
      held.replaced = [];
      for (const { ref } of replaced) yield { job, ref };
    }
  }

  /** Frees all that this node has of the group. */
  dropGroup(group: Group): void {
    for (const [job, groups] of this.#jobs) {
      const held = groups[group];
      if (held === undefined) continue;
      groups[group] = undefined;
      freeGroupCells(this.#memory.job(job), held);
    }
  }

  /** The keys of the group that expire, or have, over all jobs. */
  *timed(group: Group): Iterable<{ readonly job: JobNumber; readonly name: string; readonly cell: Cell }> {
    for (const [job, groups] of this.#jobs) {
      for (const [name, cell] of groups[group]?.cells ?? []) {
        if (cell.expiresAtMs > 0 || cell.kind === "expired") yield { job, name, cell };
      }
    }
  }

  /** Keys of the group that hold an object, with their encoded refs, over all jobs; valid until the next change. */
  *refs(
    group: Group,
  ): Iterable<{ readonly job: JobNumber; readonly name: string; readonly value: Uint8Array }> {
    for (const [job, groups] of this.#jobs) {
      for (const [name, cell] of groups[group]?.cells ?? []) {
        if (cell.kind === "ref" && cell.block !== undefined) yield { job, name, value: cell.block.view() };
      }
    }
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

  /**
   * Lets go of answers to sessions that have been silent for `idleMs`, and of replaced refs. Aborts are kept as long as the
   * job lives: a writer may come back with its commit after any time.
   */
  sweep(wallMs: number, idleMs: number): void {
    for (const [job, groups] of this.#jobs) {
      const memory = this.#memory.job(job);
      for (const group of groups) {
        group?.sessions.sweep(memory, wallMs, idleMs);
        if (group !== undefined) forgetReplaced(group, wallMs);
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
      cells = createGroupCells();
      groups[group] = cells;
    }
    return cells;
  }
}

/** One that is committed anew, with other nodes perhaps, still names its shards. */
function replacedBy({ kind, value }: Effect, { kind: kindBefore, block }: Cell): Buffer | undefined {
  if (block === undefined) return undefined;
  if (kindBefore === "durable") return Buffer.from(durableRef(block.view()));
  if (kindBefore !== "ref") return undefined;
  const ref = Buffer.from(block.view());
  return kind === "ref" && decodeRef(value).object === decodeRef(ref).object ? undefined : ref;
}

/** Longer than an effect is under way. */
const replacedKeptMs = 30_000;
/** Of a job and group. */
const replacedMax = 64;

function noteReplaced({ replaced }: GroupCells, ref: ReplacedRef): void {
  replaced.push(ref);
  if (replaced.length > replacedMax) replaced.shift();
}

function forgetReplaced({ replaced }: GroupCells, wallMs: number): void {
  const young = replaced.findIndex((ref) => ref.wallMs > wallMs - replacedKeptMs);
  if (young !== 0) replaced.splice(0, young < 0 ? replaced.length : young);
}

/** The cell that the effect leaves at the key. */
function place(
  group: GroupCells,
  name: string,
  effect: Effect,
  old: Cell | undefined,
  block: Block | undefined,
): void {
  const { sequence } = effect.version;
  if (old === undefined) {
    group.cells.set(name, new Cell(effect, sequence, block));
    return;
  }
  old.kind = effect.kind as CellKind;
  old.version = effect.version;
  old.position = sequence;
  old.expiresAtMs = effect.expiresAtMs;
  old.block = block;
}

/** Whether the key held something. */
function existed(cell: Cell | undefined): boolean {
  return cell !== undefined && cell.kind !== "deleted" && cell.kind !== "expired";
}

/** Keeps what the session that asked is answered; false without memory. */
function remember(
  memory: JobMemory,
  group: GroupCells,
  effect: Effect,
  existedBefore: boolean,
  result: CellResult | undefined,
  wallMs: number,
): boolean {
  if (effect.sessionSequence === 0) return true;
  const { version } = effect;
  const plain: SessionResult = { version, position: version.sequence, existed: existedBefore };
  const answer = result === undefined ? plain : { ...plain, result };
  return group.sessions.remember(memory, effect, answer, wallMs);
}

function abort(memory: JobMemory, group: GroupCells, effect: Effect, wallMs: number): Applied | undefined {
  const object = Buffer.from(effect.value).toString("latin1");
  const isNew = !group.aborted.has(object);
  if (isNew && !memory.charge(smallEntryCharge)) return undefined;
  if (!remember(memory, group, effect, true, undefined, wallMs)) {
    if (isNew) memory.discharge(smallEntryCharge);
    return undefined;
  }
  group.aborted.add(object);
  return plainly;
}

/** Gives the object at the key another location hint, or makes its bytes durable. The cell keeps its version and its expiry. */
function relocate(memory: JobMemory, group: GroupCells, effect: Effect, name: string): Applied | undefined {
  const cell = group.cells.get(name);
  if (cell?.block === undefined || (cell.kind !== "ref" && cell.kind !== "bytes")) return plainly;
  const block = memory.allocate(effect.value.length);
  if (block === undefined) return undefined;
  block.view().set(effect.value);
  memory.free(cell.block);
  if (cell.kind === "bytes") cell.kind = "durable";
  cell.block = block;
  cell.position = effect.version.sequence;
  return plainly;
}

/** Does to the collection at the key what the effect says. Where nothing is, there is an empty one. */
function update(
  memory: JobMemory,
  group: GroupCells,
  effect: Effect,
  kind: CollectionKind,
  name: string,
  wallMs: number,
): Applied | undefined {
  const change = decodeUpdate(effect.value);
  const old = group.cells.get(name);
  const known = old?.kind === kind ? group.collections?.get(name) : undefined;
  const collection = known ?? createCollection(kind, memory);
  const charge =
    (old === undefined ? indexChargeFor(effect.key.length) : 0) +
    (known === undefined ? collectionCharge : 0);
  if (!memory.charge(charge)) return undefined;
  const block = known === undefined ? memory.allocate(0) : old?.block;
  const prepared = block && collection.prepare(change);
  if (!prepared || !remember(memory, group, effect, existed(old), prepared.result, wallMs)) {
    prepared?.abandon();
    if (known === undefined && block !== undefined) memory.free(block);
    memory.discharge(charge);
    return undefined;
  }
  prepared.commit();
  const { result } = prepared;
  const emptied = collection.size === 0;
  if (known === undefined) {
    if (old?.block !== undefined) {
      dropCollection(memory, group, name);
      memory.free(old.block);
    }
    group.collections ??= new Map();
    group.collections.set(name, collection);
  }
  if (emptied) {
    dropCollection(memory, group, name);
    memory.free(block);
  }
  const left: Effect = emptied ? { ...effect, kind: "deleted", expiresAtMs: 0 } : effect;
  place(group, name, left, old, emptied ? undefined : block);
  return { replacedRef: undefined, result, emptied };
}
