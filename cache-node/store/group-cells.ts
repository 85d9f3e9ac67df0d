/** What one job has in one group, and how all of it is given to another node, taken from one, and freed. */
import type { JobNumber, ObjectId } from "../../src/ids.ts";
import type { CellKind } from "../../src/wire/cell.ts";
import type { CollectionKind } from "../../src/wire/collection.ts";
import type { CellRecord, GroupRecord, ItemsRecord } from "../replication/snapshot.ts";
import { Cell, cellName } from "./cell.ts";
import { type Collection, createCollection, loadOf } from "./collections.ts";
import { indexChargeFor } from "./index-charge.ts";
import type { JobMemory } from "./job-memory.ts";
import { SessionResults, smallEntryCharge } from "./session-results.ts";

export interface GroupCells {
  readonly cells: Map<string, Cell>;
  /** By the name of their cells; made when first needed. */
  collections: Map<string, Collection> | undefined;
  readonly sessions: SessionResults;
  /** Object ids that must not be committed any more. */
  readonly aborted: Set<string>;
  /** Encoded refs that were replaced lately, oldest first. */
  replaced: ReplacedRef[];
}

export interface ReplacedRef {
  readonly ref: Uint8Array;
  readonly wallMs: number;
}

/** What a collection costs beside its cell and its elements. */
export const collectionCharge: number = indexChargeFor(0);
/** Bytes of the elements in one record, but at least one of them. */
const itemsBytesMax = 64 * 1024;

export function createGroupCells(): GroupCells {
  const [cells, sessions, aborted] = [new Map(), new SessionResults(), new Set<string>()];
  return { cells, collections: undefined, sessions, aborted, replaced: [] };
}

export function isCollection(kind: CellKind): kind is CollectionKind {
  return kind === "list" || kind === "hash" || kind === "set";
}

/** Keys and values are to be copied before the next change. */
export function* recordsOf(job: JobNumber, held: GroupCells): Iterable<GroupRecord> {
  for (const [name, cell] of held.cells) {
    const { kind, version, position, expiresAtMs } = cell;
    // Only a primary has it, until the delete is on all members.
    if (kind === "deleted") continue;
    const key = Buffer.from(name, "latin1");
    const value = isCollection(kind) ? undefined : cell.block?.view();
    yield { type: "cell", job, key, kind, version, position, expiresAtMs, value };
    const collection = held.collections?.get(name);
    if (collection !== undefined) yield* itemsOf(job, key, collection);
  }
  for (const session of held.sessions.all()) yield { type: "session", job, ...session };
  for (const object of held.aborted) yield { type: "abort", job, object: object as ObjectId };
}

function* itemsOf(job: JobNumber, key: Uint8Array, collection: Collection): Iterable<ItemsRecord> {
  let values: Uint8Array[] = [];
  let bytes = 0;
  for (const value of collection.values()) {
    values.push(value);
    bytes += value.length;
    // A field and its value stay together.
    if (bytes < itemsBytesMax || (collection.kind === "hash" && values.length % 2 === 1)) continue;
    yield { type: "items", job, key, values };
    values = [];
    bytes = 0;
  }
  if (values.length > 0) yield { type: "items", job, key, values };
}

/** Adds what `recordsOf` gave elsewhere. False without memory: what came before it stays. */
export function install(memory: JobMemory, held: GroupCells, record: GroupRecord, wallMs: number): boolean {
  if (record.type === "session") return held.sessions.install(memory, record, wallMs);
  if (record.type === "cell") return installCell(memory, held, record);
  if (record.type === "items") {
    const collection = held.collections?.get(cellName(record.key));
    const prepared = collection?.prepare(loadOf(collection.kind, record.values));
    prepared?.commit();
    return prepared !== undefined;
  }
  if (!memory.charge(smallEntryCharge)) return false;
  held.aborted.add(record.object);
  return true;
}

function installCell(memory: JobMemory, held: GroupCells, record: CellRecord): boolean {
  const { key, kind, value } = record;
  const charge = indexChargeFor(key.length) + (isCollection(kind) ? collectionCharge : 0);
  if (!memory.charge(charge)) return false;
  const length = isCollection(kind) ? 0 : value?.length;
  const block = length === undefined ? undefined : memory.allocate(length);
  if (length !== undefined && block === undefined) {
    memory.discharge(charge);
    return false;
  }
  if (value !== undefined) block?.view().set(value);
  const name = cellName(key);
  held.cells.set(name, new Cell(record, record.position, block));
  if (isCollection(kind)) {
    held.collections ??= new Map();
    held.collections.set(name, createCollection(kind, memory));
  }
  return true;
}

/** Takes the collection out of the group, with all that it cost. */
export function dropCollection(memory: JobMemory, held: GroupCells, name: string): void {
  const collection = held.collections?.get(name);
  if (collection === undefined) return;
  collection.free();
  held.collections!.delete(name);
  memory.discharge(collectionCharge);
}

/** Gives back all memory of it; it must not be used any more. */
export function freeGroupCells(memory: JobMemory, held: GroupCells): void {
  for (const [name, { block }] of held.cells) {
    if (block !== undefined) memory.free(block);
    memory.discharge(indexChargeFor(name.length));
  }
  for (const collection of held.collections?.values() ?? []) {
    collection.free();
    memory.discharge(collectionCharge);
  }
  held.sessions.free(memory);
  memory.discharge(smallEntryCharge * held.aborted.size);
}
