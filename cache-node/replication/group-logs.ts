/** The logs of all groups that this node is primary of, and the links to their backups. */
import type { Group, NodeId } from "../../src/ids.ts";
import { groupCount } from "../../src/placement/groups.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import { type Effect, encodeEffect } from "../../src/wire/cell.ts";
import type { Version } from "../../src/wire/version.ts";
import type { BackupLink } from "./backup-link.ts";
import { GroupLog } from "./group-log.ts";

interface GroupState {
  readonly log: GroupLog;
  generation: number;
  sequence: number;
  primary: boolean;
  backups: readonly NodeId[];
}

/** `wanted` says whether the backup is still to have the effects of a group. */
export type OpenLink = (backup: NodeId, wanted: (group: Group) => boolean) => BackupLink;

export class GroupLogs {
  readonly #self: () => NodeId;
  readonly #openLink: OpenLink;
  readonly #groups: GroupState[] = [];
  readonly #links = new Map<NodeId, BackupLink>();

  constructor(self: () => NodeId, openLink: OpenLink) {
    this.#self = self;
    this.#openLink = openLink;
    for (let group = 0; group < groupCount; group++) {
      this.#groups.push({ log: new GroupLog(), generation: 0, sequence: 0, primary: false, backups: [] });
    }
  }

  of(group: Group): GroupLog {
    return this.#groups[group]!.log;
  }

  /** Sequences begin anew with each generation of the row. */
  nextVersion(group: Group, generation: number): Version {
    const state = this.#groups[group]!;
    if (state.generation !== generation) {
      state.generation = generation;
      state.sequence = 0;
    }
    return { generation, sequence: state.sequence + 1 };
  }

  /** Logs an effect that was applied here; returns its position. Keeps nothing of the effect's memory. */
  append(effect: Effect): number {
    const state = this.#groups[effect.group]!;
    state.sequence = effect.version.sequence;
    const position = state.log.append();
    if (state.backups.length === 0) return position;
    const { group } = effect;
    const encoded = encodeEffect(effect);
    for (const backup of state.backups) {
      const acknowledged = (): void => state.log.acknowledge(backup, position);
      this.#links.get(backup)?.push({ group, encoded, acknowledged });
    }
    return position;
  }

  /** Follows the map: who the backups are, and to whom a link is of use. */
  adopt(map: FleetMap): void {
    const dead = new Set(map.nodes.filter((node) => node.state === "dead").map((node) => node.id));
    const wanted = new Set<NodeId>();
    for (const [group, row] of map.rows.entries()) {
      const state = this.#groups[group]!;
      const wasPrimary = state.primary;
      state.primary = row.nodes[0] === this.#self();
      // A backup that is dead but still in the row has everything it ever acknowledged; it takes no more.
      state.backups = state.primary ? row.nodes.slice(1).filter((node) => !dead.has(node)) : [];
      if (state.primary) state.log.setBackups(state.backups);
      else if (wasPrimary) state.log.resign();
      for (const backup of state.backups) wanted.add(backup);
    }
    for (const backup of wanted) {
      if (this.#links.has(backup)) continue;
      const isBackupOf = (group: Group): boolean => this.#groups[group]!.backups.includes(backup);
      this.#links.set(backup, this.#openLink(backup, isBackupOf));
    }
    for (const [backup, link] of this.#links) {
      if (wanted.has(backup)) continue;
      link.close();
      this.#links.delete(backup);
    }
  }

  /** Effects that some backup has not acknowledged yet. */
  backlog(): number {
    let count = 0;
    for (const link of this.#links.values()) count += link.backlog;
    return count;
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}
