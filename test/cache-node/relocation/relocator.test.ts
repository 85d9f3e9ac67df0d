import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MayflyError } from "../../../src/errors.ts";
import type { Group } from "../../../src/ids.ts";
import { groupOf } from "../../../src/placement/groups.ts";
import { stripeBytesMax, stripeCount } from "../../../src/wire/stripe-layout.ts";
import { anyBytes } from "../../support/written-keys.ts";
import { FakeFleet, job } from "./fake-fleet.ts";

const code42 = { d: 4, p: 2 };
const code21 = { d: 2, p: 1 };

/** `count` of the numbers 1 .. n, as a generator draws them. */
const someOf = (n: number, count: number) =>
  fc.shuffledSubarray(
    Array.from({ length: n }, (_, i) => i + 1),
    { minLength: count, maxLength: count },
  );

describe("a dead node's shards", () => {
  test.each([0, 1, 3, 4, 5])("are rebuilt elsewhere: shard %i of 4+2", async (index) => {
    const fleet = new FakeFleet({ nodes: 7 });
    fleet.write("a", anyBytes(300_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.change({ [index + 1]: "dead" });
    await fleet.relocated();
    expect(fleet.faults("a")).toEqual([]);
    expect(fleet.strays()).toEqual([]);
    expect(fleet.refAt("a").stripes![0]![index]).toBe(7);
  });

  test("of any code, size, placement and loss within p: distinct nodes, the same bytes, nothing left over", async () => {
    const objects = fc.integer({ min: 3, max: 9 }).chain((nodes) =>
      fc
        .record({ d: fc.integer({ min: 1, max: nodes - 2 }), p: fc.integer({ min: 1, max: 3 }) })
        .chain(({ d, p }) => {
          const code = { d, p: Math.min(p, nodes - 1 - d) };
          const sizes = fc.integer({ min: 1, max: 40_000 * d });
          const placed = fc.array(fc.tuple(sizes, someOf(nodes, d + code.p)), { minLength: 1, maxLength: 4 });
          const how = fc.constantFrom("dead", "draining", "gone");
          const losses = fc
            .integer({ min: 1, max: code.p })
            .chain((count) => fc.tuple(someOf(nodes, count), how));
          return fc.record({ nodes: fc.constant(nodes), code: fc.constant(code), placed, losses });
        }),
    );
    await fc.assert(
      fc.asyncProperty(objects, async ({ nodes, code, placed, losses: [lost, how] }) => {
        // Repaired on a fleet that is wide enough: as many spare nodes as are lost.
        const fleet = new FakeFleet({ nodes: nodes + lost.length });
        for (const [at, [size, stripe]] of placed.entries())
          fleet.write(`k${at}`, anyBytes(size), code, [stripe]);
        fleet.change(Object.fromEntries(lost.map((node) => [node, how])));
        await fleet.relocated();
        for (const at of placed.keys()) expect(fleet.faults(`k${at}`)).toEqual([]);
        expect(fleet.strays()).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("two at once with p = 2, in objects of several stripes", async () => {
    const fleet = new FakeFleet({ nodes: 8 });
    const bytes = anyBytes(stripeBytesMax(code42) + 700_001);
    fleet.write("a", bytes, code42, [
      [1, 2, 3, 4, 5, 6],
      [8, 7, 6, 2, 1, 3],
    ]);
    fleet.change({ 1: "dead", 2: "dead" });
    await fleet.relocated();
    expect(fleet.faults("a")).toEqual([]);
    expect(fleet.strays()).toEqual([]);
    expect(fleet.relocations).toBe(1);
  });

  test("damaged and missing shards that are met on living nodes are put back", async () => {
    const fleet = new FakeFleet({ nodes: 8 });
    const coded = fleet.write("a", anyBytes(400_000), { d: 3, p: 3 }, [[1, 2, 3, 4, 5, 6]]);
    const { object } = coded.ref;
    const damaged = fleet.node(2).shards.get(job, { object, stripe: 0, index: 1 })!.block.view();
    damaged[1000]! ^= 1;
    fleet.node(3).shards.free(job, { object, stripe: 0, index: 2 });
    fleet.change({ 1: "dead" });
    await fleet.relocated();
    expect(fleet.faults("a")).toEqual([]);
    expect(fleet.refAt("a").stripes![0]!.slice(1)).toEqual([2, 3, 4, 5, 6]);
  });
});

describe("a draining node", () => {
  test("is left by copying, and freed of what it had", async () => {
    const fleet = new FakeFleet({ nodes: 7 });
    for (let i = 0; i < 30; i++) fleet.write(`k${i}`, anyBytes(20_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.change({ 3: "draining" });
    await fleet.relocated();
    for (let i = 0; i < 30; i++) expect(fleet.faults(`k${i}`)).toEqual([]);
    expect(fleet.node(3).shards.count()).toBe(0);
    const read = fleet.asked.filter(({ name }) => name === "MF.SHARD.READ");
    expect(new Set(read.map(({ to }) => Number(to)))).toEqual(new Set([3]));
  });

  test("works without parity, too", async () => {
    const fleet = new FakeFleet({ nodes: 4 });
    fleet.write("a", anyBytes(100_000), { d: 3, p: 0 }, [[1, 2, 3]]);
    fleet.change({ 2: "draining" });
    await fleet.relocated();
    expect(fleet.faults("a")).toEqual([]);
  });

  test("whose shard is damaged: it is rebuilt", async () => {
    const fleet = new FakeFleet({ nodes: 7 });
    const { ref } = fleet.write("a", anyBytes(100_000), code42, [[1, 2, 3, 4, 5, 6]]);
    const view = fleet.node(3).shards.get(job, { object: ref.object, stripe: 0, index: 2 })!.block.view();
    view[7]! ^= 128;
    fleet.change({ 3: "draining" });
    await fleet.relocated();
    expect(fleet.faults("a")).toEqual([]);
  });

  test("while another one dies", async () => {
    const fleet = new FakeFleet({ nodes: 8 });
    for (let i = 0; i < 20; i++) fleet.write(`k${i}`, anyBytes(30_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.change({ 3: "draining" });
    await fleet.clock.advance(12);
    fleet.change({ 4: "dead" });
    await fleet.relocated();
    for (let i = 0; i < 20; i++) expect(fleet.faults(`k${i}`)).toEqual([]);
    expect(fleet.strays()).toEqual([]);
  });

  test("that dies while it is left", async () => {
    const fleet = new FakeFleet({ nodes: 8 });
    for (let i = 0; i < 20; i++) fleet.write(`k${i}`, anyBytes(30_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.change({ 3: "draining" });
    await fleet.clock.advance(8);
    fleet.change({ 3: "dead" });
    await fleet.relocated();
    for (let i = 0; i < 20; i++) expect(fleet.faults(`k${i}`)).toEqual([]);
  });
});

describe("nodes that fail in the middle", () => {
  test.each(["target", "source"] as const)("the %s of a write dies", async (which) => {
    const fleet = new FakeFleet({ nodes: 9 });
    for (let i = 0; i < 5; i++) fleet.write(`k${i}`, anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    let died = 0;
    fleet.onAsk = ({ name, to }) => {
      const wanted = which === "target" ? "MF.SHARD.WRITE" : "MF.SHARD.READ";
      if (name !== wanted || died > 0) return;
      died = to;
      fleet.node(to).down = true;
    };
    fleet.change({ 1: "dead" });
    await fleet.clock.advance(50);
    expect(died).toBeGreaterThan(0);
    fleet.change({ [died]: "dead" });
    await fleet.relocated();
    for (let i = 0; i < 5; i++) expect(fleet.faults(`k${i}`)).toEqual([]);
  });

  test("one that is frozen is passed by, as a source and as a target", async () => {
    const fleet = new FakeFleet({ nodes: 9 });
    const primary = fleet.primary("a").id;
    const others = [1, 2, 3, 4, 5, 6, 7, 8, 9].filter((id) => id !== primary);
    fleet.write("a", anyBytes(60_000), code42, [others.slice(0, 6)]);
    fleet.node(others[1]!).frozen = true;
    fleet.node(others[6]!).frozen = true;
    fleet.change({ [others[0]!]: "dead" });
    await fleet.until("it is relocated", () => fleet.relocations === 1, 20_000);
    expect(fleet.refAt("a").stripes![0]).not.toContain(others[6]);
  });

  test("one that is full leaves the shard to another", async () => {
    const fleet = new FakeFleet({ nodes: 8 });
    const primary = fleet.primary("a").id;
    const others = [1, 2, 3, 4, 5, 6, 7, 8].filter((id) => id !== primary);
    fleet.write("a", anyBytes(60_000), code42, [[primary, ...others.slice(0, 5)]]);
    fleet.node(others[5]!).full = true;
    fleet.change({ [others[0]!]: "dead" });
    await fleet.relocated();
    expect(fleet.faults("a")).toEqual([]);
    expect(fleet.refAt("a").stripes![0]).toContain(others[6]);
  });
});

describe("what happens to the key meanwhile", () => {
  test.each(["deleted", "overwritten"] as const)(
    "%s before the ref changes: the new shards are freed",
    async (how) => {
      const fleet = new FakeFleet({ nodes: 7 });
      const { ref } = fleet.write("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
      fleet.onRelocate = () => {
        fleet.onRelocate = () => undefined;
        // The primary frees what the ref named until then.
        for (const [index, node] of ref.stripes![0]!.entries()) {
          fleet.nodes.get(node)!.shards.free(job, { object: ref.object, stripe: 0, index });
        }
        if (how === "deleted") fleet.delete("a");
        else fleet.write("a", anyBytes(50_000), code42, [[7, 3, 4, 5, 6, 1]]);
      };
      fleet.change({ 2: "dead" });
      await fleet.relocated();
      expect(fleet.strays()).toEqual([]);
      if (how === "overwritten") expect(fleet.faults("a")).toEqual([]);
    },
  );

  test("deleted while its shards are fetched: nothing is lost, nothing is left", async () => {
    const fleet = new FakeFleet({ nodes: 7 });
    const { ref } = fleet.write("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.onAsk = ({ name }) => {
      if (name !== "MF.SHARD.READ") return;
      fleet.delete("a");
      for (const [index, node] of ref.stripes![0]!.entries()) {
        fleet.nodes.get(node)!.shards.free(job, { object: ref.object, stripe: 0, index });
      }
    };
    fleet.change({ 2: "dead" });
    await fleet.relocated();
    expect(fleet.primary("a").relocation.relocator.report()).toMatchObject({ objects: 0, lostObjects: 0 });
    expect(fleet.strays()).toEqual([]);
  });

  test("the answer that it was relocated is lost with the row: no shard that it names is freed", async () => {
    const fleet = new FakeFleet({ nodes: 7 });
    fleet.write("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    const primary = fleet.primary("a").id;
    const heir = [1, 3, 4, 5, 6, 7].find((id) => id !== primary)!;
    fleet.onAsk = async ({ name, from }) => {
      if (name !== "MF.SHARD.FREE" || from !== primary) return;
      throw new MayflyError("NODE_UNREACHABLE", "too late");
    };
    let changed = false;
    fleet.onRelocate = () => {
      if (changed) return;
      changed = true;
      fleet.lead("a", heir);
    };
    fleet.change({ 2: "dead" });
    await fleet.relocated();
    expect(changed).toBe(true);
    expect(fleet.faults("a")).toEqual([]);
  });

  test("its job ends: nothing waits for it any more", async () => {
    const fleet = new FakeFleet({ nodes: 6 });
    fleet.write("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.change({ 2: "dead" });
    await fleet.clock.advance(500);
    const { relocation } = fleet.primary("a");
    expect(relocation.relocator.report().objects).toBe(1);
    fleet.cells.clear();
    relocation.jobEnded(job);
    await fleet.relocated();
    expect(relocation.relocator.report()).toMatchObject({ objects: 0, bytes: 0, atRisk: 0, byNode: [] });
  });
});

describe("the report", () => {
  test("never says that nothing is left before all has been looked at", async () => {
    const fleet = new FakeFleet({ nodes: 7 });
    fleet.write("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    await fleet.relocated();
    const { relocator } = fleet.primary("a").relocation;
    expect([relocator.report().objects, relocator.settled]).toEqual([0, true]);
    const id = [2, 3].find((each) => each !== fleet.primary("a").id)!;
    fleet.change({ [id]: "draining" });
    for (let left = true; left; ) {
      const { objects, byNode } = relocator.report();
      left = fleet.refAt("a").stripes![0]!.includes(fleet.node(id).id);
      if (left) {
        expect(objects).toBeGreaterThan(0);
        expect(byNode).toEqual([[id, 1]]);
        expect(relocator.settled).toBe(false);
      }
      await fleet.clock.advance(1);
    }
    await fleet.relocated();
    expect(relocator.report()).toMatchObject({ objects: 0, bytes: 0, byNode: [], movedObjects: 1 });
    expect(relocator.scannedEpoch).toEqual(fleet.map.epoch);
  });

  test("counts objects, bytes and risk until there are nodes to go to", async () => {
    const fleet = new FakeFleet({ nodes: 4 });
    fleet.change({}, { 4: 0 });
    const key = ["a", "b", "c", "d", "e"].find((each) => fleet.primary(each).id === 1)!;
    fleet.write(key, anyBytes(40_000), code21, [[1, 2, 3]]);
    fleet.change({ 3: "dead" });
    const { relocator } = fleet.primary(key).relocation;
    await fleet.clock.advance(30_000);
    expect(relocator.report()).toMatchObject({ objects: 1, bytes: 20_096, atRisk: 1, byNode: [[3, 1]] });
    expect(relocator.settled).toBe(false);
    fleet.change({}, { 4: 100 });
    const changedAtMs = fleet.clock.now();
    await fleet.until("it is relocated", () => relocator.settled);
    expect(fleet.clock.now() - changedAtMs).toBeLessThan(200);
    expect(relocator.report()).toMatchObject({ objects: 0, atRisk: 0, movedObjects: 1, movedBytes: 20_096 });
    expect(fleet.faults(key)).toEqual([]);
  });

  test("counts what is lost and names it; its ref stays, and holds up nobody", async () => {
    const fleet = new FakeFleet({ nodes: 9 });
    fleet.write("lost", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    fleet.write("kept", anyBytes(60_000), code42, [[1, 2, 4, 5, 6, 7]]);
    fleet.change({ 1: "dead", 2: "dead", 3: "dead" });
    await fleet.relocated();
    const { relocator } = fleet.primary("lost").relocation;
    expect(relocator.lostNames()).toEqual([{ job, name: "lost" }]);
    expect(relocator.report()).toMatchObject({ lostObjects: 1, objects: 0 });
    expect(fleet.refAt("lost").stripes).toEqual([[1, 2, 3, 4, 5, 6]]);
    expect(fleet.faults("kept")).toEqual([]);
  });

  test("lost is also what is not there although its nodes are", async () => {
    const fleet = new FakeFleet({ nodes: 9 });
    const { ref } = fleet.write("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
    for (const index of [3, 4]) {
      fleet.node(index + 1).shards.free(job, { object: ref.object, stripe: 0, index });
    }
    fleet.change({ 1: "dead" });
    await fleet.relocated();
    expect(fleet.primary("a").relocation.relocator.report()).toMatchObject({ lostObjects: 1, objects: 0 });
  });
});

test("the most endangered go first", async () => {
  const fleet = new FakeFleet({ nodes: 9 });
  const primary = 1;
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`)
    .filter((key) => fleet.primary(key).id === primary)
    .slice(0, 20);
  expect(keys.length).toBeGreaterThan(17);
  for (const [at, key] of keys.entries()) {
    // The last ones lose two of three, the others one.
    const placed = at >= keys.length - 2 ? [2, 3, 4] : [2, 4, 5];
    fleet.write(key, anyBytes(20_000), { d: 1, p: 2 }, [placed]);
  }
  const order: string[] = [];
  fleet.onRelocate = (name) => void order.push(name);
  fleet.change({ 2: "dead", 3: "dead" });
  await fleet.relocated();
  // What is found while others are under way waits until one of these is done.
  const first = order.slice(0, 18);
  expect(order).toHaveLength(keys.length);
  expect(keys.slice(-2).every((key) => first.includes(key))).toBe(true);
});

test("a large object: its ref changes after each part, and at the end it is whole", async () => {
  const code = { d: 1, p: 1 };
  const fleet = new FakeFleet({ nodes: 4, stripesPerCommit: 2, nodeMemoryBytes: 32 * 2 ** 20 });
  const bytes = anyBytes(4 * stripeBytesMax(code) + 5);
  expect(stripeCount(bytes.length, code)).toBe(5);
  fleet.write("a", bytes, code, [
    [1, 2],
    [2, 3],
    [3, 4],
    [4, 2],
    [2, 1],
  ]);
  fleet.change({ 2: "dead" });
  await fleet.relocated();
  expect(fleet.faults("a")).toEqual([]);
  expect(fleet.relocations).toBe(3);
});

test("a rate is kept to", async () => {
  const fleet = new FakeFleet({ nodes: 4, bytesPerSecond: 20_000 });
  const keys = Array.from({ length: 200 }, (_, i) => `k${i}`).filter((key) => fleet.primary(key).id === 1);
  for (const key of keys.slice(0, 11)) fleet.write(key, anyBytes(40_000), code21, [[1, 2, 3]]);
  fleet.change({ 3: "dead" });
  await fleet.clock.advance(5000);
  const moved = fleet.node(1).relocation.relocator.report().movedBytes;
  expect(moved).toBeGreaterThan(80_000);
  expect(moved).toBeLessThan(130_000);
});

test("while functions work, only what another loss would destroy is repaired at full speed", async () => {
  const moved = async (isInUse: boolean, code: typeof code42, placed: number[]) => {
    const fleet = new FakeFleet({ nodes: 8 });
    const keys = Array.from({ length: 300 }, (_, i) => `k${i}`).filter((key) => fleet.primary(key).id === 1);
    for (const key of keys.slice(0, 30)) fleet.write(key, anyBytes(20_000), code, [placed]);
    if (isInUse) fleet.node(1).jobs.touch(job);
    fleet.change({ 7: "dead" });
    await fleet.clock.advance(25);
    return fleet.node(1).relocation.relocator.report().movedObjects;
  };
  const survives = [2, 3, 4, 5, 6, 7];
  expect(await moved(false, code42, survives)).toBe(30);
  expect(await moved(true, code42, survives)).toBeLessThan(10);
  expect(await moved(true, code21, [5, 6, 7])).toBe(30);
});

test("a ref that is committed under an older map is looked at when it comes", async () => {
  const fleet = new FakeFleet({ nodes: 7 });
  const coded = fleet.store("a", anyBytes(60_000), code42, [[1, 2, 3, 4, 5, 6]]);
  const id = [2, 3].find((each) => each !== fleet.primary("a").id)!;
  fleet.change({ [id]: "dead" });
  await fleet.relocated();
  fleet.commit(coded);
  const group: Group = groupOf(Buffer.from("a"));
  fleet.primary("a").relocation.refCommitted(job, group, "a", fleet.cells.get(`${job} a`)!);
  await fleet.relocated();
  expect(fleet.faults("a")).toEqual([]);
});
