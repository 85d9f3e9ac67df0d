/**
 * Which nodes serve which group: decides, and only decides. Three steps:
 *
 * 1. keep: members that are still wanted stay where they are, which is what makes a change cost few moves;
 * 2. fill: rows that are short take the nodes furthest below their share, all primaries first, then all first backups,
 *    and so on. Among equals a node that shares few rows with the others wins, so that many nodes help to rebuild a lost one;
 * 3. even out: while some node is over its share and another under it by more than one in all, a place moves from the
 *    one to the other, if need be through others in between; first places in rows, then the leading of rows.
 *
 * Step 3 ends at the least sum of squared distances from the shares, because moving along such paths is all that
 * differs between two placements: a sum that no path lowers is the minimum. Even shares thus end within one of each other.
 */
import type { NodeId } from "../ids.ts";
import { RowTable, type ZonePolicy } from "./row-table.ts";
import type { Row } from "./types.ts";

export interface RowNode {
  readonly id: NodeId;
  /** Share of rows relative to the others; nodes of weight 0 get none and lose those they have. */
  readonly weight: number;
  readonly zone: string;
}

export interface RowPlanInput {
  readonly nodes: readonly RowNode[];
  /** The rows of today; empty ones for a fleet that is forming. */
  readonly rows: readonly Row[];
  /** Wanted backups of each row; fewer when the nodes do not suffice. */
  readonly backups: number;
  /** `pack`: keep a row within a zone (crossing costs money). `spread`: over many (losing one loses less). */
  readonly zonePolicy: ZonePolicy;
  /** Share of a node's share by which nodes may differ: evening out costs moves. None by default. */
  readonly slack?: number;
}

/**
 * New rows, balanced by weight in places and in primaries. A row that stays as it is keeps its generation, any other
 * gets the next one. Without nodes every row is empty. Deterministic: the same input gives the same rows.
 */
export function planRows(input: RowPlanInput): Row[] {
  const nodes = input.nodes.filter((node) => node.weight > 0).sort((a, b) => a.id - b.id);
  const places = Math.min(input.backups + 1, nodes.length);
  const indexOf = new Map(nodes.map((node, index) => [node.id, index]));
  const zoneNames = [...new Set(nodes.map((node) => node.zone))];
  const kept = input.rows.map((row) => row.nodes.flatMap((id) => indexOf.get(id) ?? []).slice(0, places));
  const table = new RowTable(
    nodes.map((node) => zoneNames.indexOf(node.zone)),
    input.zonePolicy,
    kept,
  );
  const weights = nodes.map((node) => node.weight);
  const shares = sharesOf(weights, input.rows.length, places);
  const primaryShares = sharesOf(weights, input.rows.length, Math.min(1, places));
  fillRows(table, places, shares, primaryShares);
  const slackOf = (all: readonly number[]): number => (input.slack ?? 0) * Math.min(...all);
  evenOut(table.memberships, shares, placeMover(table), slackOf(shares));
  evenOut(table.primaries, primaryShares, primaryMover(table), slackOf(primaryShares));
  return input.rows.map((row, group) => {
    const ids = table.rows[group]!.map((index) => nodes[index]!.id);
    const same = ids.length === row.nodes.length && ids.every((id, i) => id === row.nodes[i]);
    return same ? row : { ...row, generation: row.generation + 1, nodes: ids };
  });
}

/**
 * How many rows each node should be in: `rowCount * places` by weight, but no node in more rows than there are; what a
 * heavy node cannot take is shared by the others.
 */
function sharesOf(weights: readonly number[], rowCount: number, places: number): number[] {
  const shares = weights.map(() => 0);
  const open = new Set(weights.keys());
  let left = rowCount * places;
  for (let settled = false; !settled && open.size > 0; ) {
    const weightLeft = [...open].reduce((sum, node) => sum + weights[node]!, 0);
    const capped = [...open].filter((node) => (left * weights[node]!) / weightLeft > rowCount);
    for (const node of capped) {
      shares[node] = rowCount;
      open.delete(node);
    }
    settled = capped.length === 0;
    if (settled) for (const node of open) shares[node] = (left * weights[node]!) / weightLeft;
    left -= capped.length * rowCount;
  }
  return shares;
}

function fillRows(table: RowTable, places: number, shares: number[], primaryShares: number[]): void {
  for (let rank = 0; rank < places; rank++) {
    for (let row = 0; row < table.rows.length; row++) {
      const members = table.rows[row]!;
      if (members.length > rank) continue;
      const under = (node: number): number => shares[node]! - table.memberships[node]!;
      const underPrimary = (node: number): number => primaryShares[node]! - table.primaries[node]!;
      let best = -1;
      for (let node = 0; node < table.nodeCount; node++) {
        if (members.includes(node)) continue;
        if (best < 0 || suitsBetter(table, row, node, best, rank === 0 ? underPrimary : under)) best = node;
      }
      table.add(row, best);
    }
  }
}

/** Nodes with room come first, then those of the better zone, then those furthest below their share. */
function suitsBetter(
  table: RowTable,
  row: number,
  node: number,
  best: number,
  under: (node: number) => number,
): boolean {
  const room = Number(under(node) > 0) - Number(under(best) > 0);
  if (room !== 0) return room > 0;
  const zone = table.zoneFit(row, node) - table.zoneFit(row, best);
  if (zone !== 0) return zone > 0;
  // Shares of unequal nodes differ by fractions: within one place the overlap decides.
  const lack = Math.ceil(under(node)) - Math.ceil(under(best));
  if (lack !== 0) return lack > 0;
  return table.overlap(row, node) < table.overlap(row, best);
}

/** How a unit passes from one node to another. */
interface Mover {
  /** Whether `from` can hand one to `to` directly. */
  can(from: number, to: number): boolean;
  move(from: number, to: number): void;
}

/** Places in rows: `from` has some row that `to` is not in. */
function placeMover(table: RowTable): Mover {
  return {
    can: (from, to) => table.memberships[from]! > table.shared(from, to),
    move(from, to) {
      let best = -1;
      let bestScore = Number.NEGATIVE_INFINITY;
      for (const [row, members] of table.rows.entries()) {
        if (!members.includes(from) || members.includes(to)) continue;
        // The zone counts most; then a backup goes rather than a primary, whose clients would have to move too.
        const zone = table.zoneFit(row, to, from) - table.zoneFit(row, from, from);
        const score = (zone * 2 - Number(members[0] === from)) * 1e6 - table.overlap(row, to);
        if (score > bestScore) [best, bestScore] = [row, score];
      }
      table.replace(best, from, to);
    },
  };
}

/** The leading of rows: `from` leads some row that `to` is in. */
function primaryMover(table: RowTable): Mover {
  return {
    can: (from, to) => table.rows.some((members) => members[0] === from && members.includes(to)),
    move(from, to) {
      // The highest rank wins: newcomers are last, and a node that has the row's cells already is the better primary.
      let best = -1;
      let bestRank = Number.POSITIVE_INFINITY;
      for (const [row, members] of table.rows.entries()) {
        if (members[0] !== from) continue;
        const rank = members.indexOf(to);
        if (rank > 0 && rank < bestRank) [best, bestRank] = [row, rank];
      }
      table.promote(best, to);
    },
  };
}

/** Rounding in shares must not look like an imbalance. */
const epsilon = 1e-6;

/** Moves units until no pair of nodes, over and under, is further than one apart along any path. */
function evenOut(counts: Int32Array, shares: readonly number[], mover: Mover, slack: number): void {
  const over = (node: number): number => counts[node]! - shares[node]!;
  const byOver = [...counts.keys()];
  for (let moved = true; moved; ) {
    byOver.sort((a, b) => over(b) - over(a) || a - b);
    moved = byOver.some((from) => {
      const path = pathToRoom(from, byOver, over, mover, slack);
      for (let i = 0; i + 1 < path.length; i++) mover.move(path[i]!, path[i + 1]!);
      return path.length > 0;
    });
  }
}

/**
 * The shortest path on which `from` can get rid of one unit, to the emptiest node at that distance; empty when there is
 * none. `byOver` lists all nodes, fullest first.
 */
function pathToRoom(
  from: number,
  byOver: readonly number[],
  over: (node: number) => number,
  mover: Mover,
  slack: number,
): number[] {
  const hasRoom = (node: number): boolean => over(from) - over(node) > 1 + slack + epsilon;
  if (!byOver.some(hasRoom)) return [];
  const cameFrom = new Map<number, number>([[from, -1]]);
  for (let ring = [from]; ring.length > 0; ) {
    const next: number[] = [];
    for (const to of byOver.toReversed()) {
      if (cameFrom.has(to)) continue;
      const via = ring.find((node) => mover.can(node, to));
      if (via === undefined) continue;
      cameFrom.set(to, via);
      if (hasRoom(to)) return pathTo(to, cameFrom);
      next.push(to);
    }
    ring = next;
  }
  return [];
}

function pathTo(node: number, cameFrom: ReadonlyMap<number, number>): number[] {
  const path: number[] = [];
  for (let at = node; at >= 0; at = cameFrom.get(at)!) path.unshift(at);
  return path;
}
