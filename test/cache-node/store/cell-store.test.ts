import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cellName } from "../../../cache-node/store/cell.ts";
import { CellStore } from "../../../cache-node/store/cell-store.ts";
import type { JobMemory } from "../../../cache-node/store/job-memory.ts";
import { createNodeMemory, type NodeMemory } from "../../../cache-node/store/node-memory.ts";
import { type Group, jobNumber } from "../../../src/ids.ts";
import type { Effect } from "../../../src/wire/cell.ts";
import { encodeRef } from "../../../src/wire/ref.ts";
import { effectOf } from "../replication/effects.ts";
import { fakeHeap, manualClock, mebibyte } from "./fakes.ts";

const job = jobNumber(1);
const group = 0 as Group;

function createStore(limitBytes = 8 * mebibyte) {
  const memory = createNodeMemory({
    limitBytes,
    clock: manualClock(),
    heap: fakeHeap(),
    touchBytesPerStep: 0,
  });
  return { memory, store: new CellStore(memory), account: () => memory.job(job) };
}

/** Another job takes what memory there is. */
function exhaust(memory: NodeMemory): void {
  const hog = memory.job(jobNumber(2));
  for (let bytes = mebibyte; bytes >= 8; ) if (hog.allocate(bytes) === undefined) bytes /= 2;
  for (let bytes = mebibyte; bytes >= 8; ) if (!hog.charge(bytes)) bytes /= 2;
}

const write = (key: string, value: string, change: Partial<Effect> = {}): Effect =>
  effectOf(1, { key: Buffer.from(key), value: Buffer.from(value), ...change });
const remove = (key: string, change: Partial<Effect> = {}): Effect =>
  write(key, "", { kind: "deleted", ...change });

/** Applies the effect at a place of the log, whatever it says itself. */
function apply(store: CellStore, effect: Effect, sequence: number, wallMs: number) {
  const { generation } = effect.version;
  return store.apply({ ...effect, version: { generation, sequence } }, wallMs);
}

function textOf(store: CellStore, key: string): string | undefined {
  const cell = store.get(job, group, cellName(Buffer.from(key)));
  return cell?.block === undefined ? cell?.kind : cell.block.view().toString();
}

describe("effects", () => {
  test("make of a key what they say", () => {
    const { store } = createStore();
    const version = { generation: 3, sequence: 9 };
    expect(apply(store, write("k", "one", { version, expiresAtMs: 5 }), 9, 0)).toMatchObject({
      replacedRef: undefined,
    });
    expect(store.get(job, group, "k")).toMatchObject({ kind: "bytes", version, position: 9, expiresAtMs: 5 });
    expect(textOf(store, "k")).toBe("one");
    apply(store, write("k", "two"), 10, 0);
    expect(textOf(store, "k")).toBe("two");
    apply(store, remove("k"), 11, 0);
    expect(textOf(store, "k")).toBe("deleted");
    expect(textOf(store, "other")).toBeUndefined();
    expect(store.get(jobNumber(2), group, "k")).toBeUndefined();
    expect(store.get(job, 1 as Group, "k")).toBeUndefined();
  });

  test("give back the ref that they replace", () => {
    const { store } = createStore();
    const code = { d: 1, p: 0 };
    const refOf = (name: string) => {
      const object = name.repeat(16) as never;
      return encodeRef({ object, key: Buffer.from("k"), sizeBytes: 0, code, stripes: [] });
    };
    const [ref, other] = [refOf("o"), refOf("p")];
    const commit = write("k", "", { kind: "ref", value: ref });
    expect(apply(store, commit, 1, 0)?.replacedRef).toBeUndefined();
    expect(apply(store, commit, 2, 0)?.replacedRef).toBeUndefined();
    expect(apply(store, { ...commit, value: other }, 3, 0)?.replacedRef?.equals(ref)).toBe(true);
    expect(apply(store, write("k", "x"), 4, 20_000)?.replacedRef?.equals(other)).toBe(true);
    expect(apply(store, write("k", "y"), 5, 0)?.replacedRef).toBeUndefined();
    store.sweep(30_001, Number.POSITIVE_INFINITY);
    expect([...store.takeReplaced(group)]).toEqual([{ job, ref: Buffer.from(other) }]);
    expect([...store.takeReplaced(group)]).toEqual([]);
  });

  test("that find no memory change nothing, and cost nothing", () => {
    const { store, account, memory } = createStore(4 * mebibyte);
    apply(store, write("k", "value"), 1, 0);
    exhaust(memory);
    const before = { live: account().liveBytes, index: account().indexBytes };
    const large = "x".repeat(200_000);
    expect(apply(store, write("k", large, { sessionSequence: 1 }), 2, 0)).toBeUndefined();
    expect(apply(store, write("new", large, { sessionSequence: 2 }), 2, 0)).toBeUndefined();
    expect({ live: account().liveBytes, index: account().indexBytes }).toEqual(before);
    expect(textOf(store, "k")).toBe("value");
    expect(textOf(store, "new")).toBeUndefined();
    expect(store.result(job, group, "sessions", 1)).toBeUndefined();
  });

  test("of aborts are remembered as long as the job lives", () => {
    const { store, account } = createStore();
    const abort = write("k", "o".repeat(16), { kind: "abort" });
    apply(store, abort, 1, 1000);
    const { indexBytes } = account();
    apply(store, abort, 2, 1000);
    expect(account().indexBytes).toBe(indexBytes);
    expect(store.wasAborted(job, group, "o".repeat(16))).toBe(true);
    expect(store.wasAborted(job, group, "p".repeat(16))).toBe(false);
    expect(textOf(store, "k")).toBeUndefined();
    store.sweep(10 ** 9, 1000);
    expect(store.wasAborted(job, group, "o".repeat(16))).toBe(true);
    store.dropGroup(group);
    expect([store.wasAborted(job, group, "o".repeat(16)), account().indexBytes]).toEqual([false, 0]);
  });
});

describe("overwrites", () => {
  const versionOf = (sequence: number) => ({ generation: 1, sequence });
  const at = (sequence: number): Partial<Effect> => ({ version: versionOf(sequence) });

  /** A store in which `k` holds the value, and the cell. */
  function holding(value: string, limitBytes?: number) {
    const made = createStore(limitBytes);
    apply(made.store, write("k", value, at(1)), 1, 0);
    return { ...made, cell: made.store.get(job, group, "k")! };
  }

  const accountOf = (account: JobMemory) => [account.liveBytes, account.indexBytes, account.usedBytes];

  test("change the cell in place, whatever they make of it", () => {
    const { store, cell } = holding("value");
    const effects = [
      write("k", "VALUE", { ...at(2), expiresAtMs: 7 }),
      write("k", "longer than before", at(3)),
      write("k", "", { ...at(4), kind: "ref" }),
      remove("k", at(5)),
      write("k", "again", { version: { generation: 2, sequence: 0 } }),
    ];
    for (const [index, effect] of effects.entries()) {
      apply(store, effect, 10 + index, 0);
      expect(store.get(job, group, "k")).toBe(cell);
      const { kind, expiresAtMs } = effect;
      const version = { generation: effect.version.generation, sequence: 10 + index };
      expect(cell).toMatchObject({ kind, version, expiresAtMs, position: 10 + index });
      expect(textOf(store, "k")).toBe(kind === "deleted" ? "deleted" : Buffer.from(effect.value).toString());
    }
  });

  test("of the same length use the block again, for refs too", () => {
    const { store, cell } = holding("value");
    const { block } = cell;
    apply(store, write("k", "VALUE"), 2, 0);
    expect(cell.block).toBe(block);
    expect(textOf(store, "k")).toBe("VALUE");
    apply(store, write("k", "length"), 3, 0);
    expect(cell.block).not.toBe(block);
    expect(block?.readable).toBe(false);
    const refs = ["o", "p"].map((name) => {
      const ref = { object: name.repeat(16) as never, key: Buffer.from("k"), sizeBytes: 0 };
      return encodeRef({ ...ref, code: { d: 1, p: 0 }, stripes: [] });
    });
    const [first, second] = refs.map((value) => write("k", "", { kind: "ref", value }));
    apply(store, first!, 4, 0);
    const blockOfRef = cell.block;
    expect(apply(store, second!, 5, 0)?.replacedRef?.equals(refs[0]!)).toBe(true);
    expect(cell.block).toBe(blockOfRef);
  });

  test("leave a pinned block as it is, until it is let go", () => {
    const { store, cell, account } = holding("value");
    const block = cell.block!;
    const before = accountOf(account());
    block.pin();
    apply(store, write("k", "VALUE"), 2, 0);
    expect(cell.block).not.toBe(block);
    apply(store, write("k", "third"), 3, 0);
    expect(block.view().toString()).toBe("value");
    expect(textOf(store, "k")).toBe("third");
    block.unpin();
    expect(block.readable).toBe(false);
    expect(accountOf(account())).toEqual(before);
  });

  test("do not reach a copy", () => {
    const { store, cell } = holding("value");
    const copy = cell.copy();
    const { block } = cell;
    const original = { kind: "bytes", version: versionOf(1), position: 1, expiresAtMs: 0 };
    apply(store, write("k", "a ref", { ...at(2), kind: "ref", expiresAtMs: 9 }), 2, 0);
    apply(store, remove("k", at(3)), 3, 0);
    expect(cell).toMatchObject({ kind: "deleted", version: versionOf(3), position: 3, block: undefined });
    expect(copy).toMatchObject(original);
    expect(copy.block).toBe(block);
  });

  test("of one length cost nothing, however many", () => {
    const text = (i: number): string => `${i}`.padStart(4096);
    const { store, account, memory } = holding(text(0));
    const before = [...accountOf(account()), memory.usedBytes];
    for (let i = 1; i <= 1000; i++) apply(store, write("k", text(i), at(i)), i, 0);
    expect([...accountOf(account()), memory.usedBytes]).toEqual(before);
    expect(textOf(store, "k")).toBe(text(1000));
  });

  test("without memory for another length, or for their answer, change nothing; of the same length need none", () => {
    const { store, account, memory, cell } = holding("value", 4 * mebibyte);
    exhaust(memory);
    const { block } = cell;
    const before = accountOf(account());
    const refused = [
      write("k", "x".repeat(300_000), { ...at(2), kind: "ref", expiresAtMs: 5 }),
      write("k", "VALUE", { ...at(2), sessionSequence: 1 }),
    ];
    for (const effect of refused) {
      expect(apply(store, effect, 2, 0)).toBeUndefined();
      expect(store.get(job, group, "k")).toBe(cell);
      expect(cell).toMatchObject({ kind: "bytes", version: versionOf(1), position: 1, expiresAtMs: 0 });
      expect(cell.block).toBe(block);
      expect(textOf(store, "k")).toBe("value");
      expect(accountOf(account())).toEqual(before);
    }
    expect(apply(store, write("k", "VALUE", at(3)), 3, 0)).toMatchObject({ replacedRef: undefined });
    expect(textOf(store, "k")).toBe("VALUE");
    expect(cell).toMatchObject({ version: versionOf(3), position: 3 });
  });
});

describe("sessions", () => {
  const bySession = (sessionSequence: number, sessionFloor: number, change: Partial<Effect> = {}): Effect =>
    write("k", `${sessionSequence}`, { sessionSequence, sessionFloor, ...change });

  test("are answered as before until they say that they have the answer", () => {
    const { store } = createStore();
    apply(store, bySession(1, 1, { version: { generation: 4, sequence: 0 } }), 1, 0);
    apply(store, bySession(2, 1), 2, 0);
    expect(store.result(job, group, "sessions", 1)).toEqual({
      ...{ version: { generation: 4, sequence: 1 }, position: 1, existed: false },
    });
    expect(store.result(job, group, "sessions", 2)).toMatchObject({ position: 2, existed: true });
    expect(store.result(job, group, "sessions", 3)).toBeUndefined();
    expect(store.result(job, group, "stranger", 1)).toBeUndefined();
    apply(store, bySession(3, 3), 3, 0);
    expect(store.result(job, group, "sessions", 1)).toBe("stale");
    expect(store.result(job, group, "sessions", 2)).toBe("stale");
    expect(store.result(job, group, "sessions", 3)).toMatchObject({ position: 3 });
    // An older floor, overtaken on its way, opens nothing again.
    apply(store, bySession(4, 1), 4, 0);
    expect(store.result(job, group, "sessions", 2)).toBe("stale");
    expect(store.result(job, group, "sessions", 0)).toBeUndefined();
  });

  test("that fell silent are forgotten, with what they cost", () => {
    const { store, account } = createStore();
    apply(store, bySession(1, 1), 1, 1000);
    apply(store, remove("k"), 2, 1000);
    store.forget(job, group, "k", 2);
    expect(account().indexBytes).toBeGreaterThan(0);
    store.sweep(2999, 2000);
    expect(store.result(job, group, "sessions", 1)).toBeDefined();
    store.sweep(3000, 2000);
    expect(store.result(job, group, "sessions", 1)).toBeUndefined();
    expect(account().indexBytes).toBe(0);
  });
});

test("what is left of a key is forgotten only if nothing newer is there", () => {
  const { store } = createStore();
  apply(store, write("k", "one"), 1, 0);
  store.forget(job, group, "k", 1);
  expect(textOf(store, "k")).toBe("one");
  apply(store, remove("k"), 2, 0);
  store.forget(job, group, "k", 1);
  expect(textOf(store, "k")).toBe("deleted");
  store.forget(job, group, "k", 2);
  expect(textOf(store, "k")).toBeUndefined();
  store.forget(job, group, "k", 2);
});

test("names are listed in order, by prefix and from a name on, without deleted ones", () => {
  const { store } = createStore();
  for (const key of ["b", "a", "ab", "abc", "b\xff", "c"]) {
    apply(store, effectOf(1, { key: Buffer.from(key, "latin1") }), 1, 0);
  }
  apply(store, remove("c"), 2, 0);
  expect(store.names(job, group, "", "")).toEqual(["a", "ab", "abc", "b", "b\xff"]);
  expect(store.names(job, group, "ab", "")).toEqual(["ab", "abc"]);
  expect(store.names(job, group, "", "ab")).toEqual(["abc", "b", "b\xff"]);
  expect(store.names(job, 1 as Group, "", "")).toEqual([]);
});

test("whatever effects come, the store is a map of the last ones, and all memory comes back", () => {
  const key = fc.constantFrom("a", "b", "c", "d");
  const move = fc.oneof(
    fc.record({ key, value: fc.string({ maxLength: 2000 }), sequence: fc.nat(5) }),
    fc.record({ key, value: fc.constant(undefined), sequence: fc.nat(5) }),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 80 }), (moves) => {
      const { store, account } = createStore();
      const model = new Map<string, string>();
      for (const [at, { key: name, value, sequence }] of moves.entries()) {
        const session = { sessionSequence: sequence, sessionFloor: Math.max(0, sequence - 2) };
        if (value === undefined) {
          apply(store, remove(name, session), at + 1, 0);
          store.forget(job, group, name, at + 1);
          model.delete(name);
        } else {
          apply(store, write(name, value, session), at + 1, 0);
          model.set(name, value);
        }
      }
      for (const name of ["a", "b", "c", "d"]) expect(textOf(store, name)).toBe(model.get(name));
      expect(store.names(job, group, "", "")).toEqual([...model.keys()].sort());
      for (const name of model.keys()) {
        apply(store, remove(name), 1000, 0);
        store.forget(job, group, name, 1000);
      }
      store.sweep(10_000, 1000);
      expect([account().liveBytes, account().indexBytes, store.count()]).toEqual([0, 0, 0]);
    }),
    { numRuns: 40 },
  );
});
