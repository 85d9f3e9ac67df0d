/** What a counter or a collection shows to a question. Copies, to be answered once what they show is on all members. */
import { parseInteger } from "../../src/wire/collection.ts";
import type { Cell } from "../store/cell.ts";
import type { Collection, Hash, List, MemberSet } from "../store/collections.ts";
import { placesOf, wrongType } from "./plan-update.ts";
import { countOfRead, type QueueRead, readMessages, waiting } from "./queue.ts";

/** Names and cursors as latin-1. */
export type Question =
  | { readonly what: "len" }
  | { readonly what: "lrange"; readonly start: number; readonly stop: number }
  | { readonly what: "hget"; readonly names: readonly string[] }
  | { readonly what: "sismember"; readonly names: readonly string[] }
  | { readonly what: "hgetall" | "smembers"; readonly after: string }
  | ({ readonly what: "qread" | "qrow" } & QueueRead)
  | { readonly what: "qroom"; readonly limit: number };

export type CollectionValue = number | readonly (Uint8Array | number | null)[];

/** Bytes of elements in one answer, but at least one element. */
export const readBytesMax: number = 1024 * 1024;
/** Elements in one answer to `lrange`, `hgetall` or `smembers`. */
export const readElementsMax = 10_000;

const kinds = {
  ...({ lrange: "list", smembers: "set", sismember: "set" } as const),
  ...({ hget: "hash", hgetall: "hash", qread: "hash", qrow: "hash", qroom: "hash" } as const),
};

/**
 * @param cell what the key holds; a counter or a collection
 * @param collection its elements, if it is one
 * @throws MayflyError WRONG_TYPE
 */
export function readCollection(
  question: Question,
  cell: Cell,
  collection: Collection | undefined,
): CollectionValue {
  if (question.what === "len") return countOf(cell, collection);
  const kind = kinds[question.what];
  if (cell.kind !== kind) throw wrongType(cell, `${question.what} is for a ${kind}`);
  switch (question.what) {
    case "lrange":
      return range(collection as List, question.start, question.stop);
    case "hget":
      return question.names.map((name) => copyOf((collection as Hash).get(name)?.view()));
    case "sismember":
      return question.names.map((name) => Number((collection as MemberSet).has(name)));
    case "hgetall":
      return page((collection as Hash).after(question.after), ([field, block]) => [field, block.view()]);
    case "qread":
    case "qrow":
      return readMessages(collection as Hash, question);
    case "qroom":
      return question.limit - waiting(collection as Hash);
    case "smembers":
      return page((collection as MemberSet).after(question.after), (member) => [member]);
  }
}

/** What a wait compares with its count, given what the question was answered. @throws MayflyError WRONG_TYPE */
export function countOfAnswer(
  { what }: Question,
  answer: CollectionValue,
  cell: Cell,
  collection: Collection | undefined,
): number {
  if (what === "qroom") return answer as number;
  if (what === "qread" || what === "qrow")
    return countOfRead(answer as readonly (Uint8Array | number | null)[]);
  return countOf(cell, collection);
}

/** The value of a counter, or how many elements there are. @throws MayflyError WRONG_TYPE */
function countOf(cell: Cell, collection: Collection | undefined): number {
  if (collection !== undefined) return collection.size;
  const value =
    cell.kind === "counter" && cell.block !== undefined ? parseInteger(cell.block.view()) : undefined;
  if (value !== undefined) return value;
  throw wrongType(cell, "only counters and collections can be counted");
}

function range(list: List, start: number, stop: number): Uint8Array[] {
  const [from, to] = placesOf(start, stop, list.size);
  const values: Uint8Array[] = [];
  let bytes = 0;
  for (let at = from; at < to && values.length < readElementsMax; at++) {
    const block = list.at(at);
    bytes += block.length;
    if (values.length > 0 && bytes > readBytesMax) break;
    values.push(Buffer.from(block.view()));
  }
  return values;
}

/** The cursor to go on from, empty at the end, and what was found: names, or names and values in turn. */
function page<T>(found: Iterable<T>, partsOf: (item: T) => readonly [string, Uint8Array?]): Uint8Array[] {
  const parts: Uint8Array[] = [Buffer.alloc(0)];
  let bytes = 0;
  let count = 0;
  let last = "";
  for (const item of found) {
    const [name, value] = partsOf(item);
    bytes += name.length + (value?.length ?? 0);
    if (count > 0 && (bytes > readBytesMax || count === readElementsMax)) {
      parts[0] = Buffer.from(last, "latin1");
      break;
    }
    parts.push(Buffer.from(name, "latin1"));
    if (value !== undefined) parts.push(Buffer.from(value));
    last = name;
    count += 1;
  }
  return parts;
}

function copyOf(view: Uint8Array | undefined): Uint8Array | null {
  return view === undefined ? null : Buffer.from(view);
}
