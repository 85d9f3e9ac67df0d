import { expect, test } from "vitest";
import { nodeId } from "../../src/ids.ts";
import { planTarget, type TargetRows } from "../../src/placement/plan-target.ts";
import { emptyRow, type Row } from "../../src/placement/types.ts";

const rowCount = 1024;
const unlaid: readonly Row[] = Array.from({ length: rowCount }, () => emptyRow);
const nodesOf = (ids: readonly number[]) => ids.map((id) => ({ id: nodeId(id), zone: "" }));

function target(ids: readonly number[], previous?: TargetRows): TargetRows {
  return planTarget({
    ...{ nodes: nodesOf(ids), rows: unlaid, previous, backups: 2, zonePolicy: "pack" as const },
  });
}

/** How many rows each node is in, and how many it leads. */
function counts(rows: TargetRows, ids: readonly number[]): { places: number[]; leads: number[] } {
  const inRows = (id: number): number => rows.filter((row) => row.some((node) => node === id)).length;
  return { places: ids.map(inRows), leads: ids.map((id) => rows.filter((row) => row[0] === id).length) };
}

const spread = (values: readonly number[]): number => Math.max(...values) - Math.min(...values);

test("a row that had nothing to do with a node that went stays as it is, but for very few", () => {
  const all = [1, 2, 3, 4, 5, 6, 7];
  const before = target(all);
  for (const victim of all) {
    const left = all.filter((id) => id !== victim);
    const after = target(left, before);
    const moved = after.filter(
      (row, group) =>
        !before[group]!.some((node) => node === victim) && String(row) !== String(before[group]),
    );
    expect(moved.length).toBeLessThanOrEqual(5);
    const { places, leads } = counts(after, left);
    expect(spread(places)).toBeLessThanOrEqual(1 + 0.05 * ((rowCount * 3) / 6) + 1);
    expect(spread(leads)).toBeLessThanOrEqual(1 + 0.05 * (rowCount / 6) + 1);
  }
});

test("a new node gets its share, up to a twentieth", () => {
  const after = target([1, 2, 3, 4], target([1, 2, 3]));
  const { places, leads } = counts(after, [1, 2, 3, 4]);
  expect(places[3]).toBeGreaterThan(0.9 * ((rowCount * 3) / 4));
  expect(leads[3]).toBeGreaterThan(0.9 * (rowCount / 4));
});
