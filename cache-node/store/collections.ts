/**
 * Lists, hashes and sets: what effects have made of them. An effect on one is prepared, which may find no memory, and then
 * carried out or given up, which cannot fail; primary and backups make the same of it and answer the same.
 */

import { asBuffer } from "../../src/wire/as-buffer.ts";
import {
  type CellResult,
  type CollectionKind,
  encodeValues,
  parseInteger,
  type Update,
} from "../../src/wire/collection.ts";
import { elementCharge, memberChargeFor } from "./index-charge.ts";
import type { JobMemory } from "./job-memory.ts";
import { Ring } from "./ring.ts";
import type { Block } from "./segment.ts";
import { SortedItems } from "./sorted-items.ts";

/** What memory there must be for has been taken. */
export interface Prepared {
  readonly result: CellResult;
  commit(): void;
  /** Gives back what was taken; nothing has changed. */
  abandon(): void;
}

export interface Collection {
  readonly kind: CollectionKind;
  /** Elements, fields or members. */
  readonly size: number;
  /** Of all elements; of fields and their values; of members. */
  readonly bytes: number;
  /** Undefined without memory. */
  prepare(update: Update): Prepared | undefined;
  /** Elements; fields and their values in turn; members. Copied before the next change. */
  values(): Iterable<Uint8Array>;
  /** Gives back all of its memory. */
  free(): void;
}

export function createCollection(kind: CollectionKind, memory: JobMemory): Collection {
  if (kind === "list") return new List(memory);
  return kind === "hash" ? new Hash(memory) : new MemberSet(memory);
}

/** The effect that makes an empty collection hold the values, as `Collection.values` gives them. */
export function loadOf(kind: CollectionKind, values: readonly Uint8Array[]): Update {
  const operation = kind === "list" ? "rpush" : kind === "hash" ? "hset" : "sadd";
  return { operation, head: 0, tail: 0, values };
}

const nothing = (): void => undefined;

export class List implements Collection {
  readonly kind = "list";
  readonly #memory: JobMemory;
  readonly #elements = new Ring<Block>();
  #bytes = 0;

  constructor(memory: JobMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#elements.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  prepare({ operation, head, tail, values }: Update): Prepared | undefined {
    if (operation === "lpush" || operation === "rpush") return this.#preparePush(operation, values);
    const fromHead = Math.min(head, this.size);
    const fromTail = Math.min(tail, this.size - fromHead);
    const left = this.size - fromHead - fromTail;
    let result: CellResult = left;
    if (operation !== "ltrim") {
      const taken: Uint8Array[] = [];
      for (let at = 0; at < fromHead; at++) taken.push(this.at(at).view());
      for (let at = 0; at < fromTail; at++) taken.push(this.at(this.size - 1 - at).view());
      result = encodeValues(taken);
    }
    const commit = (): void => {
      for (let i = 0; i < fromHead; i++) this.#drop(this.#elements.shift());
      for (let i = 0; i < fromTail; i++) this.#drop(this.#elements.pop());
    };
    return { result, commit, abandon: nothing };
  }

  /** The element at a place from 0 to `size` - 1. */
  at(place: number): Block {
    return this.#elements.at(place);
  }

  *values(): Iterable<Uint8Array> {
    for (let at = 0; at < this.size; at++) yield this.at(at).view();
  }

  free(): void {
    while (this.size > 0) this.#drop(this.#elements.pop());
  }

  #preparePush(operation: "lpush" | "rpush", values: readonly Uint8Array[]): Prepared | undefined {
    const blocks = allocateAll(this.#memory, values, elementCharge * values.length);
    if (blocks === undefined) return undefined;
    return {
      result: this.size + values.length,
      commit: () => {
        for (const block of blocks) {
          if (operation === "lpush") this.#elements.unshift(block);
          else this.#elements.push(block);
          this.#bytes += block.length;
        }
      },
      abandon: () => freeAll(this.#memory, blocks, elementCharge * values.length),
    };
  }

  #drop(block: Block): void {
    this.#bytes -= block.length;
    freeAll(this.#memory, [block], elementCharge);
  }
}

export class Hash implements Collection {
  readonly kind = "hash";
  readonly #memory: JobMemory;
  readonly #fields = new SortedItems<Block>();
  #bytes = 0;

  constructor(memory: JobMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#fields.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(field: string): boolean {
    return this.#fields.has(field);
  }

  get(field: string): Block | undefined {
    return this.#fields.get(field);
  }

  /** Fields behind a name and their values, in the order of the bytes of the fields. */
  after(field: string): Iterable<readonly [string, Block]> {
    return this.#fields.after(field);
  }

  prepare({ operation, values }: Update): Prepared | undefined {
    if (operation === "hdel") {
      const there = new Set(values.map(nameOf).filter((field) => this.#fields.has(field)));
      const commit = (): void => {
        for (const field of there) this.#drop(field);
      };
      return { result: there.size, commit, abandon: nothing };
    }
    /** Of a field that is named twice the last value counts. */
    const wanted = new Map<string, Uint8Array>();
    for (let at = 0; at + 1 < values.length; at += 2) wanted.set(nameOf(values[at]!), values[at + 1]!);
    const fresh = [...wanted.keys()].filter((field) => !this.#fields.has(field));
    const charge = fresh.reduce((sum, field) => sum + fieldChargeFor(field), 0);
    const blocks = allocateAll(this.#memory, [...wanted.values()], charge);
    if (blocks === undefined) return undefined;
    const result = operation === "hincr" ? (parseInteger(values[1]!) ?? 0) : fresh.length;
    return {
      result,
      commit: () => {
        let at = 0;
        for (const field of wanted.keys()) this.#put(field, blocks[at++]!);
      },
      abandon: () => freeAll(this.#memory, blocks, charge),
    };
  }

  *values(): Iterable<Uint8Array> {
    for (const [field, block] of this.#fields.after("")) {
      yield Buffer.from(field, "latin1");
      yield block.view();
    }
  }

  free(): void {
    for (const [field, block] of this.#fields.after(""))
      freeAll(this.#memory, [block], fieldChargeFor(field));
  }

  #put(field: string, block: Block): void {
    const before = this.#fields.set(field, block);
    this.#bytes += block.length;
    if (before === undefined) {
      this.#bytes += field.length;
      return;
    }
    this.#bytes -= before.length;
    this.#memory.free(before);
  }

  #drop(field: string): void {
    const block = this.#fields.delete(field)!;
    this.#bytes -= field.length + block.length;
    freeAll(this.#memory, [block], fieldChargeFor(field));
  }
}

export class MemberSet implements Collection {
  readonly kind = "set";
  readonly #memory: JobMemory;
  readonly #members = new SortedItems<true>();
  #bytes = 0;

  constructor(memory: JobMemory) {
    this.#memory = memory;
  }

  get size(): number {
    return this.#members.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(member: string): boolean {
    return this.#members.has(member);
  }

  /** Members behind a name, in the order of their bytes. */
  *after(member: string): Iterable<string> {
    for (const [name] of this.#members.after(member)) yield name;
  }

  prepare({ operation, values }: Update): Prepared | undefined {
    const adds = operation === "sadd";
    const changed = new Set(values.map(nameOf).filter((member) => this.#members.has(member) !== adds));
    const result = changed.size;
    if (!adds) {
      const commit = (): void => {
        for (const member of changed) this.#drop(member);
      };
      return { result, commit, abandon: nothing };
    }
    const charge = [...changed].reduce((sum, member) => sum + memberChargeFor(member.length), 0);
    if (!this.#memory.charge(charge)) return undefined;
    return {
      result,
      commit: () => {
        for (const member of changed) {
          this.#members.set(member, true);
          this.#bytes += member.length;
        }
      },
      abandon: () => this.#memory.discharge(charge),
    };
  }

  *values(): Iterable<Uint8Array> {
    for (const member of this.after("")) yield Buffer.from(member, "latin1");
  }

  free(): void {
    for (const member of this.after("")) this.#memory.discharge(memberChargeFor(member.length));
  }

  #drop(member: string): void {
    this.#members.delete(member);
    this.#bytes -= member.length;
    this.#memory.discharge(memberChargeFor(member.length));
  }
}

function nameOf(bytes: Uint8Array): string {
  return asBuffer(bytes).toString("latin1");
}

function fieldChargeFor(field: string): number {
  return memberChargeFor(field.length) + elementCharge;
}

/** Blocks that hold the values, and what their entries cost; undefined, and nothing taken, without memory. */
function allocateAll(memory: JobMemory, values: readonly Uint8Array[], charge: number): Block[] | undefined {
  if (!memory.charge(charge)) return undefined;
  const blocks: Block[] = [];
  for (const value of values) {
    const block = memory.allocate(value.length);
    if (block === undefined) {
      freeAll(memory, blocks, charge);
      return undefined;
    }
    block.view().set(value);
    blocks.push(block);
  }
  return blocks;
}

function freeAll(memory: JobMemory, blocks: readonly Block[], charge: number): void {
  for (const block of blocks) memory.free(block);
  memory.discharge(charge);
}
