import { describe, expect, test } from "vitest";
import { MayflyError } from "../../../src/errors.ts";
import { type Group, nodeId } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { encodeRef } from "../../../src/wire/ref.ts";
import { effectOf } from "../replication/effects.ts";
import {
  acknowledge,
  type Cells,
  createCells,
  grantMs,
  job,
  mapOf,
  mutationAt,
  serve,
  setCell,
  turn,
  watch,
} from "./cells-fixture.ts";

const key = Buffer.from("key");
const group = groupOf(key);
const only = { only: group };
const code = (expected: string) => expect.objectContaining({ code: expected });
const read = ({ primary }: Cells): string | undefined =>
  primary.read(job, key).cell?.block?.view().toString();
const write = (fixture: Cells, value: string) =>
  watch(setCell(fixture, mutationAt("key"), "bytes", Buffer.from(value), 0));
const kinds = ({ deliveries }: Cells): string[] =>
  deliveries.flatMap(({ to, effects }) => effects.map(({ kind }) => `${to} ${kind}`));

describe("a primary", () => {
  test("serves once all full members have what it has, and tells the controller how many rows wait", async () => {
    const fixture = await createCells([2, 1, 3], only);
    fixture.adopt(mapOf([1, 2, 3], { ...only, generation: 2 }));
    expect(fixture.replicas.report()).toMatchObject({ rowsPending: 1, unfit: [] });
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    expect([fixture.rows.leads(group), fixture.rows.serves(group)]).toEqual([true, false]);
    await turn();
    await acknowledge(fixture, 2);
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    await acknowledge(fixture, 3);
    expect(read(fixture)).toBeUndefined();
    expect(fixture.activated).toEqual([group]);
    expect(fixture.replicas.report()).toMatchObject({ rowsPending: 0, unfit: [] });
  });

  test("waits until what it granted the one before is over, and not for one that it granted nothing", async () => {
    const fixture = await createCells([2, 1, 3], only);
    fixture.replicas.grant(nodeId(2), { term: 1, n: 1 });
    await fixture.clock.advance(400);
    fixture.adopt(mapOf([1, 3], { ...only, generation: 2, dead: [2] }));
    await turn();
    expect(fixture.deliveries).toEqual([]);
    expect(fixture.replicas.report().rowsPending).toBe(1);
    // A map that brings another generation does not let it forget.
    await fixture.clock.advance(300);
    fixture.adopt(mapOf([1], { ...only, generation: 3, dead: [2, 3] }));
    await fixture.clock.advance(grantMs - 701);
    expect(fixture.rows.serves(group)).toBe(false);
    await fixture.clock.advance(1);
    expect(fixture.rows.serves(group)).toBe(true);
    await fixture.clock.advance(1000);
    expect(read(fixture)).toBeUndefined();
  });

  test("waits no longer once the one before says that it has heard", async () => {
    const fixture = await createCells([2, 1, 3], only);
    fixture.replicas.grant(nodeId(2), { term: 1, n: 1 });
    let hears = (): void => undefined;
    fixture.sealing.answer = (to) => {
      expect(to).toBe(2);
      return new Promise((resolve) => {
        hears = resolve;
      });
    };
    fixture.adopt(mapOf([1], { ...only, generation: 2 }));
    await fixture.clock.advance(10);
    expect(fixture.rows.serves(group)).toBe(false);
    hears();
    await turn();
    expect(fixture.rows.serves(group)).toBe(true);
  });

  test("reads nothing without the grants of all backups, which it renews", async () => {
    const fixture = await createCells([1, 2, 3], only);
    const written = write(fixture, "value");
    await turn();
    await serve(fixture);
    expect(written.outcome).toBe("done");
    await fixture.clock.advance(10_000);
    expect(read(fixture)).toBe("value");
    fixture.granting.answer = (to) => {
      if (to === 3) throw new MayflyError("NODE_UNREACHABLE", "away");
      return grantMs;
    };
    await fixture.clock.advance(grantMs);
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    expect(fixture.replicas.report().unreachable).toEqual([3]);
    // Nor does it decide by what it reads.
    const condition = setCell(fixture, mutationAt("key", { condition: "absent" }), "bytes", key, 0);
    await expect(condition).rejects.toMatchObject({ code: "UNAVAILABLE", retryAfterMs: 20 });
    await expect(fixture.primary.delete(mutationAt("{key}gone"))).rejects.toMatchObject({
      code: "UNAVAILABLE",
    });
    // Writes need no grants: they are acknowledged by the backups.
    const next = write(fixture, "next");
    await turn();
    await serve(fixture);
    expect(next.outcome).toBe("done");
    fixture.granting.answer = () => grantMs;
    await fixture.clock.advance(grantMs / 2);
    expect(read(fixture)).toBe("next");
    expect(fixture.replicas.report().unreachable).toEqual([]);
  });

  test("that stood still reads nothing before it has asked again", async () => {
    const fixture = await createCells([1, 2], only);
    expect(read(fixture)).toBeUndefined();
    fixture.clock.freeze(grantMs);
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    await fixture.clock.advance(1);
    expect(read(fixture)).toBeUndefined();
  });

  test("needs no grant of a backup that has left the row, and needs that of an included joiner", async () => {
    const fixture = await createCells([1, 2, 3], only);
    const granting = new Set([2]);
    fixture.granting.answer = (to) => {
      if (!granting.has(to)) throw new MayflyError("NODE_UNREACHABLE", "away");
      return grantMs;
    };
    await fixture.clock.advance(grantMs);
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    fixture.adopt(mapOf([1, 2], { ...only, generation: 2, joining: [4], dead: [3] }));
    await fixture.clock.advance(1);
    expect(read(fixture)).toBeUndefined();
    await serve(fixture);
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    granting.add(4);
    await fixture.clock.advance(grantMs / 2);
    expect(read(fixture)).toBeUndefined();
  });

  test("that goes on in the next generation serves all the while", async () => {
    const fixture = await createCells([1, 2, 3], only);
    fixture.adopt(mapOf([1, 2], { ...only, generation: 2, dead: [3] }));
    expect(fixture.rows.serves(group)).toBe(true);
    await turn();
    expect(kinds(fixture)).toEqual(["2 activate"]);
    expect(fixture.activated).toEqual([group]);
  });

  test("that missed a generation starts over: who was a backup meanwhile may have something else", async () => {
    const fixture = await createCells([1, 2, 3], only);
    const written = write(fixture, "value");
    const waiting: (string | undefined)[] = [];
    fixture.waits.add(job, group, "key", 10_000, (error) => waiting.push(error?.code));
    await turn();
    await acknowledge(fixture, 2);
    fixture.deliveries.length = 0;
    fixture.adopt(mapOf([1, 2, 3], { ...only, generation: 3 }));
    await turn();
    expect([written.outcome, waiting]).toEqual(["UNAVAILABLE", ["UNAVAILABLE"]]);
    expect(fixture.rows.serves(group)).toBe(false);
    expect(kinds(fixture)).toEqual(["2 activate", "3 activate"]);
    await acknowledge(fixture, 2);
    fixture.deliveries.find(({ to }) => to === 3)!.acknowledge([group]);
    await turn();
    expect(fixture.rows.serves(group)).toBe(false);
    expect(kinds(fixture).at(-1)).toBe("3 snapshot");
    await acknowledge(fixture, 3);
    expect(fixture.rows.serves(group)).toBe(true);
    expect(read(fixture)).toBe("value");
  });
});

describe("a row that this node should lead and cannot", () => {
  test("is reported once, and as long as it is so", async () => {
    const fixture = await createCells([2, 3], only);
    const { news } = fixture.state;
    fixture.adopt(mapOf([1, 2], { ...only, generation: 2 }));
    await fixture.clock.advance(1000);
    expect(fixture.replicas.report()).toMatchObject({ unfit: [[group, 2]], rowsPending: 1 });
    expect(fixture.state.news).toBe(news + 1);
    expect(() => read(fixture)).toThrow(code("UNAVAILABLE"));
    expect(fixture.deliveries).toEqual([]);
    fixture.adopt(mapOf([2, 1], { ...only, generation: 3 }));
    expect(fixture.replicas.report()).toMatchObject({ unfit: [], rowsPending: 0 });
  });

  test("is led after all when it is born anew", async () => {
    const fixture = await createCells([2, 3], only);
    fixture.adopt(mapOf([1, 2], { ...only, generation: 2 }));
    fixture.adopt(mapOf([1], { ...only, generation: 3, born: 3 }));
    expect(fixture.rows.serves(group)).toBe(true);
  });

  test("is one whose snapshot had only begun to come", async () => {
    const fixture = await createCells([2, 3], { ...only, joining: [1] });
    const first = { kind: "snapshot", sessionSequence: 0, sessionFloor: 2, group } as const;
    expect(fixture.backup.apply(nodeId(2), [effectOf(5, first)])).toEqual([]);
    fixture.adopt(mapOf([1, 3], { ...only, generation: 2 }));
    expect(fixture.replicas.report().unfit).toEqual([[group, 2]]);
  });
});

test("whoever leads next frees what was replaced while the one before resigned, and nothing that is there", async () => {
  const fixture = await createCells([2, 1], only);
  const refs = ["a", "b"].map((name) => {
    const ref = { object: name.repeat(16) as never, key, sizeBytes: 0 };
    return encodeRef({ ...ref, code: { d: 1, p: 0 }, stripes: [] });
  });
  const effects = refs.map((value, at) => effectOf(at + 1, { group, kind: "ref", key, value }));
  expect(fixture.backup.apply(nodeId(2), effects)).toEqual([]);
  expect(fixture.freed).toEqual([]);
  fixture.adopt(mapOf([1], { ...only, generation: 2 }));
  expect(fixture.freed.map(({ object }) => object)).toEqual(["a".repeat(16)]);
});

test("a node that is told of another primary, or of none, resigns, and tells those who wait where to go", async () => {
  for (const row of [[2, 1, 3], [2, 3], []]) {
    const fixture = await createCells([1, 2, 3], only);
    const waiting: (string | undefined)[] = [];
    fixture.waits.add(job, group, "key", 10_000, (error) => waiting.push(error?.code));
    fixture.adopt(mapOf(row, { ...only, generation: 2 }));
    expect(waiting).toEqual(["MOVED"]);
    expect(() => read(fixture)).toThrow(code("MOVED"));
    expect([fixture.rows.leads(group), fixture.logs.leads(group)]).toEqual([false, false]);
  }
});

test("a row of none that it was in leaves nothing here", async () => {
  const fixture = await createCells([1], only);
  await setCell(fixture, mutationAt("key"), "bytes", key, 0);
  expect(fixture.memory.job(job).indexBytes).toBeGreaterThan(0);
  fixture.adopt(mapOf([2], { ...only, generation: 2 }));
  expect(fixture.memory.job(job).indexBytes).toBe(0);
  expect(fixture.cells.get(job, group as Group, "key")).toBeUndefined();
});

test("what was sent by a map from before this node led the row was meant for it in another life", async () => {
  const fixture = await createCells([2, 1], only);
  fixture.adopt(mapOf([1, 2], { ...only, generation: 2 }));
  await turn();
  await serve(fixture);
  const named = (epoch: string) => {
    const set = setCell(fixture, mutationAt("key", { epoch }), "bytes", key, 0);
    return watch(set);
  };
  const [old, now, newer] = [named("1.1"), named("1.2"), named("1.3")];
  await turn();
  await serve(fixture);
  expect([old.outcome, now.outcome, newer.outcome]).toEqual(["MOVED", "done", "done"]);
});

test("one that is closed leads nothing", async () => {
  const fixture = await createCells([1], only);
  expect(fixture.rows.reads(group)).toBe(true);
  fixture.replicas.close();
  expect([fixture.rows.reads(group), fixture.rows.serves(group)]).toEqual([false, false]);
  expect(() => read(fixture)).toThrow(code("MOVED"));
});
