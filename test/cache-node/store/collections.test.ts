import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Collection,
  createCollection,
  type Hash,
  type List,
  loadOf,
  type MemberSet,
} from "../../../cache-node/store/collections.ts";
import { createNodeMemory } from "../../../cache-node/store/node-memory.ts";
import { jobNumber } from "../../../src/ids.ts";
import {
  type CellResult,
  type CollectionKind,
  decodeValues,
  type Operation,
  type Update,
} from "../../../src/wire/collection.ts";
import { fakeHeap, manualClock, mebibyte } from "./fakes.ts";

function createJobMemory(limitBytes = 8 * mebibyte) {
  const options = { limitBytes, clock: manualClock(), heap: fakeHeap(), touchBytesPerStep: 0 };
  const memory = createNodeMemory(options);
  return { memory, account: memory.job(jobNumber(1)) };
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
const bytes = (value: string): Buffer => Buffer.from(value, "latin1");
const updateOf = (operation: Operation, values: readonly string[], head = 0, tail = 0): Update => ({
  ...{ operation, head, tail, values: values.map(bytes) },
});
const resultOf = (result: CellResult | undefined) =>
  result instanceof Uint8Array ? decodeValues(result).map(text) : result;

function apply(collection: Collection, update: Update) {
  const prepared = collection.prepare(update);
  prepared?.commit();
  return resultOf(prepared?.result);
}

const value = fc.string({ maxLength: 40, unit: "binary-ascii" });
const name = fc.constantFrom("a", "b", "c", "d", "e", "\xff", "field");
const count = fc.nat(6);

/** What an update makes of a plain array, and is answered. */
function applyToArray(model: string[], { operation, head, tail, values }: Update) {
  const texts = values.map(text);
  if (operation === "rpush") return model.push(...texts);
  if (operation === "lpush") return model.unshift(...texts.reverse());
  const first = model.splice(0, head);
  const last = model.splice(Math.max(0, model.length - tail), tail).reverse();
  return operation === "ltrim" ? model.length : [...first, ...last];
}

function applyToMap(model: Map<string, string>, { operation, values }: Update): number {
  const texts = values.map(text);
  const before = model.size;
  if (operation === "hdel") {
    for (const field of texts) model.delete(field);
    return before - model.size;
  }
  for (let at = 0; at < texts.length; at += 2) model.set(texts[at]!, texts[at + 1]!);
  return operation === "hincr" ? Number(texts[1]) : model.size - before;
}

function applyToSet(model: Set<string>, { operation, values }: Update): number {
  const before = model.size;
  for (const member of values.map(text)) {
    if (operation === "sadd") model.add(member);
    else model.delete(member);
  }
  return Math.abs(model.size - before);
}

const listUpdate = fc.oneof(
  fc
    .tuple(fc.constantFrom("lpush" as const, "rpush" as const), fc.array(value, { maxLength: 12 }))
    .map(([operation, values]) => updateOf(operation, values)),
  count.map((n) => updateOf("lpop", [], n)),
  count.map((n) => updateOf("rpop", [], 0, n)),
  fc.tuple(count, count).map(([head, tail]) => updateOf("ltrim", [], head, tail)),
);
const hashUpdate = fc.oneof(
  fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => updateOf("hset", pairs.flat())),
  fc.array(name, { maxLength: 4 }).map((fields) => updateOf("hdel", fields)),
  fc.tuple(name, fc.integer()).map(([field, n]) => updateOf("hincr", [field, String(n)])),
);
const setUpdate = fc.oneof(
  fc
    .tuple(fc.constantFrom("sadd" as const, "srem" as const), fc.array(name, { maxLength: 6 }))
    .map(([operation, members]) => updateOf(operation, members)),
);

/** Elements; `field value`; members: of hashes and sets in the order of their bytes. */
const byBytes = (a: string, b: string): number => bytes(a).compare(bytes(b));
const models = {
  list: () => {
    const model: string[] = [];
    return { apply: (update: Update) => applyToArray(model, update), all: () => model };
  },
  hash: () => {
    const model = new Map<string, string>();
    const all = () => [...model].sort(([a], [b]) => byBytes(a, b)).flat();
    return { apply: (update: Update) => applyToMap(model, update), all };
  },
  set: () => {
    const model = new Set<string>();
    return { apply: (update: Update) => applyToSet(model, update), all: () => [...model].sort(byBytes) };
  },
};

describe.each([
  ["list", listUpdate],
  ["hash", hashUpdate],
  ["set", setUpdate],
] as [CollectionKind, fc.Arbitrary<Update>][])("a %s", (kind, anyUpdate) => {
  test("is what updates have made of it, answers what they did, and gives all memory back", () => {
    fc.assert(
      fc.property(fc.array(anyUpdate, { maxLength: 40 }), (updates) => {
        const { account } = createJobMemory();
        const collection = createCollection(kind, account);
        const model = models[kind]();
        for (const update of updates) {
          expect(apply(collection, update)).toEqual(model.apply(update));
          const all = [...collection.values()].map(text);
          expect(all).toEqual(model.all());
          expect(collection.size).toBe(kind === "hash" ? all.length / 2 : all.length);
          expect(collection.bytes).toBe(all.join("").length);
        }
        collection.free();
        expect([account.liveBytes, account.indexBytes]).toEqual([0, 0]);
      }),
      { numRuns: 60 },
    );
  });

  test("is loaded elsewhere from its values, in pieces", () => {
    fc.assert(
      fc.property(fc.array(anyUpdate, { maxLength: 30 }), (updates) => {
        const { account } = createJobMemory();
        const [one, other] = [createCollection(kind, account), createCollection(kind, account)];
        for (const update of updates) apply(one, update);
        const values = [...one.values()].map((part) => Buffer.from(part));
        for (let at = 0; at < values.length; at += 4) apply(other, loadOf(kind, values.slice(at, at + 4)));
        expect([...other.values()].map(text)).toEqual([...one.values()].map(text));
        expect([other.size, other.bytes]).toEqual([one.size, one.bytes]);
      }),
      { numRuns: 30 },
    );
  });

  test("is as it was after an update that is given up, or finds no memory", () => {
    const { account, memory } = createJobMemory(4 * mebibyte);
    const collection = createCollection(kind, account);
    apply(collection, loadOf(kind, ["a", "1", "b", "2"].map(bytes)));
    const state = () => [[...collection.values()].map(text), account.liveBytes, account.indexBytes];
    const before = state();
    const big = Array.from({ length: 64 }, (_, i) => `${i}`.padEnd(200, "x"));
    collection.prepare(loadOf(kind, big.map(bytes)))!.abandon();
    expect(state()).toEqual(before);
    const removal =
      kind === "list" ? updateOf("lpop", [], 2) : updateOf(kind === "hash" ? "hdel" : "srem", ["a"]);
    collection.prepare(removal)!.abandon();
    expect(state()).toEqual(before);
    const hog = memory.job(jobNumber(2));
    for (let size = mebibyte; size >= 8; ) if (hog.allocate(size) === undefined) size /= 2;
    for (let size = mebibyte; size >= 8; ) if (!hog.charge(size)) size /= 2;
    expect(collection.prepare(loadOf(kind, big.map(bytes)))).toBeUndefined();
    expect(state()).toEqual(before);
    // To take something away needs none.
    expect(apply(collection, removal)).toBeDefined();
  });
});

describe("parts of a collection", () => {
  const { account } = createJobMemory();

  test("are read by place, by field, by member, and from a name on", () => {
    const list = createCollection("list", account) as List;
    apply(list, updateOf("rpush", ["a", "b", "c"]));
    expect([0, 1, 2].map((at) => text(list.at(at).view()))).toEqual(["a", "b", "c"]);
    const hash = createCollection("hash", account) as Hash;
    apply(hash, updateOf("hset", ["x", "1", "w", "2", "x", "3"]));
    expect([text(hash.get("x")!.view()), hash.get("y"), hash.has("w")]).toEqual(["3", undefined, true]);
    expect([...hash.after("w")].map(([field]) => field)).toEqual(["x"]);
    const set = createCollection("set", account) as MemberSet;
    apply(set, updateOf("sadd", ["x", "w", "x"]));
    expect([set.has("x"), set.has("y"), [...set.after("")]]).toEqual([true, false, ["w", "x"]]);
  });
});
