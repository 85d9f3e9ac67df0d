/** Where every row should end up: decides, and only decides. plan-transition.ts says how it gets there. */
import type { NodeId } from "../ids.ts";
import { planRows, type RowNode } from "./plan-rows.ts";
import type { ZonePolicy } from "./row-table.ts";
import { emptyRow, type Row } from "./types.ts";

/** Nodes may have a twentieth more rows than others: to move rows that lost nobody would trouble those who use them. */
const slackDefault = 0.05;

/** By group: the nodes that the row should have, its primary first. */
export type TargetRows = readonly (readonly NodeId[])[];

export interface TargetInput {
  /** Nodes that may have rows. */
  readonly nodes: readonly Omit<RowNode, "weight">[];
  readonly rows: readonly Row[];
  /** The target before, so that a change of the nodes moves as little of it as it can. */
  readonly previous: TargetRows | undefined;
  readonly backups: number;
  readonly zonePolicy: ZonePolicy;
  /** Share by which nodes may differ; 0 where nothing is stored, and moving rows costs nothing. */
  readonly slack?: number;
}

/**
 * Balanced rows over the nodes, as near as possible to the target before, and then to who has the rows or is being given
 * them. Deterministic. All nodes count alike: rows hold cells, and weights are for shards.
 */
export function planTarget(input: TargetInput): TargetRows {
  const { nodes, rows, previous, backups, zonePolicy, slack = slackDefault } = input;
  const allowed = new Set(nodes.map((node) => node.id));
  const wanted = rows.map((row, group) => {
    const order = [...(previous?.[group] ?? []), ...row.nodes, ...row.joining];
    return [...new Set(order)];
  });
  const base = withPrimaries(wanted, allowed).map((members) => ({ ...emptyRow, nodes: members }));
  const weighed = nodes.map(({ id, zone }) => ({ id, zone, weight: 1 }));
  return planRows({ nodes: weighed, rows: base, backups, zonePolicy, slack }).map((row) => row.nodes);
}

/** The rows without nodes that went. Those that lost their primary get the member that leads the fewest so far. */
function withPrimaries(rows: TargetRows, allowed: ReadonlySet<NodeId>): TargetRows {
  const leads = new Map<NodeId, number>();
  const lead = (id: NodeId | undefined): void => {
    if (id !== undefined) leads.set(id, (leads.get(id) ?? 0) + 1);
  };
  for (const [primary] of rows) if (primary !== undefined && allowed.has(primary)) lead(primary);
  return rows.map((row) => {
    const members = row.filter((id) => allowed.has(id));
    if (members[0] === row[0]) return members;
    const fewest = Math.min(...members.map((id) => leads.get(id) ?? 0));
    const primary = members.find((id) => (leads.get(id) ?? 0) === fewest);
    lead(primary);
    return [...members].sort((a, b) => Number(b === primary) - Number(a === primary));
  });
}
