/**
 * What nodes reported about rows. All of it is of one generation of a row and is forgotten with it: reports about
 * another generation, or of anybody but the row's primary, count for nothing. After a restart nodes report again.
 */
import type { NodeId } from "../ids.ts";
import { compareEpochs } from "../placement/epoch.ts";
import type { RowReports } from "../placement/plan-transition.ts";
import type { Epoch, FleetMap } from "../placement/types.ts";
import type { HeartbeatRequest } from "../wire/control-api.ts";

interface RowFact {
  readonly generation: number;
  readonly ready: Set<number>;
  unfit: number | undefined;
}

export class RowFacts {
  readonly #facts = new Map<number, RowFact>();
  /** By row: the epoch that brought its newest generation; absent when that was before this controller began. */
  readonly #changedAt = new Map<number, Epoch>();

  /** @returns whether the report says something new */
  hear(map: FleetMap, from: number, report: Pick<HeartbeatRequest, "ready" | "unfit">): boolean {
    let isNew = false;
    for (const [group, generation, node] of report.ready) {
      const row = map.rows[group];
      if (row?.generation !== generation || row.nodes[0] !== from) continue;
      if (!row.joining.some((id) => id === node)) continue;
      const { ready } = this.#fact(group, generation);
      isNew ||= !ready.has(node);
      ready.add(node);
    }
    for (const [group, generation] of report.unfit) {
      const row = map.rows[group];
      if (row?.generation !== generation || row.nodes[0] !== from) continue;
      const fact = this.#fact(group, generation);
      isNew ||= fact.unfit !== from;
      fact.unfit = from;
    }
    return isNew;
  }

  /** To be called with each new map. */
  changed(before: FleetMap, after: FleetMap): void {
    if (before.rows === after.rows) return;
    for (const [group, row] of after.rows.entries()) {
      if (row.generation === before.rows[group]?.generation) continue;
      this.#facts.delete(group);
      this.#changedAt.set(group, after.epoch);
    }
  }

  /** The facts as the planner asks for them. `epochOf`: the newest epoch that a node is known to have. */
  reports(epochOf: (node: number) => Epoch, isCut: RowReports["isCut"]): RowReports {
    const of = (group: number, generation: number): RowFact | undefined => {
      const fact = this.#facts.get(group);
      return fact?.generation === generation ? fact : undefined;
    };
    return {
      isReady: (group, generation, node) => of(group, generation)?.ready.has(node) ?? false,
      isUnfit: (group, generation, node) => of(group, generation)?.unfit === node,
      hasHeard: (group: number, node: NodeId) => {
        const since = this.#changedAt.get(group);
        return since === undefined || compareEpochs(epochOf(node), since) >= 0;
      },
      isCut,
    };
  }

  #fact(group: number, generation: number): RowFact {
    const known = this.#facts.get(group);
    if (known?.generation === generation) return known;
    const fact: RowFact = { generation, ready: new Set(), unfit: undefined };
    this.#facts.set(group, fact);
    return fact;
  }
}

/** Of a fleet from which nothing was heard but that all have the map. */
export const noReports: RowReports = {
  isReady: () => false,
  isUnfit: () => false,
  hasHeard: () => true,
  isCut: () => false,
};
