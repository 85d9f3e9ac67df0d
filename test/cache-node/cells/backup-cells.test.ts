import { describe, expect, test } from "vitest";
import type { Group } from "../../../src/ids.ts";
import { jobNumber, nodeId } from "../../../src/ids.ts";
import type { Effect } from "../../../src/wire/cell.ts";
import { encodeVersion } from "../../../src/wire/version.ts";
import { effectOf } from "../replication/effects.ts";
import { type Cells, createCells, job, mapOf } from "./cells-fixture.ts";

const group = 0 as Group;
const primary = nodeId(2);
const code = (expected: string) => expect.objectContaining({ code: expected });

/** This node is a backup of node 2. */
const createBackup = (): Promise<Cells> => createCells([2, 1, 3]);

function shown({ cells }: Cells, key = "key"): string | undefined {
  const cell = cells.get(job, group, key);
  return cell?.block === undefined ? cell?.kind : cell.block.view().toString();
}

const write = (sequence: number, value: string, change: Partial<Effect> = {}): Effect =>
  effectOf(sequence, { value: Buffer.from(value), ...change });

/** Of generation 1 unless it says another. */
const inGeneration = (generation: number, sequence: number, value: string): Effect =>
  write(sequence, value, { version: { generation, sequence } });

/** Begins a generation behind `[generation, sequence]`. */
const activate = (generation: number, before: readonly [number, number]): Effect =>
  effectOf(before[1] + 1, {
    ...{ kind: "activate", version: { generation, sequence: before[1] + 1 }, key: new Uint8Array(0) },
    value: encodeVersion({ generation: before[0], sequence: before[1] }),
  });

describe("effects", () => {
  test("are applied in the order of their sequence", async () => {
    const fixture = await createBackup();
    expect(fixture.backup.apply(primary, [write(1, "one"), write(2, "two")])).toEqual([]);
    expect(shown(fixture)).toBe("two");
    fixture.backup.apply(primary, [effectOf(3, { kind: "deleted", value: new Uint8Array(0) })]);
    expect(shown(fixture)).toBeUndefined();
  });

  test("that are sent again are skipped", async () => {
    const fixture = await createBackup();
    const effects = [write(1, "one"), write(2, "two")];
    fixture.backup.apply(primary, effects);
    expect(fixture.backup.apply(primary, [...effects, write(3, "three")])).toEqual([]);
    expect(fixture.backup.apply(primary, [effects[0]!])).toEqual([]);
    expect(shown(fixture)).toBe("three");
  });

  test("behind a gap are refused, and what came before the gap stays", async () => {
    const fixture = await createBackup();
    expect(fixture.backup.apply(primary, [write(1, "one"), write(3, "three")])).toEqual([group]);
    expect(shown(fixture)).toBe("one");
    expect(fixture.backup.apply(primary, [write(4, "four")])).toEqual([group]);
    expect(fixture.backup.apply(primary, [write(2, "two"), write(3, "three")])).toEqual([]);
    expect(shown(fixture)).toBe("three");
  });

  test("behind a refused one are not looked at, and other groups go on", async () => {
    const fixture = await createBackup();
    const elsewhere = { group: 5 as Group };
    const batch = [
      write(2, "gap"),
      write(1, "other", elsewhere),
      write(1, "one"),
      write(2, "more", elsewhere),
    ];
    expect(fixture.backup.apply(primary, batch)).toEqual([group]);
    expect(shown(fixture)).toBeUndefined();
    expect(
      fixture.cells
        .get(job, 5 as Group, "key")
        ?.block?.view()
        .toString(),
    ).toBe("more");
  });

  test("of a job that has ended count as taken, and leave nothing", async () => {
    const fixture = await createBackup();
    fixture.jobs.adopt({ version: 1, highest: 1, jobs: [] });
    fixture.backup.apply(primary, [write(1, "one")]);
    expect(shown(fixture)).toBeUndefined();
    expect(fixture.backup.apply(primary, [write(2, "two", { job: jobNumber(2) })])).toEqual([]);
    expect(fixture.jobs.known()).toEqual([2]);
  });
});

describe("senders", () => {
  test("other than the primary of the row are refused, whatever they were before: the seal", async () => {
    const fixture = await createBackup();
    expect(() => fixture.backup.apply(nodeId(3), [write(1, "x")])).toThrow(code("MOVED"));
    fixture.backup.apply(primary, [write(1, "one")]);
    fixture.adopt(mapOf([3, 1], { generation: 2 }));
    expect(() => fixture.backup.apply(primary, [write(2, "x")])).toThrow(/^1\.2 node 2 is not the primary/);
    fixture.adopt(mapOf([1, 2], { generation: 3 }));
    expect(() => fixture.backup.apply(primary, [write(2, "x")])).toThrow(code("MOVED"));
    expect(shown(fixture)).toBe("one");
  });

  test("whose row this node is not in are refused", async () => {
    const fixture = await createBackup();
    fixture.adopt(mapOf([2, 3], { generation: 2 }));
    expect(() => fixture.backup.apply(primary, [write(1, "x")])).toThrow(code("MOVED"));
  });

  test("with a row newer than this node's map are sent away until the map has come", async () => {
    const fixture = await createBackup();
    const effect = activate(2, [1, 0]);
    expect(() => fixture.backup.apply(primary, [effect])).toThrow(code("MOVED"));
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    expect(fixture.backup.apply(primary, [effect, inGeneration(2, 2, "x")])).toEqual([]);
    expect(shown(fixture)).toBe("x");
  });

  test("with an older row go on until they have the newer map, if they lead that too", async () => {
    const fixture = await createBackup();
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    expect(fixture.backup.apply(primary, [write(1, "one")])).toEqual([]);
    expect(fixture.backup.apply(primary, [activate(2, [1, 1])])).toEqual([]);
    expect(shown(fixture)).toBe("one");
  });
});

describe("generations", () => {
  test("begin behind exactly what this node has, and the sequence runs on", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(2, "two")]);
    fixture.adopt(mapOf([3, 1], { generation: 2 }));
    const begin = [activate(2, [1, 2]), inGeneration(2, 4, "next")];
    expect(fixture.backup.apply(nodeId(3), begin)).toEqual([]);
    expect(shown(fixture)).toBe("next");
    expect(fixture.backup.apply(nodeId(3), begin)).toEqual([]);
  });

  test.each([
    ["less than this node has", [1, 1]],
    ["more than this node has", [1, 3]],
    ["a generation that this node has not seen", [2, 2]],
  ] as const)("that begin behind %s are refused", async (_, before) => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(2, "two")]);
    fixture.adopt(mapOf([3, 1], { generation: 3 }));
    expect(fixture.backup.apply(nodeId(3), [activate(3, before), inGeneration(3, 4, "x")])).toEqual([group]);
    expect(shown(fixture)).toBe("two");
  });

  test("do not begin with anything else", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one")]);
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    expect(fixture.backup.apply(primary, [inGeneration(2, 2, "x")])).toEqual([group]);
    expect(shown(fixture)).toBe("one");
  });

  test("skip what is sent again of the one before, but not what another primary logged there", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(2, "two")]);
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    fixture.backup.apply(primary, [activate(2, [1, 2]), inGeneration(2, 4, "new")]);
    expect(fixture.backup.apply(primary, [write(2, "two")])).toEqual([]);
    // Never was in this node's log: to say that it is here would be a lie, and acknowledge a write that will be lost.
    for (const sequence of [3, 4, 5]) {
      expect(fixture.backup.apply(primary, [write(sequence, "stray")])).toEqual([group]);
    }
    expect(shown(fixture)).toBe("new");
  });

  test("two before are not known to be what is here", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one")]);
    fixture.adopt(mapOf([2, 1], { generation: 3 }));
    fixture.backup.apply(primary, [activate(2, [1, 1]), activate(3, [2, 2])]);
    expect(fixture.backup.apply(primary, [inGeneration(2, 2, "activated")])).toEqual([]);
    expect(fixture.backup.apply(primary, [inGeneration(1, 2, "stray")])).toEqual([group]);
  });

  test("in which the row was born anew void what this node has", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one", { sessionSequence: 1 }), write(2, "two")]);
    fixture.adopt(mapOf([3, 1], { generation: 4, born: 4 }));
    expect(shown(fixture)).toBeUndefined();
    expect(fixture.cells.result(job, group, "sessions", 1)).toBeUndefined();
    expect([fixture.memory.job(job).liveBytes, fixture.memory.job(job).indexBytes]).toEqual([0, 0]);
    expect(fixture.backup.apply(nodeId(3), [activate(4, [4, 0]), inGeneration(4, 2, "new")])).toEqual([]);
    expect(shown(fixture)).toBe("new");
  });

  test("without this node free what it has, and it joins again with nothing", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one")]);
    fixture.adopt(mapOf([2, 3], { generation: 2 }));
    expect(shown(fixture)).toBeUndefined();
    expect(fixture.memory.job(job).indexBytes).toBe(0);
    fixture.adopt(mapOf([2, 3], { generation: 3, joining: [1] }));
    expect(fixture.backup.apply(primary, [activate(3, [1, 1])])).toEqual([group]);
  });
});

describe("memory", () => {
  /** Takes all memory that a small value could find; returns how it is given back. */
  function fill({ memory, clock }: Cells): () => void {
    const hog = memory.job(jobNumber(99));
    for (let bytes = 2 ** 20; bytes >= 8; ) if (hog.allocate(bytes) === undefined) bytes /= 2;
    for (let bytes = 2 ** 20; bytes >= 8; ) if (!hog.charge(bytes)) bytes /= 2;
    return () => {
      memory.endJob(jobNumber(99));
      void clock.advance(10);
    };
  }

  test("that is not there hides no effect: what comes behind it is refused until it has come", async () => {
    const fixture = await createBackup();
    fixture.backup.apply(primary, [write(1, "one")]);
    const release = fill(fixture);
    const large = (sequence: number): Effect =>
      write(sequence, "x".repeat(16_000), { key: Buffer.from(`k${sequence}`) });
    expect(() => fixture.backup.apply(primary, [large(2)])).toThrow(code("BUSY"));
    release();
    expect(fixture.backup.apply(primary, [large(3)])).toEqual([group]);
    expect(fixture.backup.apply(primary, [large(2), large(3)])).toEqual([]);
    expect(shown(fixture, "k2")).toHaveLength(16_000);
    expect(shown(fixture, "k3")).toHaveLength(16_000);
  });
});

test("what is left of an expired key is forgotten in time, with what it cost", async () => {
  const fixture = await createBackup();
  fixture.backup.apply(primary, [
    write(1, "one"),
    effectOf(2, { kind: "expired", value: new Uint8Array(0) }),
  ]);
  fixture.backup.tick();
  await fixture.clock.advance(9 * 60_000);
  fixture.backup.tick();
  expect(shown(fixture)).toBe("expired");
  await fixture.clock.advance(2 * 60_000);
  fixture.backup.tick();
  expect(shown(fixture)).toBeUndefined();
  expect(fixture.memory.job(job).indexBytes).toBe(0);
});

test("an expired key that was written again is not forgotten", async () => {
  const fixture = await createBackup();
  const expired = effectOf(1, { kind: "expired", value: new Uint8Array(0) });
  fixture.backup.apply(primary, [expired, write(2, "again")]);
  await fixture.clock.advance(20 * 60_000);
  fixture.backup.tick();
  expect(shown(fixture)).toBe("again");
});
