import { describe, expect, test } from "vitest";
import type { Group } from "../../../src/ids.ts";
import { jobNumber, nodeId } from "../../../src/ids.ts";
import type { Effect } from "../../../src/wire/cell.ts";
import { effectOf } from "../replication/effects.ts";
import { type Cells, createCells, job, mapOf } from "./cells-fixture.ts";

const group = 0 as Group;
const primary = nodeId(2);
const code = (expected: string) => expect.objectContaining({ code: expected });

/** This node is a backup of node 2. */
const createBackup = (): Cells => createCells([2, 1, 3]);

function shown({ cells }: Cells, key = "key"): string | undefined {
  const cell = cells.get(job, group, key);
  return cell?.block === undefined ? cell?.kind : cell.block.view().toString();
}

const write = (sequence: number, value: string, change: Partial<Effect> = {}): Effect =>
  effectOf(sequence, { value: Buffer.from(value), ...change });

describe("effects", () => {
  test("are applied in the order of their sequence", () => {
    const fixture = createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(2, "two")]);
    expect(shown(fixture)).toBe("two");
    fixture.backup.apply(primary, [effectOf(3, { kind: "deleted", value: new Uint8Array(0) })]);
    expect(shown(fixture)).toBeUndefined();
  });

  test("that are sent again are skipped", () => {
    const fixture = createBackup();
    const effects = [write(1, "one"), write(2, "two")];
    fixture.backup.apply(primary, effects);
    fixture.backup.apply(primary, [...effects, write(3, "three")]);
    fixture.backup.apply(primary, [effects[0]!]);
    expect(shown(fixture)).toBe("three");
  });

  test("behind a gap are refused, and what came before the gap stays", () => {
    const fixture = createBackup();
    expect(() => fixture.backup.apply(primary, [write(1, "one"), write(3, "three")])).toThrow(
      code("PROTOCOL"),
    );
    expect(shown(fixture)).toBe("one");
    expect(() => fixture.backup.apply(primary, [write(4, "four")])).toThrow(
      /1\.4 of group 0 leaves a gap behind 1/,
    );
    fixture.backup.apply(primary, [write(2, "two"), write(3, "three")]);
    expect(shown(fixture)).toBe("three");
  });

  test("of a group that is not begun with its first are refused", () => {
    const fixture = createBackup();
    expect(() => fixture.backup.apply(primary, [write(2, "two")])).toThrow(code("PROTOCOL"));
    expect(shown(fixture)).toBeUndefined();
  });

  test("of groups do not depend on one another", () => {
    const fixture = createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(1, "other", { group: 5 as Group })]);
    fixture.backup.apply(primary, [write(2, "more", { group: 5 as Group }), write(2, "two")]);
    expect(shown(fixture)).toBe("two");
  });

  test("of a job that has ended count as taken, and leave nothing", () => {
    const fixture = createBackup();
    fixture.jobs.adopt({ version: 1, highest: 1, jobs: [] });
    fixture.backup.apply(primary, [write(1, "one")]);
    expect(shown(fixture)).toBeUndefined();
    fixture.backup.apply(primary, [write(2, "two", { job: jobNumber(2) })]);
    expect(fixture.jobs.known()).toEqual([2]);
  });
});

describe("senders", () => {
  test("other than the primary of the row are refused", () => {
    const fixture = createBackup();
    expect(() => fixture.backup.apply(nodeId(3), [write(1, "x")])).toThrow(code("MOVED"));
    fixture.adopt(mapOf([2, 3], { generation: 2 }));
    expect(() => fixture.backup.apply(primary, [write(1, "x")])).toThrow(code("MOVED"));
    fixture.adopt(mapOf([1, 2], { generation: 3 }));
    expect(() => fixture.backup.apply(primary, [write(1, "x")])).toThrow(/^1\.3 node 2 is not the primary/);
    expect(shown(fixture)).toBeUndefined();
  });

  test("that were declared dead are refused", () => {
    const fixture = createBackup();
    fixture.adopt(mapOf([2, 1, 3], { generation: 1, n: 2, dead: [2] }));
    expect(() => fixture.backup.apply(primary, [write(1, "x")])).toThrow(/declared dead/);
  });

  test("with a row newer than this node's map are sent away until the map has come", () => {
    const fixture = createBackup();
    const effect = write(1, "x", { version: { generation: 2, sequence: 1 } });
    expect(() => fixture.backup.apply(primary, [effect])).toThrow(code("MOVED"));
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    fixture.backup.apply(primary, [effect]);
    expect(shown(fixture)).toBe("x");
  });

  test("follow one another: a new primary begins a new sequence", () => {
    const fixture = createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(2, "two")]);
    fixture.adopt(mapOf([3, 1], { generation: 2 }));
    const next = write(1, "next", { version: { generation: 2, sequence: 1 } });
    fixture.backup.apply(nodeId(3), [next]);
    expect(shown(fixture)).toBe("next");
  });
});

describe("generations", () => {
  test("of one primary follow one another, and what is sent again of the older one is skipped", () => {
    const fixture = createBackup();
    fixture.backup.apply(primary, [write(1, "one"), write(2, "two")]);
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    fixture.backup.apply(primary, [write(1, "new", { version: { generation: 2, sequence: 1 } })]);
    fixture.backup.apply(primary, [write(2, "two")]);
    expect(shown(fixture)).toBe("new");
  });

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

  test("do not hide an effect that found no memory", () => {
    const fixture = createBackup();
    fixture.backup.apply(primary, [write(1, "one")]);
    const release = fill(fixture);
    const large = (sequence: number, generation = 1): Effect =>
      write(sequence, "x".repeat(16_000), {
        version: { generation, sequence },
        key: Buffer.from(`k${sequence}`),
      });
    expect(() => fixture.backup.apply(primary, [large(2)])).toThrow(code("BUSY"));
    release();
    fixture.adopt(mapOf([2, 1], { generation: 2 }));
    // Was under way behind it: taken, the one before would be skipped for ever.
    expect(() => fixture.backup.apply(primary, [large(1, 2)])).toThrow(code("PROTOCOL"));
    fixture.backup.apply(primary, [large(2), large(1, 2)]);
    expect(shown(fixture, "k2")).toHaveLength(16_000);
    expect(shown(fixture, "k1")).toHaveLength(16_000);
  });

  test("go on when the row was left and joined again", () => {
    const fixture = createBackup();
    const release = fill(fixture);
    expect(() => fixture.backup.apply(primary, [write(1, "x".repeat(16_000))])).toThrow(code("BUSY"));
    release();
    fixture.adopt(mapOf([2, 3], { generation: 2 }));
    fixture.adopt(mapOf([2, 1], { generation: 3 }));
    fixture.backup.apply(primary, [write(1, "new", { version: { generation: 3, sequence: 1 } })]);
    expect(shown(fixture)).toBe("new");
  });
});

test("what is left of an expired key is forgotten in time, with what it cost", async () => {
  const fixture = createBackup();
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
  const fixture = createBackup();
  const expired = effectOf(1, { kind: "expired", value: new Uint8Array(0) });
  fixture.backup.apply(primary, [expired, write(2, "again")]);
  await fixture.clock.advance(20 * 60_000);
  fixture.backup.tick();
  expect(shown(fixture)).toBe("again");
});
