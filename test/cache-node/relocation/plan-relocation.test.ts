import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  assessRef,
  isAtRisk,
  planStripe,
  statesOf,
  urgencyOf,
} from "../../../cache-node/relocation/plan-relocation.ts";
import { seededRng } from "../../../src/clock.ts";
import { nodeId } from "../../../src/ids.ts";
import type { FleetMap, NodeEntry, NodeState } from "../../../src/placement/types.ts";
import { stripeBytesMax } from "../../../src/wire/stripe-layout.ts";

const code = { d: 4, p: 2 };

/** One letter a node, from node 1 on: a active, f full, d draining, x dead, - not in the map. */
function mapOf(letters: string): FleetMap {
  const states: Record<string, NodeState> = { a: "active", f: "active", d: "draining", x: "dead" };
  const nodes = [...letters].flatMap((letter, at): NodeEntry[] => {
    const state = states[letter];
    const id = nodeId(at + 1);
    const weight = letter === "a" ? 100 : 0;
    return state === undefined ? [] : [{ id, host: "h", port: 1, zone: "", state, weight }];
  });
  return { epoch: { term: 1, n: 1 }, nodes, rows: [], backups: 0 };
}

function plan(letters: string, placed: readonly number[], avoid: readonly number[] = []) {
  const map = mapOf(letters);
  const avoided = new Set(avoid.map(nodeId));
  return planStripe(placed.map(nodeId), code, map, statesOf(map.nodes), seededRng(3), avoided);
}

function assess(letters: string, stripes: readonly (readonly number[])[]) {
  const sizeBytes = (stripes.length - 1) * stripeBytesMax(code) + 1000;
  const placed = stripes.map((nodes) => nodes.map(nodeId));
  return assessRef({ sizeBytes, code, stripes: placed }, statesOf(mapOf(letters).nodes));
}

describe("a stripe", () => {
  test("on active nodes stays, full ones included", () => {
    expect(plan("aafaaaa", [1, 2, 3, 4, 5, 6])).toEqual({ moves: [], homeless: 0, lost: false });
  });

  test("is rebuilt from dead nodes and those that are gone, and copied from draining ones", () => {
    const { moves } = plan("ax-daaaaa", [1, 2, 5, 4, 6, 7]);
    expect(moves.map(({ index, from, how }) => [index, from, how])).toEqual([
      [1, 2, "rebuild"],
      [3, 4, "copy"],
    ]);
    expect(new Set(moves.map(({ to }) => Number(to)))).toEqual(new Set([8, 9]));
    expect(plan("aa-aaaa", [1, 2, 3, 4, 5, 6]).moves).toMatchObject([{ index: 2, how: "rebuild", to: 7 }]);
  });

  test("with too few nodes: what is lost goes first, the rest has no home", () => {
    expect(plan("daxaaaa", [1, 2, 3, 4, 5, 6])).toMatchObject({ moves: [{ index: 2, to: 7 }], homeless: 1 });
    expect(plan("aaxaaaf", [1, 2, 3, 4, 5, 6])).toEqual({ moves: [], homeless: 1, lost: false });
    expect(plan("aaxaaaa", [1, 2, 3, 4, 5, 6], [7])).toEqual({ moves: [], homeless: 1, lost: false });
  });

  test("of which more than p shards are gone stays as it is", () => {
    expect(plan("xxxdaaaaaa", [1, 2, 3, 4, 5, 6])).toEqual({ moves: [], homeless: 0, lost: true });
  });

  test("ends on distinct nodes that take shards, whatever the map", () => {
    const letters = fc.array(fc.constantFrom(..."aaaafdx-"), { minLength: 6, maxLength: 16 });
    const shuffled = letters.chain((all) =>
      fc.tuple(
        fc.constant(all.join("")),
        fc.shuffledSubarray(
          all.map((_, at) => at + 1),
          { minLength: 6, maxLength: 6 },
        ),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([fleet, placed]) => {
        const { moves, homeless, lost } = plan(fleet, placed);
        const bad = placed.filter((node) => !"af".includes(fleet[node - 1]!)).length;
        const gone = placed.filter((node) => "x-".includes(fleet[node - 1]!)).length;
        expect(lost).toBe(gone > 2);
        if (lost) return;
        expect(moves.length + homeless).toBe(bad);
        const after = [...placed];
        for (const { index, to, from } of moves) {
          expect(placed[index]).toBe(from);
          expect(fleet[to - 1]).toBe("a");
          after[index] = to;
        }
        expect(new Set(after).size).toBe(6);
        const open = [...fleet].filter((letter, at) => letter === "a" && !after.includes(at + 1)).length;
        if (homeless > 0) expect(open).toBe(0);
      }),
    );
  });
});

describe("what there is to do for an object", () => {
  test("counts shards, their stored bytes, nodes, and the loss of the worst stripe", () => {
    const found = assess("xdaaaaaa", [
      [1, 2, 3, 4, 5, 6],
      [3, 4, 5, 6, 7, 8],
      [3, 4, 5, 6, 1, 7],
    ]);
    // The last stripe has 1,000 bytes: shards of 256.
    expect(found).toEqual({
      shards: 3,
      bytes: 2 * 524_288 + 256,
      nodes: [1, 2],
      missingMax: 1,
      lostStripes: 0,
    });
    expect([urgencyOf(found, code), isAtRisk(found, code)]).toEqual([1, false]);
  });

  test("leaves lost stripes out", () => {
    const found = assess("xxxaaaaaa", [
      [1, 2, 3, 4, 5, 6],
      [1, 2, 4, 5, 6, 7],
    ]);
    expect(found).toMatchObject({ shards: 2, missingMax: 2, lostStripes: 1 });
    expect([urgencyOf(found, code), isAtRisk(found, code)]).toEqual([0, true]);
  });

  test("of which nothing is lost comes last, and is at no more risk than it was written with", () => {
    const found = assess("daaaaaa", [[1, 2, 3, 4, 5, 6]]);
    expect(urgencyOf(found, code)).toBeGreaterThan(urgencyOf({ ...found, missingMax: 1 }, { d: 4, p: 4 }));
    expect(isAtRisk(found, { d: 6, p: 0 })).toBe(false);
  });
});
