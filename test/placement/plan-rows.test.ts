import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type NodeId, nodeId } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import { planRows, type RowNode } from "../../src/placement/plan-rows.ts";
import { emptyRow, type Row } from "../../src/placement/types.ts";
import { playRowScenario } from "./row-scenario.ts";

const emptyRows: readonly Row[] = Array.from({ length: groupCount }, () => emptyRow);

const equalNodes = (count: number, zones = 1): RowNode[] =>
  Array.from({ length: count }, (_, i) => ({ id: nodeId(i + 1), weight: 100, zone: `zone-${i % zones}` }));

function plan(nodes: readonly RowNode[], rows = emptyRows, backups = 2): Row[] {
  return planRows({ nodes, rows, backups, zonePolicy: "pack" });
}

interface Counts {
  readonly places: number[];
  readonly primaries: number[];
}

function countsOf(rows: readonly Row[], nodes: readonly RowNode[]): Counts {
  const places = new Map<NodeId, number>(nodes.map((node) => [node.id, 0]));
  const primaries = new Map(places);
  for (const row of rows) {
    for (const id of row.nodes) places.set(id, places.get(id)! + 1);
    const primary = row.nodes[0];
    if (primary !== undefined) primaries.set(primary, primaries.get(primary)! + 1);
  }
  return { places: [...places.values()], primaries: [...primaries.values()] };
}

const spreadOf = (counts: readonly number[]): number => Math.max(...counts) - Math.min(...counts);

/** Places that a node has now and did not have before: what has to be copied. */
function movesBetween(before: readonly Row[], after: readonly Row[]): number {
  return after.reduce(
    (sum, row, group) => sum + row.nodes.filter((id) => !before[group]!.nodes.includes(id)).length,
    0,
  );
}

/** Groups whose row is not what a row must be: so many distinct nodes, all of them known. */
function unsoundRows(rows: readonly Row[], nodes: readonly RowNode[], backups: number): number[] {
  const known = new Set(nodes.map((node) => node.id));
  const length = Math.min(backups + 1, nodes.length);
  return [...rows.keys()].filter((group) => {
    const ids = rows[group]!.nodes;
    return ids.length !== length || new Set(ids).size !== length || !ids.every((id) => known.has(id));
  });
}

test("equal nodes differ by one row at most, in places and in primaries, also after any changes", () => {
  const changes = fc.array(fc.record({ join: fc.boolean(), at: fc.nat() }), { maxLength: 6 });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 0, max: 3 }),
      changes,
      (count, backups, steps) => {
        let nodes = equalNodes(count);
        let rows = plan(nodes, emptyRows, backups);
        let nextId = count + 1;
        for (const { join, at } of [...steps, { join: true, at: 0 }]) {
          expect(rows).toHaveLength(groupCount);
          expect(unsoundRows(rows, nodes, backups)).toEqual([]);
          expect(spreadOf(countsOf(rows, nodes).places)).toBeLessThanOrEqual(1);
          expect(spreadOf(countsOf(rows, nodes).primaries)).toBeLessThanOrEqual(1);
          if (join) nodes = [...nodes, { id: nodeId(nextId++), weight: 100, zone: "" }];
          else if (nodes.length > 1) nodes = nodes.filter((_, i) => i !== at % nodes.length);
          rows = plan(nodes, rows, backups);
        }
      },
    ),
    { numRuns: 20 },
  );
});

test("when a node joins, no more moves than its share", () => {
  fc.assert(
    fc.property(fc.integer({ min: 3, max: 30 }), (count) => {
      const before = plan(equalNodes(count));
      const after = plan(equalNodes(count + 1), before);
      expect(movesBetween(before, after)).toBeLessThanOrEqual(Math.ceil((groupCount * 3) / (count + 1)));
    }),
    { numRuns: 20 },
  );
});

test("when a node leaves, no more moves than what it had", () => {
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 30 }), fc.nat(), (count, pick) => {
      const nodes = equalNodes(count);
      const before = plan(nodes);
      const gone = nodes[pick % count]!;
      const had = before.filter((row) => row.nodes.includes(gone.id)).length;
      const after = plan(
        nodes.filter((node) => node !== gone),
        before,
      );
      // One more for each survivor at most: shares are rounded anew.
      expect(movesBetween(before, after)).toBeLessThanOrEqual(had + count - 1);
    }),
    { numRuns: 20 },
  );
});

test("a row that loses its primary is led by one of its backups", () => {
  const before = plan(equalNodes(6));
  const after = plan(equalNodes(6).slice(1), before);
  for (const [group, row] of before.entries()) {
    if (row.nodes[0] === 1) expect(row.nodes, `row ${group}`).toContain(after[group]!.nodes[0]);
  }
});

test("nothing changes when nothing changed, and only changed rows get a new generation", () => {
  const before = plan(equalNodes(7));
  expect(plan(equalNodes(7), before)).toEqual(before);
  const after = plan(equalNodes(8), before);
  for (const [group, row] of after.entries()) {
    const was = before[group]!;
    const same = row.nodes.join() === was.nodes.join();
    expect(row.generation).toBe(same ? was.generation : was.generation + 1);
  }
  expect(after.some((row, group) => row === before[group])).toBe(true);
});

test("places and primaries follow the weights; a node cannot be in a row twice", () => {
  const weights = [200, 100, 100, 50, 50];
  const nodes = weights.map((weight, i) => ({ id: nodeId(i + 1), weight, zone: "" }));
  const { places, primaries } = countsOf(plan(nodes), nodes);
  // 3072 places by weight would be 1229 for the first; it gets all 1024 rows, the others share 2048 by 2:2:1:1.
  for (const [i, share] of [1024, 682.7, 682.7, 341.3, 341.3].entries()) {
    expect(Math.abs(places[i]! - share)).toBeLessThan(1);
  }
  for (const [i, share] of [409.6, 204.8, 204.8, 102.4, 102.4].entries()) {
    expect(Math.abs(primaries[i]! - share)).toBeLessThan(1);
  }
});

test("a node of weight 0 has no rows", () => {
  const nodes = equalNodes(4).map((node, i) => ({ ...node, weight: i === 2 ? 0 : 100 }));
  const rows = plan(nodes, plan(equalNodes(4)));
  expect(countsOf(rows, nodes).places).toEqual([1024, 1024, 0, 1024]);
});

test("without nodes the rows are empty", () => {
  expect(plan([], plan(equalNodes(2))).every((row) => row.nodes.length === 0)).toBe(true);
  expect(plan([])).toEqual(emptyRows);
});

test("packing keeps rows within a zone, spreading puts them over all", () => {
  const zoneOf = new Map(equalNodes(12, 3).map((node) => [node.id, node.zone]));
  const zonesPerRow = (zonePolicy: "pack" | "spread"): number[] =>
    planRows({ nodes: equalNodes(12, 3), rows: emptyRows, backups: 2, zonePolicy }).map(
      (row) => new Set(row.nodes.map((id) => zoneOf.get(id))).size,
    );
  expect(zonesPerRow("spread").every((zones) => zones === 3)).toBe(true);
  // A third of the rows is not a whole number: the odd ones out are mixed.
  expect(zonesPerRow("pack").filter((zones) => zones > 1).length).toBeLessThanOrEqual(3);
});

test("every node helps to rebuild every other one", () => {
  const rows = plan(equalNodes(8));
  const shared = (a: number, b: number) =>
    rows.filter((row) => row.nodes.includes(nodeId(a)) && row.nodes.includes(nodeId(b))).length;
  const pairs = [1, 2, 3, 4, 5, 6, 7].flatMap((a) => [shared(a, 8), shared(a, a + 1)]);
  // 8 nodes have 28 pairs, and 1024 rows of three have 3072 of them: 110 each.
  expect(Math.min(...pairs)).toBeGreaterThan(100);
  expect(Math.max(...pairs)).toBeLessThan(120);
});

test("golden: what each change of a small fleet does to the rows", () => {
  const [scenario, expected] = readFileSync("test/golden/rows-small-fleet.txt", "utf8").split("----\n");
  expect(playRowScenario(scenario!)).toBe(expected);
});
