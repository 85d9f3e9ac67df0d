/** What every object store has to do, whatever is behind it. */
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ObjectStore, StoredObject } from "../../src/durable/object-store.ts";

export interface StoreUnderTest {
  readonly open: () => Promise<ObjectStore>;
  /** Some servers keep objects as files: then none may have the name of what is a folder of others. */
  readonly takesNamesOfFolders: boolean;
  /** False behind faults: what is counted is not known before. */
  readonly repeatsNothing: boolean;
  /** After all tests. */
  readonly close?: () => Promise<void> | undefined;
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export async function listed(objects: AsyncIterable<StoredObject>): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of objects) names.push(name);
  return names;
}

export async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

export async function* inPieces(bytes: Uint8Array, pieceBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

/** In the order of their UTF-8 bytes. */
export function inOrder(names: readonly string[]): string[] {
  return names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

const sizes = [0, 1, 4096, 300_000, 9 * 2 ** 20 + 7];

export function testObjectStore(tested: StoreUnderTest): void {
  const { open, takesNamesOfFolders, repeatsNothing } = tested;
  let store: ObjectStore;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(async () => {
    store.close();
    await tested.close?.();
  });

  describe("what was put", () => {
    test.each(sizes)("%i bytes come back, in one piece and in several", async (size) => {
      const body = randomBytes(size);
      await store.put(`sizes/${size}`, body);
      expect(body.equals(await store.get(`sizes/${size}`))).toBe(true);
      const pieces = [body.subarray(0, size >> 1), new Uint8Array(0), body.subarray(size >> 1)];
      await store.put(`sizes/${size}`, pieces);
      expect(body.equals(await store.get(`sizes/${size}`))).toBe(true);
      expect(body.equals(await gathered(store.read(`sizes/${size}`)))).toBe(true);
      expect(await store.stat(`sizes/${size}`)).toMatchObject({ name: `sizes/${size}`, sizeBytes: size });
    });

    test("replaces what was there", async () => {
      await store.put("replaced", bytesOf("long text"));
      await store.put("replaced", bytesOf("short"));
      expect(await store.get("replaced")).toEqual(bytesOf("short"));
    });

    test("only where there is nothing", async () => {
      await store.put("once", bytesOf("first"), { ifAbsent: true });
      const again = store.put("once", bytesOf("second"), { ifAbsent: true });
      await expect(again).rejects.toMatchObject({ code: "KEY_EXISTS" });
      expect(await store.get("once")).toEqual(bytesOf("first"));
    });

    test("by one of many at the same time", async () => {
      const puts = Array.from({ length: 8 }, (_, i) =>
        store.put("race", bytesOf(`${i}`), { ifAbsent: true }),
      );
      const outcomes = await Promise.allSettled(puts);
      const winners = outcomes.flatMap(({ status }, i) => (status === "fulfilled" ? [i] : []));
      expect(winners).toHaveLength(1);
      expect(await store.get("race")).toEqual(bytesOf(`${winners[0]}`));
    });
  });

  describe("a part of an object", () => {
    const body = randomBytes(100_000);
    beforeAll(() => store.put("ranges", body));

    test.each([
      [0, 1],
      [0, 100_000],
      [99_999, 100_000],
      [1234, 70_000],
      [50_000, 50_000],
      [99_000, 200_000],
      [100_000, 100_001],
      [200_000, 300_000],
      [5000, Number.POSITIVE_INFINITY],
    ])("from %i to %i", async (start, end) => {
      const expected = body.subarray(start, end);
      const range = { start, end };
      expect(expected.equals(await store.get("ranges", { range }))).toBe(true);
      expect(expected.equals(await gathered(store.read("ranges", { range })))).toBe(true);
      const into = new Uint8Array(100_001).fill(7);
      const found = await store.get("ranges", { range, into });
      expect(expected.equals(found)).toBe(true);
      expect(found.buffer).toBe(into.buffer);
      expect(found.byteOffset).toBe(0);
      expect(into.subarray(expected.length).every((byte) => byte === 7)).toBe(true);
    });

    test.each([
      [3, 2],
      [-1, 2],
      [0.5, 2],
      [0, Number.NaN],
    ])("but not from %d to %d", async (start, end) => {
      const wrong = { code: "INVALID_ARGUMENT" };
      await expect(store.get("ranges", { range: { start, end } })).rejects.toMatchObject(wrong);
      await expect(gathered(store.read("ranges", { range: { start, end } }))).rejects.toMatchObject(wrong);
    });

    test("does not fit into a buffer that is too small", async () => {
      const into = new Uint8Array(10);
      await expect(store.get("ranges", { into })).rejects.toMatchObject({ code: "TOO_LARGE" });
      expect(into.every((byte) => byte === 0)).toBe(true);
    });
  });

  test("what is not there is NOT_FOUND, and has no stat", async () => {
    const absent = { code: "NOT_FOUND" };
    await expect(store.get("not/there")).rejects.toMatchObject(absent);
    await expect(store.get("not/there", { range: { start: 0, end: 0 } })).rejects.toMatchObject(absent);
    await expect(store.get("not/there", { range: { start: 3, end: 5 } })).rejects.toMatchObject(absent);
    await expect(gathered(store.read("not/there"))).rejects.toMatchObject(absent);
    await expect(store.copy("not/there", "copy")).rejects.toMatchObject(absent);
    expect(await store.stat("not/there")).toBeUndefined();
    expect(await store.stat("copy")).toBeUndefined();
  });

  describe("an upload", () => {
    test.each([
      [0, 1000],
      [1, 1000],
      [100_000, 17],
      [5 * 2 ** 20, 2 ** 20],
      [17 * 2 ** 20 + 3, 3 * 2 ** 20 + 1],
      [11 * 2 ** 20, 11 * 2 ** 20],
    ])("of %i bytes in pieces of %i", async (size, pieceBytes) => {
      const body = randomBytes(size);
      const name = `uploads/${size}`;
      const partBytes = 5 * 2 ** 20;
      const sent = await store.upload(name, inPieces(body, pieceBytes), { partBytes });
      expect(sent).toEqual({ sizeBytes: size });
      expect(body.equals(await store.get(name))).toBe(true);
      expect(body.equals(await gathered(store.read(name)))).toBe(true);
    });

    test("is not there before its end, nor when its source fails", async () => {
      const failing = async function* (): AsyncGenerator<Uint8Array> {
        yield randomBytes(6 * 2 ** 20);
        yield randomBytes(6 * 2 ** 20);
        expect(await store.stat("uploads/failed")).toBeUndefined();
        throw new Error("the source broke");
      };
      await expect(store.upload("uploads/failed", failing())).rejects.toThrow("the source broke");
      expect(await store.stat("uploads/failed")).toBeUndefined();
      expect(await listed(store.list("uploads/failed"))).toEqual([]);
    });

    test.each([10, 12 * 2 ** 20])("of %i bytes only where there is nothing", async (size) => {
      const name = `uploads/once-${size}`;
      const body = randomBytes(size);
      await store.upload(name, inPieces(body, 2 ** 20), { ifAbsent: true });
      const again = store.upload(name, inPieces(randomBytes(size), 2 ** 20), { ifAbsent: true });
      await expect(again).rejects.toMatchObject({ code: "KEY_EXISTS" });
      expect(body.equals(await store.get(name))).toBe(true);
    });

    test("ends when its caller aborts it, however slow the source", async () => {
      const controller = new AbortController();
      const silent = async function* (): AsyncGenerator<Uint8Array> {
        yield randomBytes(100);
        controller.abort();
        await new Promise(() => undefined);
      };
      const upload = store.upload("uploads/aborted", silent(), { signal: controller.signal });
      await expect(upload).rejects.toMatchObject({ code: "ABORTED" });
      expect(await store.stat("uploads/aborted")).toBeUndefined();
    });
  });

  describe("a list", () => {
    const names = [
      ...["l/a-b", "l/a.b", "l/a/b", "l/a/b c", "l/a/c/d", "l/a0", "l/A", "l/é", "l/zz/z"],
      ...["l/%", "l/%41", "l/a+b", "l/x.d", "l/y.d/z", "l/#?&=", "l/日本/語", "l/\u{1f600}", "l/\uffed"],
      ...[`l/${"long".repeat(60)}`, `l/${"long".repeat(60)}.d`, "l/w\\v", "l/<&>\"'"],
    ];
    beforeAll(() => Promise.all(names.map((name) => store.put(name, bytesOf(name)))));

    test("has the names in order", async () => {
      expect(await listed(store.list("l/"))).toEqual(inOrder(names));
    });

    test.each(["l/a", "l/a/", "l/a/b", "l/A", "l/long", "l/nothing", "l/日", "l/x.d", "l/y.d"])(
      "below %s",
      async (prefix) => {
        const expected = inOrder(names.filter((name) => name.startsWith(prefix)));
        expect(await listed(store.list(prefix))).toEqual(expected);
      },
    );

    test.each(["l/a", "l/a/b", "l/a/", "l/a/zz", "l/long", "l/日本/語", "l/\u{1f600}", "k", "m"])(
      "behind %s has the others only",
      async (after) => {
        const expected = inOrder(names).filter(
          (name) => Buffer.compare(Buffer.from(name), Buffer.from(after)) > 0,
        );
        expect(await listed(store.list("l/", { after }))).toEqual(expected);
      },
    );

    test("says size and time", async () => {
      for await (const { name, sizeBytes, modifiedAtMs } of store.list("l/a")) {
        expect(sizeBytes).toBe(Buffer.byteLength(name));
        expect(await store.stat(name)).toEqual({ name, sizeBytes, modifiedAtMs });
      }
    });

    test("all can be read, copied and deleted", async () => {
      for (const name of names) {
        expect(await store.get(name)).toEqual(bytesOf(name));
        await store.copy(name, `copies/${name}`);
        expect(await store.get(`copies/${name}`)).toEqual(bytesOf(name));
      }
      await store.delete([...names.map((name) => `copies/${name}`), "copies/not/there"]);
      expect(await listed(store.list("copies/"))).toEqual([]);
      await store.delete(["copies/not/there"]);
    });
  });

  test("more names than fit a page, or a request", async () => {
    // Behind faults it is about the faults, and each one costs time.
    const length = repeatsNothing ? 1203 : 203;
    const names = Array.from({ length }, (_, i) => `many/${String(i).padStart(5, "0")}`);
    for (let at = 0; at < names.length; at += 50) {
      await Promise.all(names.slice(at, at + 50).map((name) => store.put(name, new Uint8Array(1))));
    }
    expect(await listed(store.list("many/"))).toEqual(names);
    await store.delete(names.slice(1));
    expect(await listed(store.list("many/"))).toEqual(names.slice(0, 1));
  });

  describe("a copy", () => {
    test("is another object", async () => {
      await store.put("copied/from", bytesOf("one"));
      await store.copy("copied/from", "copied/to");
      await store.put("copied/from", bytesOf("two"));
      expect(await store.get("copied/to")).toEqual(bytesOf("one"));
    });

    test("only where there is nothing", async () => {
      await store.put("copied/a", bytesOf("a"));
      await store.copy("copied/a", "copied/b", { ifAbsent: true });
      const again = store.copy("copied/a", "copied/b", { ifAbsent: true });
      await expect(again).rejects.toMatchObject({ code: "KEY_EXISTS" });
    });
  });

  test.runIf(takesNamesOfFolders)("an object may have the name of what others are in", async () => {
    await store.put("both", bytesOf("above"));
    await store.put("both/below", bytesOf("below"));
    await store.put("both/below/further", bytesOf("further"));
    expect(await listed(store.list("both"))).toEqual(["both", "both/below", "both/below/further"]);
    await store.delete(["both/below"]);
    expect(await store.get("both")).toEqual(bytesOf("above"));
    expect(await store.get("both/below/further")).toEqual(bytesOf("further"));
  });

  test.each([
    "",
    "/",
    "a//b",
    "/a",
    "a/",
    ".",
    "..",
    "a/../b",
    "../a",
    "a\nb",
    "a\0",
    "x".repeat(1025),
    "\ud800",
  ])("no name is %j", async (name) => {
    const wrong = { code: "INVALID_ARGUMENT" };
    await expect(store.put(name, bytesOf("x"))).rejects.toMatchObject(wrong);
    await expect(store.get(name)).rejects.toMatchObject(wrong);
    await expect(store.stat(name)).rejects.toMatchObject(wrong);
    await expect(store.delete([name])).rejects.toMatchObject(wrong);
  });

  test("a call that was aborted before it began rejects", async () => {
    const signal = AbortSignal.abort();
    const aborted = { code: "ABORTED" };
    await expect(store.put("aborted", bytesOf("x"), { signal })).rejects.toMatchObject(aborted);
    await expect(store.get("sizes/1", { signal })).rejects.toMatchObject(aborted);
    await expect(listed(store.list("", { signal }))).rejects.toMatchObject(aborted);
    expect(await store.stat("aborted")).toBeUndefined();
  });

  test("a reader that goes away early leaves nothing open", async () => {
    for await (const piece of store.read(`sizes/${sizes.at(-1)}`)) {
      expect(piece.byteLength).toBeGreaterThan(0);
      break;
    }
    expect(await store.stat("sizes/1")).toBeDefined();
  });

  test.runIf(repeatsNothing)("what is done is counted", async () => {
    const counting = await open();
    await counting.put("counted", new Uint8Array(1000));
    await counting.get("counted");
    await counting.get("counted", { range: { start: 0, end: 10 } });
    await counting.stat("counted");
    await listed(counting.list("counted"));
    await counting.delete(["counted"]);
    expect(counting.counts).toEqual({
      ...{ puts: 1, gets: 2, heads: 1, lists: 1, deletes: 1 },
      ...{ bytesWritten: 1000, bytesRead: 1010, retries: 0, throttled: 0 },
    });
    counting.close();
  });

  test("a store that was closed does nothing more", async () => {
    const closed = await open();
    const open1 = closed.get("sizes/1");
    closed.close();
    await expect(open1).rejects.toMatchObject({ code: "CLOSED" });
    await expect(closed.get("sizes/1")).rejects.toMatchObject({ code: "CLOSED" });
  });

  test("its URL opens it again", async () => {
    await store.put("again", bytesOf("again"));
    const again = await open();
    expect(again.url).toBe(store.url);
    again.close();
  });
}
