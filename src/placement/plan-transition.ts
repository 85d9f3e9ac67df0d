/**
 * Moves rows from what they are towards their target, one generation at a time: decides, and only decides. What a step
 * must keep, whatever happens (nothing is acknowledged without all full members, so any of them has everything):
 *
 * - the next primary is a full member of this generation;
 * - the next full members are full members of this generation, or were reported ready in it;
 * - a row is never without full members while one that can lead is alive;
 * - a row of which all full members are known to be gone is born anew, empty, and says so (`born`, `lostJobs`).
 *
 * Redundancy never drops by plan: who is to leave stays until the target is full, and who cannot be reached too, though
 * writes wait for it. But for rows of the largest length, in which nobody else could join.
 */
import type { NodeId } from "../ids.ts";
import { rowNodesMax } from "./map-codec.ts";
import type { TargetRows } from "./plan-target.ts";
import type { Row } from "./types.ts";

/** What nodes reported about rows, each for one generation. */
export interface RowReports {
  /** The joining node has everything, and the primary acknowledges nothing without it any more. */
  isReady(group: number, generation: number, node: NodeId): boolean;
  /** The node should lead the row and cannot, since it never had all of it. */
  isUnfit(group: number, generation: number, node: NodeId): boolean;
  /** The node is known to have heard of the newest generation of the row. */
  hasHeard(group: number, node: NodeId): boolean;
  /** `from` has not been able to reach `to` for a while. */
  isCut(from: NodeId, to: NodeId): boolean;
}

export interface TransitionInput {
  readonly rows: readonly Row[];
  readonly target: TargetRows;
  /** Nodes that may have rows. */
  readonly active: readonly NodeId[];
  /** Active or draining. */
  readonly isAlive: (node: NodeId) => boolean;
  /** Dead for certain: its process has ended, or it was silent for so long that it counts as ended. */
  readonly isGone: (node: NodeId) => boolean;
  readonly reports: RowReports;
  /** Jobs up to this number lose what they had in a row that is born anew. */
  readonly highestJob: number;
  /** Rows that may have joining nodes at a time. */
  readonly joiningRowsMax: number;
}

/** A row on its way to the next generation. */
interface Step {
  readonly group: number;
  readonly row: Row;
  /** Without those who join in this step. Of the same generation still, unless it is born anew. */
  readonly next: Row;
  /** Who should be in it and is not. */
  missing: readonly NodeId[];
}

/** The rows of the next step; one that stays as it is stays the same object. */
export function planTransition(input: TransitionInput): Row[] {
  const active = new Set(input.active);
  const steps = input.rows.map((row, group) => stepRow(row, group, input, active));
  const joiners = chooseJoiners(steps, input.joiningRowsMax);
  return steps.map((step) => withJoiners(step, joiners.get(step.group) ?? []));
}

function stepRow(row: Row, group: number, input: TransitionInput, active: ReadonlySet<NodeId>): Step {
  const { reports, isAlive } = input;
  const target = input.target[group] ?? [];
  const { generation } = row;
  if (isAtTarget(row, group, target, input)) return { group, row, next: row, missing: [] };
  const fit = row.nodes.filter((id) => isAlive(id) && !reports.isUnfit(group, generation, id));
  if (fit.length === 0) return { group, row, next: bornAnew(row, group, target, input), missing: [] };
  const lead = leadOf(group, row, fit, target, active, reports);
  const reaches = (id: NodeId): boolean => areLinked(lead, id, reports);
  const wanted = reachable(target, group, row, input, reaches);
  const joining = row.joining.filter((id) => active.has(id) && reaches(id));
  const ready = joining.filter((id) => reports.isReady(group, generation, id));
  const sure = [lead, ...fit.filter((id) => id !== lead && reaches(id)), ...ready];
  const filling = joining.filter((id) => wanted.includes(id) && !ready.includes(id));
  // A member that the primary cannot reach holds up its writes. But it stays until others have all in its place.
  const cut = fit.filter((id) => !reaches(id)).sort((a, b) => Number(active.has(b)) - Number(active.has(a)));
  const copies = target.length === 0 ? row.nodes.length : target.length;
  const members = [...sure, ...cut.slice(0, Math.max(0, copies - sure.length))];
  const done = wanted.length > 0 && wanted.every((id) => members.includes(id));
  // With too few nodes within reach those that should leave are better than none.
  const spare = members.filter((id) => !wanted.includes(id)).slice(0, target.length - wanted.length);
  const nodes = done ? [...new Set([...finish(wanted, lead, row, group, reports), ...spare])] : members;
  const missing = wanted.filter((id) => !nodes.includes(id) && !filling.includes(id));
  const isFull = nodes.length >= rowNodesMax && missing.length > 0;
  const kept = isFull ? makeRoom(nodes, wanted, group, reports) : nodes;
  return { group, row, next: { ...row, nodes: kept, joining: filling }, missing };
}

/** Most rows, most of the time: there is nothing to think about. */
function isAtTarget(row: Row, group: number, target: readonly NodeId[], input: TransitionInput): boolean {
  const { nodes, joining, generation } = row;
  const lead = nodes[0];
  if (lead === undefined || lead !== target[0] || joining.length > 0 || !sameMembers(nodes, target))
    return false;
  const { reports, isAlive } = input;
  return nodes.every(
    (id) => isAlive(id) && !reports.isUnfit(group, generation, id) && areLinked(lead, id, reports),
  );
}

/** Neither of the two says that it cannot reach the other: an effect and its acknowledgement go both ways. */
function areLinked(a: NodeId, b: NodeId, { isCut }: RowReports): boolean {
  return a === b || !(isCut(a, b) || isCut(b, a));
}

/** Nobody can join a row of the largest length: one that is to leave goes first, and one that leads stops leading first. */
function makeRoom(
  nodes: readonly NodeId[],
  wanted: readonly NodeId[],
  group: number,
  reports: RowReports,
): readonly NodeId[] {
  const leaving = nodes.findLast((id, at) => at > 0 && !wanted.includes(id));
  if (leaving !== undefined) return nodes.filter((id) => id !== leaving);
  const primary = nodes.find((id) => wanted.includes(id) && reports.hasHeard(group, id));
  return primary === undefined ? nodes : [primary, ...nodes.filter((id) => id !== primary)];
}

/**
 * The primary of now if it can lead; else the target's, and rather one that stays than one that drains. A primary that is
 * cut off from other members gives way to one that is linked with more of them, or with more of the fleet.
 */
function leadOf(
  group: number,
  row: Row,
  fit: readonly NodeId[],
  target: readonly NodeId[],
  active: ReadonlySet<NodeId>,
  reports: RowReports,
): NodeId {
  const candidates = [row.nodes[0]!, target[0], ...fit.filter((id) => active.has(id)), ...fit];
  const [first, ...others] = candidates.filter((id) => id !== undefined && fit.includes(id)) as NodeId[];
  const links = (id: NodeId, among: Iterable<NodeId>): number =>
    [...among].reduce((count, other) => count + Number(areLinked(id, other, reports)), 0);
  let lead = first!;
  if (links(lead, fit) === fit.length) return lead;
  let most = [links(lead, fit), links(lead, active)] as const;
  for (const id of others) {
    if (!reports.hasHeard(group, id)) continue;
    const linked = [links(id, fit), links(id, active)] as const;
    if (linked[0] > most[0] || (linked[0] === most[0] && linked[1] > most[1])) [lead, most] = [id, linked];
  }
  return lead;
}

/** The row when all of its full members are dead or unfit: as it is, until that is certain and there is somebody else. */
function bornAnew(row: Row, group: number, target: readonly NodeId[], input: TransitionInput): Row {
  const { isGone, isAlive, reports } = input;
  const certain = row.nodes.every(
    (id) => isGone(id) || (isAlive(id) && reports.isUnfit(group, row.generation, id)),
  );
  if (!certain || target.length === 0) return row;
  const generation = row.generation + 1;
  return { generation, nodes: target, joining: [], born: generation, lostJobs: input.highestJob };
}

/** The target with others in place of those that the primary cannot reach, as far as there are any. */
function reachable(
  target: readonly NodeId[],
  group: number,
  row: Row,
  { active }: TransitionInput,
  reaches: (id: NodeId) => boolean,
): readonly NodeId[] {
  if (target.every(reaches)) return target;
  const kept = target.filter(reaches);
  // Those that have the row or are being given it first, then all, each row beginning elsewhere.
  const start = active.length === 0 ? 0 : group % active.length;
  const others = [...row.nodes, ...row.joining, ...active.slice(start), ...active.slice(0, start)];
  const usable = others.filter((id) => active.includes(id) && reaches(id) && !target.includes(id));
  return [...kept, ...new Set(usable)].slice(0, target.length);
}

/**
 * Full members when everybody wanted is one. The leading passes on only to a node that knows itself to be a full member:
 * one that just became it might hear of both at once, and has not been told what it has.
 */
function finish(
  wanted: readonly NodeId[],
  lead: NodeId,
  row: Row,
  group: number,
  reports: RowReports,
): readonly NodeId[] {
  const reachesAll = (id: NodeId): boolean => wanted.every((other) => areLinked(id, other, reports));
  const primary = reachesAll(wanted[0]!)
    ? wanted[0]!
    : (wanted.find((id) => id === lead) ?? wanted.find(reachesAll) ?? wanted[0]!);
  const others = wanted.filter((id) => id !== primary);
  if (primary === lead) return [lead, ...others];
  const canLead = lead === row.nodes[0] && row.nodes.includes(primary) && reports.hasHeard(group, primary);
  return canLead ? [primary, ...others] : [lead, ...wanted.filter((id) => id !== lead)];
}

/**
 * Who joins which row now: rows with too few full members first, and among them always the node that is given the fewest
 * rows so far, so that all receive at a time.
 */
function chooseJoiners(steps: readonly Step[], joiningRowsMax: number): Map<number, readonly NodeId[]> {
  const load = new Map<NodeId, number>();
  const add = (ids: readonly NodeId[]): void => {
    for (const id of ids) load.set(id, (load.get(id) ?? 0) + 1);
  };
  let rowsLeft = joiningRowsMax;
  for (const { next } of steps) {
    if (next.joining.length > 0) rowsLeft--;
    add(next.joining);
  }
  const chosen = new Map<number, readonly NodeId[]>();
  const choose = ({ group, missing }: Step): void => {
    chosen.set(group, missing);
    add(missing);
  };
  const waiting = steps.filter(({ missing }) => missing.length > 0);
  for (const step of waiting) if (step.next.joining.length > 0) choose(step);
  for (const rank of byRank(waiting.filter(({ group }) => !chosen.has(group)))) {
    while (rank.size > 0 && rowsLeft > 0) {
      let least: NodeId | undefined;
      for (const id of rank.keys()) {
        if (least === undefined || (load.get(id) ?? 0) < (load.get(least) ?? 0)) least = id;
      }
      const rows = rank.get(least!)!;
      choose(rows.shift()!);
      rowsLeft--;
      if (rows.length === 0) rank.delete(least!);
    }
  }
  return chosen;
}

/** Steps by how many full members they have, fewest first; each rank by the first node that is missing. */
function byRank(steps: readonly Step[]): Map<NodeId, Step[]>[] {
  const ranks: Map<NodeId, Step[]>[] = [];
  for (const step of steps) {
    ranks[step.next.nodes.length] ??= new Map();
    const rank = ranks[step.next.nodes.length]!;
    const first = step.missing[0]!;
    const rows = rank.get(first);
    if (rows === undefined) rank.set(first, [step]);
    else rows.push(step);
  }
  return ranks.filter((rank) => rank !== undefined);
}

function withJoiners({ row, next }: Step, joiners: readonly NodeId[]): Row {
  const joining = [...next.joining, ...joiners].slice(0, rowNodesMax - next.nodes.length);
  if (next.born !== row.born) return next;
  // The order of backups means nothing, and is no reason for a new generation.
  const isSame = sameMembers(next.nodes, row.nodes) && next.nodes[0] === row.nodes[0];
  if (isSame && sameMembers(joining, row.joining)) return row;
  return { ...next, joining, generation: row.generation + 1 };
}

function sameMembers(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id) => b.includes(id));
}
