/**
 * Decides what an update makes of a counter or a collection: decides, and only decides. The effect says what every member
 * has to do, so that they need no limits and no ranges.
 */
import { MayflyError } from "../../src/errors.ts";
import {
  type CellResult,
  type CollectionKind,
  elementsMax,
  encodeUpdate,
  encodeValues,
  type Operation,
  parseInteger,
  popBytesMax,
} from "../../src/wire/collection.ts";
import { plainBytes } from "../../src/wire/durable-value.ts";
import type { Cell } from "../store/cell.ts";
import type { Collection, Hash, List, MemberSet } from "../store/collections.ts";
import { elementCharge } from "../store/index-charge.ts";
import { addMessage, messagesUpTo } from "./queue.ts";

/** As it was asked for. Places in a list count from 0, or from -1 backwards from its end; both ends are meant. */
export type UpdateRequest =
  | { readonly operation: "incr"; readonly by: number }
  | {
      readonly operation: "lpush" | "rpush" | "hset" | "hdel" | "sadd" | "srem";
      /** Of `hset` fields and values in turn. */
      readonly values: readonly Uint8Array[];
    }
  | { readonly operation: "hincr"; readonly field: Uint8Array; readonly by: number }
  | { readonly operation: "lpop" | "rpop"; readonly count: number }
  | { readonly operation: "ltrim"; readonly start: number; readonly stop: number }
  | {
      readonly operation: "qadd";
      /** Empty for a message that is taken as often as it comes. */
      readonly id: Uint8Array;
      readonly name: Uint8Array;
      readonly body: Uint8Array;
      /** Messages that may be there at a time; 0: any number. */
      readonly limit: number;
    }
  | { readonly operation: "qtrim"; readonly upTo: number };

export type UpdatePlan =
  | {
      readonly kind: "counter" | CollectionKind;
      /** Of the effect. */
      readonly value: Uint8Array;
      /** What it may cost, for the quota. */
      readonly addedBytes: number;
    }
  /** There is nothing to change; the answer all the same. */
  | { readonly unchanged: CellResult }
  | { readonly refused: MayflyError };

/**
 * @param cell what the key holds, if it holds something
 * @param collection its elements, if that is a collection
 * @throws MayflyError TOO_LARGE for more than an effect can carry
 */
export function planUpdate(
  request: UpdateRequest,
  cell: Cell | undefined,
  collection: Collection | undefined,
): UpdatePlan {
  if (request.operation === "incr") return planIncrement(request.by, cell);
  const kind = kindOf(request.operation);
  if (cell !== undefined && cell.kind !== kind) {
    return { refused: wrongType(cell, `${request.operation} is for a ${kind}`) };
  }
  if ("count" in request) {
    return planPop(request.operation, request.count, collection as List | undefined);
  }
  if (request.operation === "ltrim") {
    return planTrim(request.start, request.stop, collection as List | undefined);
  }
  if (request.operation === "hincr") {
    return planFieldIncrement(request.field, request.by, collection as Hash | undefined);
  }
  if (request.operation === "qadd" || request.operation === "qtrim") {
    return planQueue(request, collection as Hash | undefined);
  }
  const { operation, values } = request;
  if (operation === "hdel" || operation === "srem") {
    const there = collection as Hash | MemberSet | undefined;
    const some = there !== undefined && values.some((name) => there.has(latin1(name)));
    return some ? removal(kind, operation, 0, 0, values) : { unchanged: 0 };
  }
  if (operation === "sadd" && collection !== undefined) {
    const members = collection as MemberSet;
    if (values.every((member) => members.has(latin1(member)))) return { unchanged: 0 };
  }
  const more = operation === "hset" ? values.length / 2 : values.length;
  return addition(kind, operation, values, more, collection);
}

function planIncrement(by: number, cell: Cell | undefined): UpdatePlan {
  let value = 0;
  if (cell !== undefined) {
    const text = textOf(cell);
    const known = text && parseInteger(text);
    if (known === undefined) return { refused: wrongType(cell, "incr is for a counter, or the text of one") };
    value = known;
  }
  const sum = value + by;
  if (!Number.isSafeInteger(sum)) return { refused: outOfRange(value, by) };
  return { kind: "counter", value: Buffer.from(String(sum)), addedBytes: 0 };
}

function textOf({ kind, block }: Cell): Uint8Array | undefined {
  if (kind === "counter" || kind === "bytes") return block?.view();
  return kind === "durable" && block !== undefined ? plainBytes(block.view()) : undefined;
}

function planFieldIncrement(field: Uint8Array, by: number, hash: Hash | undefined): UpdatePlan {
  const block = hash?.get(latin1(field));
  const value = block === undefined ? 0 : parseInteger(block.view());
  if (value === undefined) {
    return { refused: new MayflyError("WRONG_TYPE", "This field holds no whole number; set it first.") };
  }
  const sum = value + by;
  if (!Number.isSafeInteger(sum)) return { refused: outOfRange(value, by) };
  return addition("hash", "hincr", [field, Buffer.from(String(sum))], 1, hash);
}

/** To the members of the row a queue is a hash. */
function planQueue(
  request: Extract<UpdateRequest, { operation: "qadd" | "qtrim" }>,
  queue: Hash | undefined,
): UpdatePlan {
  if (request.operation === "qtrim") {
    const fields = messagesUpTo(queue, request.upTo);
    return fields.length === 0 ? { unchanged: 0 } : removal("hash", "hdel", 0, 0, fields);
  }
  const { id, name, body, limit } = request;
  const added = addMessage(queue, id, name, body, limit);
  if ("unchanged" in added) return added;
  // Like `hincr` it is answered with the number that its first field is set to.
  return addition("hash", "hincr", added.fields, added.fields.length / 2, queue);
}

function planPop(operation: "lpop" | "rpop", count: number, list: List | undefined): UpdatePlan {
  if (list === undefined || count === 0) return { unchanged: encodeValues([]) };
  const most = Math.min(count, list.size);
  let taken = 0;
  for (let bytes = 0; taken < most; taken++) {
    bytes += list.at(operation === "lpop" ? taken : list.size - 1 - taken).length;
    if (taken > 0 && bytes > popBytesMax) break;
  }
  return operation === "lpop"
    ? removal("list", operation, taken, 0, [])
    : removal("list", operation, 0, taken, []);
}

function planTrim(start: number, stop: number, list: List | undefined): UpdatePlan {
  if (list === undefined) return { unchanged: 0 };
  const [from, to] = placesOf(start, stop, list.size);
  if (from >= to) return removal("list", "ltrim", list.size, 0, []);
  if (from === 0 && to === list.size) return { unchanged: list.size };
  return removal("list", "ltrim", from, list.size - to, []);
}

/** The range as it is in a list of that size: from a place up to, not including, another. Empty where they cross. */
export function placesOf(start: number, stop: number, size: number): [number, number] {
  const from = start < 0 ? Math.max(0, size + start) : Math.min(start, size);
  const to = stop < 0 ? size + stop + 1 : Math.min(stop + 1, size);
  return [from, Math.max(from, to)];
}

function addition(
  kind: CollectionKind,
  operation: Operation,
  values: readonly Uint8Array[],
  more: number,
  collection: Collection | undefined,
): UpdatePlan {
  const size = (collection?.size ?? 0) + more;
  if (size > elementsMax && size - known(operation, values, collection) > elementsMax) {
    const message = `A ${kind} has up to ${elementsMax} elements; this one would have ${size}.`;
    return { refused: new MayflyError("TOO_LARGE", message) };
  }
  const addedBytes = values.reduce((sum, value) => sum + value.length + elementCharge, 0);
  return { kind, value: encodeUpdate({ operation, head: 0, tail: 0, values }), addedBytes };
}

/** How many of the names that are given are there already, or are given twice. */
function known(
  operation: Operation,
  values: readonly Uint8Array[],
  collection: Collection | undefined,
): number {
  if (operation === "lpush" || operation === "rpush") return 0;
  const names = values.filter((_, at) => operation === "sadd" || at % 2 === 0).map(latin1);
  const there = collection as Hash | MemberSet | undefined;
  return names.length - new Set(names.filter((name) => there?.has(name) !== true)).size;
}

function removal(
  kind: CollectionKind,
  operation: Operation,
  head: number,
  tail: number,
  values: readonly Uint8Array[],
): UpdatePlan {
  return { kind, value: encodeUpdate({ operation, head, tail, values }), addedBytes: 0 };
}

function kindOf(operation: Exclude<UpdateRequest["operation"], "incr">): CollectionKind {
  if (operation.startsWith("h") || operation.startsWith("q")) return "hash";
  return operation.startsWith("s") ? "set" : "list";
}

/** @param why what was asked for goes with */
export function wrongType(cell: Cell, why: string): MayflyError {
  return new MayflyError("WRONG_TYPE", `This key holds ${nouns[cell.kind] ?? cell.kind}; ${why}.`);
}

const nouns: Partial<Record<Cell["kind"], string>> = {
  ...{
    ref: "an object",
    counter: "a counter",
    list: "a list",
    hash: "a hash",
    set: "a set",
    durable: "bytes",
  },
};

function outOfRange(value: number, by: number): MayflyError {
  const most = Number.MAX_SAFE_INTEGER;
  return new MayflyError(
    "INVALID_ARGUMENT",
    `A counter goes from -${most} to ${most}: ${value} and ${by} do not fit.`,
  );
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
