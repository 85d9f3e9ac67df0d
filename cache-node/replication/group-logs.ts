/** The logs of all groups that this node leads, and the links to the other members of their rows. */
import { MayflyError } from "../../src/errors.ts";
import type { Group, NodeId } from "../../src/ids.ts";
import type { FleetMap, Row } from "../../src/placement/types.ts";
import { type Effect, encodeEffect, noJob, noSession } from "../../src/wire/cell.ts";
import { encodeVersion, type Version } from "../../src/wire/version.ts";
import type { BackupLink } from "./backup-link.ts";
import { GroupLog } from "./group-log.ts";
import type { GroupStates } from "./group-states.ts";

interface Included {
  /** What was committed when the log included it: once it has that it has everything. */
  readonly from: number;
  ready: boolean;
}

/** A group that this node leads. */
interface Led {
  readonly log: GroupLog;
  row: Row;
  /** The links to its members, full and joining. */
  links: BackupLink[];
  /** Joining nodes that the log includes. */
  readonly included: Map<NodeId, Included>;
}

/** What a link tells of the member at its other end. */
export interface LinkReports {
  onAcknowledged(group: Group, position: number): void;
}

export interface GroupLogsOptions {
  readonly self: () => NodeId;
  readonly states: GroupStates;
  readonly openLink: (member: NodeId, reports: LinkReports) => BackupLink;
  /** A joining node has everything: the controller wants to know. */
  readonly onReady: () => void;
}

const noValue = new Uint8Array(0);

export class GroupLogs {
  readonly #options: GroupLogsOptions;
  readonly #led = new Map<Group, Led>();
  readonly #logs: (GroupLog | undefined)[] = [];
  readonly #links = new Map<NodeId, BackupLink>();

  constructor(options: GroupLogsOptions) {
    this.#options = options;
  }

  /** The log of a group that this node leads. @throws MayflyError INTERNAL */
  of(group: Group): GroupLog {
    const log = this.#logs[group];
    if (log === undefined) throw new MayflyError("INTERNAL", `Group ${group} is not led here.`);
    return log;
  }

  leads(group: Group): boolean {
    return this.#logs[group] !== undefined;
  }

  /** The version of the next effect. */
  nextVersion(group: Group, generation: number): Version {
    return { generation, sequence: this.#options.states.sequence(group) + 1 };
  }

  /** Logs an effect that was applied here; returns its position. Keeps nothing of the effect's memory. */
  append(effect: Effect): number {
    const { group } = effect;
    const led = this.#led.get(group)!;
    this.#options.states.advance(group, effect.version);
    const position = led.log.append();
    if (led.links.length === 0) return position;
    const encoded = encodeEffect(effect);
    for (const link of led.links) link.push(group, encoded, position);
    return position;
  }

  /**
   * Begins to lead a group, or goes on in the next generation of its row. What the group holds here is what it holds from
   * now on; other full members that have something else are given it. The position of the effect that says so: once
   * that is committed, all full members have all of it.
   */
  lead(group: Group, row: Row): number {
    const self = this.#options.self();
    const backups = row.nodes.filter((node) => node !== self);
    let led = this.#led.get(group);
    if (led !== undefined && !goesOn(led, row, backups)) {
      this.resign(group);
      led = undefined;
    }
    if (led === undefined) {
      const log = new GroupLog();
      log.begin(this.#options.states.sequence(group), backups);
      led = { log, row, links: [], included: new Map() };
      this.#led.set(group, led);
      this.#logs[group] = log;
      for (const backup of backups) this.#link(backup).open(group, false);
    } else {
      for (const node of led.row.nodes.concat(led.row.joining)) {
        if (row.nodes.includes(node) || row.joining.includes(node)) continue;
        this.#links.get(node)?.drop(group);
        led.included.delete(node);
      }
      led.row = row;
    }
    const { log, included } = led;
    for (const node of row.nodes) included.delete(node);
    for (const node of row.joining) {
      const link = this.#link(node);
      if (link.has(group)) continue;
      link.open(group, true);
    }
    led.links = backups.concat(row.joining).map((node) => this.#link(node));
    const position = this.append(this.#activation(group, row));
    log.keepBackups([...backups, ...included.keys()]);
    return position;
  }

  /** Leads the group no more: what is not on all members will not be answered here. */
  resign(group: Group): void {
    const led = this.#led.get(group);
    if (led === undefined) return;
    this.#led.delete(group);
    this.#logs[group] = undefined;
    for (const node of led.row.nodes.concat(led.row.joining)) this.#links.get(node)?.drop(group);
    led.log.resign();
  }

  /** `[group, generation, node]` of the joining nodes that have everything and without whom nothing is committed. */
  ready(): [Group, number, NodeId][] {
    const all: [Group, number, NodeId][] = [];
    for (const [group, { row, included }] of this.#led) {
      for (const [node, { ready }] of included) if (ready) all.push([group, row.generation, node]);
    }
    return all;
  }

  /** All nodes that this one sends effects to, by its map. */
  followers(): ReadonlySet<NodeId> {
    return new Set(this.#links.keys());
  }

  /** Closes the links that no row of the map needs. */
  closeUnused(map: FleetMap): void {
    const self = this.#options.self();
    const used = new Set<NodeId>();
    for (const row of map.rows) {
      if (row.nodes[0] !== self) continue;
      for (const node of row.nodes) used.add(node);
      for (const node of row.joining) used.add(node);
    }
    for (const [node, link] of this.#links) {
      if (used.has(node)) continue;
      link.close();
      this.#links.delete(node);
    }
  }

  /** Effects that some member has not acknowledged yet. */
  backlog(): number {
    let count = 0;
    for (const link of this.#links.values()) count += link.backlog;
    return count;
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }

  #link(node: NodeId): BackupLink {
    let link = this.#links.get(node);
    if (link === undefined) {
      const onAcknowledged = (group: Group, position: number): void =>
        this.#acknowledged(group, node, position);
      link = this.#options.openLink(node, { onAcknowledged });
      this.#links.set(node, link);
    }
    return link;
  }

  #acknowledged(group: Group, node: NodeId, position: number): void {
    const led = this.#led.get(group);
    if (led === undefined) return;
    const { log, included, row } = led;
    if (row.joining.includes(node) && !included.has(node)) {
      // It has its snapshot. What was committed since without it is on its way to it, and it is ready behind that.
      included.set(node, { from: log.committed, ready: false });
      log.include(node, position);
    }
    log.acknowledge(node, position);
    if (included.size === 0) return;
    const joining = included.get(node);
    if (joining === undefined || joining.ready || position < joining.from) return;
    joining.ready = true;
    this.#options.onReady();
  }

  #activation(group: Group, row: Row): Effect {
    const { states } = this.#options;
    return {
      group,
      version: this.nextVersion(group, row.generation),
      job: noJob,
      session: noSession,
      sessionSequence: 0,
      sessionFloor: 0,
      kind: "activate",
      expiresAtMs: 0,
      key: noValue,
      value: encodeVersion(states.last(group)),
    };
  }
}

/**
 * Whether the log goes on in this generation of the row. Not when this node has missed one: members may have left and come
 * back meanwhile, and what they acknowledged before says nothing then.
 */
function goesOn(led: Led, row: Row, backups: readonly NodeId[]): boolean {
  return row.generation === led.row.generation + 1 && backups.every((node) => led.log.includes(node));
}
