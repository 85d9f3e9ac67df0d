import { beforeEach, describe, expect, test } from "vitest";
import { jobNumber, type NodeId, objectId } from "../../../src/ids.ts";
import { anyBytes } from "../../support/written-keys.ts";
import type { CodedObject } from "./coded-object.ts";
import { FakeFleet, job } from "./fake-fleet.ts";

const code = { d: 2, p: 1 };
const orphans = { checkMs: 1000, afterMs: 10_000, confirmedMs: 100_000 };

let fleet: FakeFleet;

beforeEach(() => {
  fleet = new FakeFleet({ nodes: 5, orphans });
  for (const { relocation } of fleet.nodes.values()) relocation.start();
});

const write = (key: string, placed = [1, 2, 3]): CodedObject =>
  fleet.write(key, anyBytes(40_000), code, [placed]);
const store = (key: string, placed = [1, 2, 3]): CodedObject =>
  fleet.store(key, anyBytes(40_000), code, [placed]);
const count = (): number => [...fleet.nodes.values()].reduce((sum, { shards }) => sum + shards.count(), 0);
const asked = (name: string): number => fleet.asked.filter((each) => each.name === name).length;

describe("shards that nothing names", () => {
  test("of a writer that died before its commit are freed, and its late commit is refused", async () => {
    const kept = write("kept");
    const orphan = store("a");
    await fleet.clock.advance(orphans.afterMs);
    expect(count()).toBe(6);
    await fleet.clock.advance(5000);
    expect(count()).toBe(3);
    expect(fleet.faults("kept")).toEqual([]);
    expect([...fleet.aborted]).toEqual([orphan.ref.object]);
    expect(() => fleet.commit(orphan)).toThrow(expect.objectContaining({ code: "FREED" }));
    fleet.commit(kept);
  });

  test("left on a node that the committed ref does not name are freed there alone", async () => {
    const coded = write("a");
    fleet.put(coded, coded.shards[0]!, 4 as NodeId);
    await fleet.clock.advance(15_000);
    expect(fleet.strays()).toEqual([]);
    expect(fleet.faults("a")).toEqual([]);
    expect(fleet.aborted.size).toBe(0);
  });

  test("of an object that was deleted while a holder could not be reached are found in time", async () => {
    write("a");
    await fleet.clock.advance(15_000);
    fleet.delete("a");
    await fleet.clock.advance(50_000);
    expect(count()).toBe(3);
    await fleet.clock.advance(60_000);
    expect(count()).toBe(0);
  });

  test("after a node went, what was confirmed is asked about anew", async () => {
    write("a");
    await fleet.clock.advance(15_000);
    fleet.delete("a");
    fleet.change({ 5: "dead" });
    await fleet.clock.advance(15_000);
    expect(fleet.strays()).toEqual([]);
  });

  test("of ids without a group are left to the end of their job", async () => {
    const coded = store("a");
    const space = fleet.node(1).shards.reserve(job, 100)!;
    fleet.node(1).shards.keep({ object: objectId(Buffer.alloc(16, 255)), stripe: 0, index: 0 }, space, 100);
    await fleet.clock.advance(30_000);
    expect(count()).toBe(1);
    expect(fleet.aborted.has(coded.ref.object)).toBe(true);
  });
});

describe("shards that stay", () => {
  test("of committed objects, always, and they are asked about rarely", async () => {
    for (let i = 0; i < 20; i++) write(`k${i}`, [1 + (i % 5), 1 + ((i + 1) % 5), 1 + ((i + 2) % 5)]);
    await fleet.clock.advance(300_000);
    expect(count()).toBe(60);
    for (let i = 0; i < 20; i++) expect(fleet.faults(`k${i}`)).toEqual([]);
    expect(asked("MF.OBJECT.CHECK")).toBeLessThan(3 * 60);
    expect(asked("MF.OBJECT.FRESH")).toBe(0);
  });

  test("of a slow writer, whose newer shards come to other nodes", async () => {
    const coded = store("slow");
    const [spare] = coded.shards;
    for (let i = 0; i < 8; i++) {
      await fleet.clock.advance(8000);
      fleet.put(coded, { ...spare!, stripe: 1 + i }, 4 as NodeId);
    }
    expect(fleet.aborted.size).toBe(0);
    expect(asked("MF.OBJECT.FRESH")).toBeGreaterThan(0);
    fleet.commit(coded);
    await fleet.clock.advance(20_000);
    expect(fleet.faults("slow")).toEqual([]);
  });

  test("as long as some node cannot be asked whether it got one lately", async () => {
    store("a");
    const elsewhere = [4, 5].find((id) => id !== fleet.primary("a").id)!;
    fleet.node(elsewhere).down = true;
    await fleet.clock.advance(40_000);
    expect(fleet.aborted.size).toBe(0);
    expect(count()).toBe(3);
    fleet.change({ [elsewhere]: "dead" });
    await fleet.clock.advance(30_000);
    expect(fleet.aborted.size).toBe(1);
    expect(fleet.strays()).toEqual([]);
  });

  test("while the primary cannot be reached", async () => {
    const key = ["a", "b", "c", "d", "e", "f"].find((each) => fleet.primary(each).id > 3)!;
    store(key);
    fleet.primary(key).down = true;
    await fleet.clock.advance(40_000);
    expect([count(), fleet.aborted.size]).toEqual([3, 0]);
  });

  test("that a relocation has just written, until the ref names them", async () => {
    const wide = new FakeFleet({ nodes: 4, orphans });
    for (const { relocation } of wide.nodes.values()) relocation.start();
    wide.write("a", anyBytes(40_000), code, [[1, 2, 3]]);
    let hold = true;
    wide.onRelocate = async () => {
      while (hold) await new Promise<void>((resolve) => wide.clock.after(100, resolve));
    };
    const id = [1, 2, 3].find((each) => each !== wide.primary("a").id)!;
    wide.change({ [id]: "draining" });
    await wide.clock.advance(60_000);
    expect(wide.node(4).shards.count()).toBe(1);
    hold = false;
    await wide.relocated();
    expect(wide.faults("a")).toEqual([]);
  });

  test("that arrive anew while the verdict on the old one is on its way", async () => {
    const coded = write("a");
    const spare = coded.shards[0]!;
    const holder = [4, 5].find((id) => id !== fleet.primary("a").id)! as NodeId;
    fleet.put(coded, spare, holder);
    let again = 0;
    fleet.onAsk = ({ name, from }) => {
      if (name !== "MF.OBJECT.CHECK" || from !== holder) return;
      again += 1;
      fleet.put(coded, spare, holder);
    };
    await fleet.clock.advance(14_000);
    expect(again).toBe(1);
    expect(fleet.shardOn(holder, coded, 0, 0)).toBeDefined();
  });

  test("of a job that the primary knows to have ended: its end frees them", async () => {
    const coded = store("a");
    for (const { jobs } of fleet.nodes.values()) jobs.adopt({ version: 1, highest: 5, jobs: [] });
    await fleet.clock.advance(40_000);
    expect(fleet.aborted.size).toBe(0);
    expect(coded.job).toBe(jobNumber(1));
  });
});

test("who asks by a newer map than the primary's is told to ask later", async () => {
  const coded = store("a");
  const { judge } = fleet.primary("a").relocation;
  const shards = [{ object: coded.ref.object, stripe: 0, index: 0 }];
  const question = { holder: 1 as NodeId, job, group: 0, shards };
  const group = coded.ref.object.charCodeAt(0) * 256 + coded.ref.object.charCodeAt(1);
  const newer = { term: 1, n: 99 };
  const verdicts = await judge.judge({ ...question, group: group as never, epoch: newer });
  expect(verdicts).toEqual(["later"]);
});
