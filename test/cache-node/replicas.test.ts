import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jobNumber, nodeId, objectId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { Effect, EffectKind } from "../../src/wire/cell.ts";
import {
  grantMs,
  job,
  mapOf,
  mutationAt,
  type Node,
  setCell,
  stored,
  turn,
  watch,
} from "./cells/cells-fixture.ts";
import { createRow } from "./cells/row-fixture.ts";

const key = Buffer.from("{g}");
const group = groupOf(key);
const code = (expected: string) => expect.objectContaining({ code: expected });
const write = (node: Node, name: string, value: string, change = {}) =>
  watch(setCell(node, mutationAt(name, change), "bytes", Buffer.from(value), 0));
const read = (node: Node, name: string): string | undefined =>
  node.primary.read(job, Buffer.from(name)).cell?.block?.view().toString();

describe("failover", () => {
  test("what was acknowledged is there, in order, and versions go on", async () => {
    const row = await createRow(group);
    const one = row.node(1);
    const versions = [];
    for (let i = 0; i < 5; i++) {
      const written = write(one, "{g}key", `${i}`);
      await turn();
      versions.push(written.value);
    }
    row.away.add(1);
    await row.change([2, 3], { dead: [1] });
    const two = row.node(2);
    expect(() => read(two, "{g}key")).toThrow(code("UNAVAILABLE"));
    await row.clock.advance(grantMs);
    expect(read(two, "{g}key")).toBe("4");
    const next = write(two, "{g}key", "next", { condition: versions.at(-1) });
    await turn();
    expect(next).toEqual({ outcome: "done", value: "2.8" });
    expect(stored(row.node(3), "{g}key")).toBe("next");
  });

  test("an old primary that has not heard of it acknowledges nothing and soon reads nothing", async () => {
    const row = await createRow(group);
    const one = row.node(1);
    write(one, "{g}key", "old");
    await turn();
    await row.adopt(mapOf([2, 3], { only: group, generation: 2 }), [2, 3]);
    const late = write(one, "{g}key", "late");
    await row.clock.advance(grantMs / 4);
    expect(late.outcome).toBe("pending");
    // Not before nobody can read from the old one is the new one served.
    await row.clock.advance(grantMs);
    expect(() => read(one, "{g}key")).toThrow(code("UNAVAILABLE"));
    expect(read(row.node(2), "{g}key")).toBe("old");
    await row.adopt(mapOf([2, 3], { only: group, generation: 2 }), [1]);
    expect(late.outcome).toBe("MOVED");
    expect(stored(one, "{g}key")).toBeUndefined();
  });

  test("what only one of the survivors had of unacknowledged writes is on all of them or on none", async () => {
    for (const leader of [2, 3]) {
      const row = await createRow(group);
      const [one, two, three] = [row.node(1), row.node(2), row.node(3)];
      write(one, "{g}key", "acknowledged");
      await turn();
      row.away.add(3);
      const lost = write(one, "{g}key", "half");
      await turn();
      expect([lost.outcome, stored(two, "{g}key"), stored(three, "{g}key")]).toEqual([
        ...["pending", "half", "acknowledged"],
      ]);
      row.away.add(1).delete(3);
      await row.change([leader, 5 - leader], { dead: [1] });
      await row.clock.advance(grantMs + 100);
      const wanted = leader === 2 ? "half" : "acknowledged";
      expect([stored(two, "{g}key"), stored(three, "{g}key")]).toEqual([wanted, wanted]);
      expect(read(row.node(leader), "{g}key")).toBe(wanted);
      expect(row.heard.at(-1)).toBe(`${leader}>${5 - leader} snapshot`);
    }
  });

  test("a repeated mutation is answered as before, by a backup and by one that had a snapshot", async () => {
    const row = await createRow(group, [1, 2]);
    const [first, second] = [mutationAt("{g}a"), mutationAt("{g}b", { condition: "absent" })];
    const removal = mutationAt("{g}a");
    const one = row.node(1);
    const versions = [
      await setCell(one, first, "bytes", Buffer.from("a"), 0),
      await setCell(one, second, "bytes", Buffer.from("b"), 0),
    ];
    expect(await one.primary.delete(removal)).toBe(true);
    await row.change([1, 2], { joining: [3] });
    await row.change([1, 2, 3]);
    for (const leader of [2, 3]) {
      await row.change([leader]);
      await row.clock.advance(grantMs);
      const node = row.node(leader);
      expect(await setCell(node, first, "bytes", Buffer.from("a"), 0)).toBe(versions[0]);
      expect(await setCell(node, second, "bytes", Buffer.from("b"), 0)).toBe(versions[1]);
      expect(await node.primary.delete(removal)).toBe(true);
      expect([read(node, "{g}a"), read(node, "{g}b")]).toEqual([undefined, "b"]);
      if (leader === 2) {
        await row.change([2], { joining: [3] });
        await row.change([2, 3]);
      }
    }
  });

  test("what expires is logged by the new primary, and what was aborted stays so", async () => {
    const row = await createRow(group, [1, 2]);
    const one = row.node(1);
    await setCell(one, mutationAt("{g}key"), "bytes", key, 5000);
    const object = objectId(Buffer.alloc(16, 1));
    expect(await one.primary.abortObject(job, group, object)).toBe(true);
    await row.change([1, 2], { joining: [3] });
    await row.change([3, 1, 2]);
    await row.clock.advance(2000);
    expect(stored(row.node(3), "{g}key")).toBe("{g}");
    expect(row.node(3).cells.wasAborted(job, group, object)).toBe(true);
    await row.clock.advance(4000);
    row.node(3).replicas.tick();
    await turn();
    expect([2, 3].map((id) => stored(row.node(id), "{g}key"))).toEqual(["(expired)", "(expired)"]);
    // It is forgotten on all of them at about the same time.
    await row.clock.advance(11 * 60_000);
    for (const id of [1, 2, 3]) row.node(id).replicas.tick();
    expect([1, 2, 3].map((id) => stored(row.node(id), "{g}key"))).toEqual([undefined, undefined, undefined]);
  });
});

describe("joining", () => {
  test("a node is filled while writes go on, is waited for from then on, and is ready when it has all", async () => {
    const row = await createRow(group, [1, 2]);
    const one = row.node(1);
    write(one, "{g}before", "x");
    await turn();
    row.away.add(3);
    await row.change([1, 2], { joining: [3] });
    const meanwhile = write(one, "{g}meanwhile", "y");
    await turn();
    // Nobody waits for one that has nothing yet.
    expect([meanwhile.outcome, one.replicas.report().ready]).toEqual(["done", []]);
    row.away.delete(3);
    const { news } = one.state;
    await row.clock.advance(100);
    expect(one.replicas.report().ready).toEqual([[group, 2, 3]]);
    expect(one.state.news).toBe(news + 1);
    expect(["{g}before", "{g}meanwhile"].map((name) => stored(row.node(3), name))).toEqual(["x", "y"]);
    row.away.add(3);
    const waits = write(one, "{g}after", "z");
    await turn();
    expect(waits.outcome).toBe("pending");
    row.away.delete(3);
    await row.clock.advance(100);
    expect([waits.outcome, stored(row.node(3), "{g}after")]).toEqual(["done", "z"]);
  });

  test("one that is given up is not waited for any more", async () => {
    const row = await createRow(group, [1, 2]);
    await row.change([1, 2], { joining: [3] });
    row.away.add(3);
    const waits = write(row.node(1), "{g}key", "x");
    await row.clock.advance(100);
    expect(waits.outcome).toBe("pending");
    await row.change([1, 2]);
    expect([waits.outcome, row.node(1).replicas.report().ready]).toEqual(["done", []]);
  });
});

describe("grants", () => {
  test("are given to whoever has the same map", async () => {
    const row = await createRow(group);
    const two = row.node(2);
    expect(two.replicas.grant(nodeId(1), { term: 1, n: 1 })).toBe(grantMs);
    for (const n of [0, 2]) {
      expect(() => two.replicas.grant(nodeId(1), { term: 1, n })).toThrow(
        expect.objectContaining({ code: "MOVED", message: expect.stringMatching(/^1\.1 /) }),
      );
    }
  });
});

test("the controller hears once of nodes that clients suspect, unless they are known to be dead", async () => {
  const row = await createRow(group, [1, 2]);
  const one = row.node(1);
  one.replicas.suspect(nodeId(3));
  one.replicas.suspect(nodeId(4));
  await row.change([1, 2], { dead: [3] });
  // A client that cannot reach a node says nothing of the links between nodes.
  expect(one.replicas.report()).toMatchObject({ unreachable: [], suspects: [4] });
  expect(one.replicas.report().suspects).toEqual([]);
});

describe("snapshots", () => {
  const primary = nodeId(2);

  /** What node 2 sends to node 1, which joins, as a list of pieces; large values make several. */
  async function pieces(count: number, seed: string): Promise<Effect[]> {
    const row = await createRow(group, [2, 3]);
    for (let i = 0; i < count * 8; i++) write(row.node(2), `{g}${i}`, seed.repeat(15_000));
    await turn();
    const sent: Effect[] = [];
    const joiner = row.node(1).replicas;
    joiner.take = (_, effects) => {
      sent.push(...effects.filter(({ kind }) => kind === "snapshot"));
      return [];
    };
    await row.change([2, 3], { joining: [1] });
    return sent;
  }

  /** A joining node, and one that is a full member and has something else. */
  async function taker(kind: "joining" | "full"): Promise<Node> {
    const row = await createRow(group, kind === "full" ? [2, 1] : [2, 3], 32 * 2 ** 20);
    if (kind === "full") write(row.node(2), "{g}mine", "mine");
    await turn();
    const map = kind === "full" ? mapOf([2, 1], { only: group, generation: 3 }) : undefined;
    await row.adopt(map ?? mapOf([2, 3], { only: group, generation: 3, joining: [1] }), [1]);
    return row.node(1);
  }

  const keysOf = ({ cells }: Node): string[] => cells.names(job, group, "", "");

  test("are installed with their last piece, all at once; until then what was there stays", async () => {
    const sent = await pieces(2, "a");
    expect(sent.length).toBeGreaterThan(1);
    const node = await taker("full");
    for (const piece of sent.slice(0, -1)) expect(node.backup.apply(primary, [piece])).toEqual([]);
    expect(keysOf(node)).toEqual(["{g}mine"]);
    expect(node.backup.apply(primary, [sent.at(-1)!])).toEqual([]);
    expect(keysOf(node)).toHaveLength(16);
    expect(stored(node, "{g}0")).toBe("a".repeat(15_000));
  });

  test("whose pieces come twice, or all of it again, are installed once", async () => {
    const sent = await pieces(2, "a");
    const node = await taker("joining");
    const again = [...sent.slice(0, 1), ...sent, ...sent.slice(0, 1), ...sent];
    expect(node.backup.apply(primary, again)).toEqual([]);
    const used = node.memory.job(job).indexBytes;
    expect(node.backup.apply(primary, sent)).toEqual([]);
    expect([keysOf(node).length, node.memory.job(job).indexBytes]).toEqual([16, used]);
  });

  test("with a piece missing, or mixed with those of another, are refused and not installed", async () => {
    const [one, two] = [await pieces(3, "a"), await pieces(3, "b")];
    const other = two.map((piece) => ({ ...piece, session: "anothers" }));
    for (const wrong of [
      [one[1]!],
      [one[0]!, one[2]!],
      [one[0]!, ...other.slice(1)],
      [...one.slice(0, -1), other.at(-1)!],
    ]) {
      const node = await taker("joining");
      expect(node.backup.apply(primary, wrong)).toEqual([group]);
      expect(keysOf(node)).toEqual([]);
      expect(node.backup.apply(primary, one)).toEqual([]);
      expect(stored(node, "{g}0")).toBe("a".repeat(15_000));
    }
  });

  test("of an older state than what is here are not installed", async () => {
    const sent = await pieces(1, "a");
    const node = await taker("joining");
    node.backup.apply(primary, sent);
    const { version } = sent[0]!;
    const value = Buffer.from("newer");
    const next = {
      version: { ...version, sequence: version.sequence + 1 },
      kind: "bytes" as EffectKind,
      value,
    };
    const newer = {
      ...sent[0]!,
      ...next,
      job,
      key: Buffer.from("{g}0"),
      sessionSequence: 0,
      sessionFloor: 0,
    };
    expect(node.backup.apply(primary, [newer])).toEqual([]);
    expect(node.backup.apply(primary, sent)).toEqual([]);
    const older = sent.map((piece) => ({
      ...piece,
      session: "older",
      version: { generation: 1, sequence: 99 },
    }));
    expect(node.backup.apply(primary, older)).toEqual([group]);
    expect(stored(node, "{g}0")).toBe("newer");
  });

  test("that find no memory leave nothing, and are installed when they come again", async () => {
    const row = await createRow(group, [2, 3], 8 * 2 ** 20);
    const sent = await pieces(8, "a");
    const node = row.node(1);
    await row.adopt(mapOf([2, 3], { only: group, generation: 3, joining: [1] }), [1]);
    const hog = node.memory.job(jobNumber(99));
    for (let bytes = 2 ** 20; bytes >= 2 ** 16; ) if (hog.allocate(bytes) === undefined) bytes /= 2;
    expect(() => node.backup.apply(primary, sent)).toThrow(code("BUSY"));
    const { liveBytes, indexBytes } = node.memory.job(job);
    expect([keysOf(node), liveBytes, indexBytes]).toEqual([[], 0, 0]);
    node.memory.endJob(jobNumber(99));
    await row.clock.advance(100);
    expect(node.backup.apply(primary, sent)).toEqual([]);
    expect(keysOf(node)).toHaveLength(64);
  });

  test("bring nothing of a job that has ended, and pieces that cannot be are refused", async () => {
    const sent = await pieces(1, "a");
    const node = await taker("joining");
    node.jobs.adopt({ version: 1, highest: 1, jobs: [] });
    for (const change of [{ sessionFloor: 0 }, { sessionFloor: 40_000 }, { sessionSequence: sent.length }]) {
      expect(() => node.backup.apply(primary, [{ ...sent[0]!, ...change }])).toThrow(code("PROTOCOL"));
    }
    expect(node.backup.apply(primary, sent)).toEqual([]);
    expect(keysOf(node)).toEqual([]);
  });
});

test("whoever leaves and joins in whatever order, what was acknowledged is there as long as one full member is", async () => {
  type Step = { readonly write: number } | { readonly lose: number } | { readonly join: number };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ write: fc.nat(5) }),
    fc.record({ lose: fc.nat(2) }),
    fc.record({ join: fc.nat(3) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
      const row = await createRow(group);
      let members = [1, 2, 3];
      const acknowledged = new Map<string, string>();
      let written = 0;
      for (const move of steps) {
        if ("write" in move) {
          const value = `${++written}`;
          const done = write(row.node(members[0]!), `{g}${move.write}`, value);
          await turn();
          expect(done.outcome).toBe("done");
          acknowledged.set(`{g}${move.write}`, value);
        } else if ("lose" in move && members.length > 1) {
          const gone = members[move.lose % members.length]!;
          // A write that the one that goes has not taken, or that nobody else has.
          row.away.add(gone);
          write(row.node(members[0]!), "{g}stray", `${written}`);
          await turn();
          row.away.delete(gone);
          members = members.filter((id) => id !== gone);
          await row.change(members);
          await row.clock.advance(grantMs + 100);
        } else if ("join" in move && !members.includes(move.join + 1)) {
          const id = move.join + 1;
          await row.change(members, { joining: [id] });
          await row.clock.advance(grantMs);
          expect(
            row
              .node(members[0]!)
              .replicas.report()
              .ready.map(([, , node]) => node),
          ).toEqual([id]);
          members = move.join % 2 === 0 ? [...members, id] : [id, ...members];
          await row.change(members);
          await row.clock.advance(grantMs + 100);
        }
        const leader = row.node(members[0]!);
        for (const [name, value] of acknowledged) expect(read(leader, name)).toBe(value);
        const states = members.map((id) =>
          [0, 1, 2, 3, 4, 5, "stray"].map((name) => stored(row.node(id), `{g}${name}`)),
        );
        for (const state of states) expect(state).toEqual(states[0]);
      }
    }),
    { numRuns: 25 },
  );
});
