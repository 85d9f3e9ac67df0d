/**
 * Decides which nodes count as dead because the others cannot reach them, though the controller still hears of them:
 * decides, and only decides. Links between two nodes that are cut are no reason; see plan-transition.ts for those.
 */
import type { NodeId } from "../ids.ts";
import type { Row } from "../placement/types.ts";

/** `from` reports that it cannot reach `to`. */
export interface CutReport {
  readonly from: number;
  readonly to: number;
}

export interface CutInput {
  readonly living: readonly NodeId[];
  readonly reports: readonly CutReport[];
  readonly rows: readonly Row[];
  /** No more than so many are given up. */
  readonly buriedMax: number;
}

/**
 * The nodes to give up, worst first: those that more than half of the others, and at least two, cannot reach, and
 * those that cannot reach more than half of the others, and at least two. One at a time, each without the reports of and
 * about those before: when a fleet falls apart, one side of it remains. Never the last living full member of a row.
 */
export function planCuts({ living, reports, rows, buriedMax }: CutInput): NodeId[] {
  const left = new Set<NodeId>(living);
  const buried: NodeId[] = [];
  while (buried.length < buriedMax) {
    const needed = Math.max(2, Math.floor((left.size - 1) / 2) + 1);
    const valid = reports.filter(({ from, to }) => isIn(left, from) && isIn(left, to));
    if (valid.length < needed) break;
    const needs = lastMembers(rows, left);
    let worst: NodeId | undefined;
    let worstCount = needed - 1;
    // The youngest first among equals: the older ones have more.
    for (const id of [...left].sort((a, b) => b - a)) {
      if (needs.has(id)) continue;
      const by = new Set(valid.filter(({ to }) => to === id).map(({ from }) => from)).size;
      const of = new Set(valid.filter(({ from }) => from === id).map(({ to }) => to)).size;
      const count = Math.max(by, of);
      if (count > worstCount) [worst, worstCount] = [id, count];
    }
    if (worst === undefined) break;
    buried.push(worst);
    left.delete(worst);
  }
  return buried;
}

function isIn(nodes: ReadonlySet<number>, id: number): boolean {
  return nodes.has(id);
}

/** Nodes without which some row would have no living full member. */
function lastMembers(rows: readonly Row[], living: ReadonlySet<NodeId>): Set<NodeId> {
  const last = new Set<NodeId>();
  for (const row of rows) {
    const left = row.nodes.filter((id) => living.has(id));
    if (left.length === 1) last.add(left[0]!);
  }
  return last;
}
