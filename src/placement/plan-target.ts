/** Where every row should end up: decides, and only decides. plan-transition.ts says how it gets there. */
import type { NodeId } from "../ids.ts";
import { planRows, type RowNode } from "./plan-rows.ts";
import type { ZonePolicy } from "./row-table.ts";
import { emptyRow, type Row } from "./types.ts";

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
}

/**
 * Balanced rows over the nodes, as near as possible to the target before, and then to who has the rows or is being given
 * them. Deterministic. All nodes count alike: rows hold cells, and weights are for shards.
 */
export function planTarget({ nodes, rows, previous, backups, zonePolicy }: TargetInput): TargetRows {
  const allowed = new Set(nodes.map((node) => node.id));
  const base = rows.map((row, group) => {
    const order = [...(previous?.[group] ?? []), ...row.nodes, ...row.joining];
    return { ...emptyRow, nodes: [...new Set(order)].filter((id) => allowed.has(id)) };
  });
  const weighed = nodes.map(({ id, zone }) => ({ id, zone, weight: 1 }));
  return planRows({ nodes: weighed, rows: base, backups, zonePolicy }).map((row) => row.nodes);
}
