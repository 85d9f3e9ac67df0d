/**
 * What this node is to each group: it follows the map, and decides when it may lead a row and when it leads it no more.
 *
 * A row changes by seal, hand-over, activate. A member that has heard of a new generation takes nothing from the primary of
 * the old one any more (the seal: the old row acknowledges nothing without all its members). The new primary waits until
 * what it granted the old one is over, so that the old one reads nothing any more; then its log is the log of the row, and
 * it serves once all full members have that. See docs/GUARANTEES.md.
 */
import type { Cancel, Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, NodeId } from "../../src/ids.ts";
import { compareEpochs, epochZero, formatEpoch, parseEpoch } from "../../src/placement/epoch.ts";
import { groupCount } from "../../src/placement/groups.ts";
import { type Epoch, emptyRow, type FleetMap, type Row } from "../../src/placement/types.ts";
import type { Grants } from "../replication/grants.ts";
import type { GroupLogs } from "../replication/group-logs.ts";
import type { GroupStates } from "../replication/group-states.ts";

export interface RowsOptions {
  readonly clock: Clock;
  readonly self: () => NodeId;
  readonly states: GroupStates;
  readonly logs: GroupLogs;
  readonly grants: Grants;
  /** Resolves once the node has this map or a newer one: it reads nothing any more that it led by older ones. */
  readonly askSealed: (node: NodeId, epoch: Epoch) => Promise<void>;
  /** What this node has of the group is void, or no longer its business. */
  readonly dropGroup: (group: Group) => void;
  /** This node serves the group from now on. */
  readonly onActive: (group: Group) => void;
  /** Whether the controller was heard of so lately that it cannot count this node as dead. */
  readonly hearsController: () => boolean;
  /** The row was born with what lies in the object store, which this node should fetch; `loaded` says when it is here. */
  readonly load: (group: Group) => void;
  /** There is a row that it should lead and cannot. */
  readonly onUnfit: () => void;
  /** It does no more. */
  readonly onResigned: (group: Group) => void;
}

/** Not this node's to lead; waiting until it may; waiting until all members have its log; serving. */
type Role = 0 | 1 | 2 | 3;
const other = 0;
const sealed = 1;
const handingOver = 2;
const active = 3;

/** Until what another node leads is served there. */
const retryAfterMs = 20;
/** Until a fleet that goes to sleep or wakes takes mutations again. */
const stillRetryAfterMs = 100;

export class Rows {
  readonly #options: RowsOptions;
  #map: FleetMap | undefined;
  readonly #role = new Uint8Array(groupCount);
  /** Monotonic time before which this node may not lead the group: what it granted to the primary before is not over. */
  readonly #fencedUntilMs = new Float64Array(groupCount);
  /** Who was granted that; undefined when they were several. */
  readonly #fencedFor: (NodeId | undefined)[] = [];
  /** The epoch of the map by which this node began to lead the group, without a break since. */
  readonly #ledSince: (Epoch | undefined)[] = [];
  #epochText = formatEpoch(epochZero);
  readonly #unfit = new Set<Group>();
  #pending = 0;
  #cancelWait: Cancel | undefined;

  constructor(options: RowsOptions) {
    this.#options = options;
  }

  row(group: Group): Row | undefined {
    return this.#map?.rows[group];
  }

  /**
   * The row, when this node leads and serves it, and may change it.
   *
   * @throws MayflyError MOVED; UNAVAILABLE when it does not serve it yet, or while the fleet goes to sleep or wakes
   */
  asPrimary(group: Group): Row {
    const row = this.#served(group);
    if (!this.isStill) return row;
    const why = "The fleet goes to sleep or wakes, and takes no changes for a moment; try again.";
    throw new MayflyError("UNAVAILABLE", why, { retryAfterMs: stillRetryAfterMs });
  }

  /** Cells are read and not changed: they are being written to the object store, or brought back from it. */
  get isStill(): boolean {
    return this.#map?.hibernation !== undefined;
  }

  #served(group: Group): Row {
    if (this.#role[group] === active) return this.#map!.rows[group]!;
    throw this.notServed(group);
  }

  /** Like `asPrimary`, also while nothing may be changed, and only while nobody else can have acknowledged anything newer. */
  asReader(group: Group): Row {
    const row = this.#served(group);
    if (!this.#isInTouch()) {
      const why = "The fleet goes to sleep or wakes, and its controller is not heard of; try again.";
      throw new MayflyError("UNAVAILABLE", why, { retryAfterMs: stillRetryAfterMs });
    }
    const without = this.#withoutGrantOf(group);
    if (without === undefined) return row;
    const why = `Group ${group} is not read here now: node ${without} has not renewed its grant; try again.`;
    throw new MayflyError("UNAVAILABLE", why, { retryAfterMs });
  }

  /** Whether `asReader` would not throw. */
  reads(group: Group): boolean {
    return this.#role[group] === active && this.#isInTouch() && this.#withoutGrantOf(group) === undefined;
  }

  /** Other nodes may have the rows of a fleet that slept, and change them, before this one has heard of it. */
  #isInTouch(): boolean {
    return !this.isStill || this.#options.hearsController();
  }

  #withoutGrantOf(group: Group): NodeId | undefined {
    const { grants, logs } = this.#options;
    for (const backup of logs.of(group).backups) if (!grants.holds(backup)) return backup;
    return undefined;
  }

  /**
   * Requests name the epoch by which they were sent here. One from before this node led the group was meant for it in
   * another life, and has been answered elsewhere since.
   *
   * @throws MayflyError MOVED
   */
  checkNamed(group: Group, epoch: string): void {
    if (epoch === this.#epochText) return;
    const since = this.#ledSince[group];
    if (since === undefined || compareEpochs(parseEpoch(epoch), since) >= 0) return;
    const text = `${this.#epochText} group ${group} is led here only since epoch ${formatEpoch(since)}; refresh the map.`;
    throw new MayflyError("MOVED", text);
  }

  /** Whether this node leads the group and serves it. */
  serves(group: Group): boolean {
    return this.#role[group] === active;
  }

  /** Whether the map names this node as the primary. */
  leads(group: Group): boolean {
    return this.#role[group] !== other;
  }

  /** Rows that this node should lead and does not serve yet. */
  get pending(): number {
    return this.#pending;
  }

  /** `[group, generation]` of rows that this node should lead and cannot. */
  unfit(): [Group, number][] {
    return [...this.#unfit].map((group) => [group, this.#map!.rows[group]!.generation]);
  }

  notServed(group: Group): MayflyError {
    const epoch = this.#map === undefined ? "0.0" : formatEpoch(this.#map.epoch);
    if (this.#role[group] === other) {
      return new MayflyError("MOVED", `${epoch} group ${group} is not served here; refresh the map.`);
    }
    return new MayflyError("UNAVAILABLE", `Group ${group} has just moved here and is not served yet.`, {
      retryAfterMs,
    });
  }

  /** To be called with each newer map, once. */
  adopt(map: FleetMap): void {
    const { self, logs } = this.#options;
    const before = this.#map;
    this.#map = map;
    this.#epochText = formatEpoch(map.epoch);
    const me = self();
    const declaredDead = map.nodes.find((node) => node.id === me)?.state === "dead";
    for (let group = 0 as Group; group < map.rows.length; group++) {
      const row = map.rows[group]!;
      const rowBefore = before?.rows[group] ?? emptyRow;
      if (declaredDead) this.#leave(group);
      else if (row.generation !== rowBefore.generation) this.#follow(group, row, rowBefore, me);
    }
    logs.closeUnused(map);
    this.#leadDue();
    this.#askFenced(map);
  }

  /** A primary that lives says itself that it is one no more, so that nobody waits for its grants to be over. */
  #askFenced(map: FleetMap): void {
    const asked = new Set<NodeId>();
    for (let group = 0 as Group; group < map.rows.length; group++) {
      const before = this.#role[group] === sealed ? this.#fencedFor[group] : undefined;
      if (before !== undefined) asked.add(before);
    }
    for (const node of asked) {
      if (map.nodes.find(({ id }) => id === node)?.state === "dead") continue;
      this.#options.askSealed(node, map.epoch).then(
        () => this.#unfence(node, map),
        () => undefined,
      );
    }
  }

  /** @param map that the node has; it led none of the rows sealed by now under a newer one */
  #unfence(node: NodeId, map: FleetMap): void {
    let isAny = false;
    for (let group = 0 as Group; group < map.rows.length; group++) {
      if (this.#role[group] !== sealed || this.#fencedFor[group] !== node) continue;
      if (this.#map!.rows[group]!.generation !== map.rows[group]!.generation) continue;
      this.#fencedUntilMs[group] = 0;
      isAny = true;
    }
    if (isAny) this.#leadDue();
  }

  /** Whether this node waits for what the row was born with in this generation. */
  isLoading(group: Group, generation: number): boolean {
    const row = this.#map?.rows[group];
    return (
      this.#map?.hibernation?.state === "loading" &&
      this.#role[group] === sealed &&
      row?.generation === generation &&
      row.born === generation &&
      !this.#options.states.complete(group)
    );
  }

  /** What the rows were born with is here; `states` say so. */
  loaded(): void {
    this.#leadDue();
  }

  /** Groups that this node serves. @throws MayflyError UNAVAILABLE when it leads some that it does not serve yet */
  allServed(): Group[] {
    if (this.#pending > 0) {
      const why = `${this.#pending} rows are not served here yet.`;
      throw new MayflyError("UNAVAILABLE", why, { retryAfterMs });
    }
    const groups: Group[] = [];
    for (let group = 0 as Group; group < this.#role.length; group++) {
      if (this.#role[group] === active) groups.push(group);
    }
    return groups;
  }

  /** Leads nothing any more: its memory is about to go. */
  close(): void {
    this.#cancelWait?.();
    this.#role.fill(other);
    this.#pending = 0;
  }

  #follow(group: Group, row: Row, before: Row, me: NodeId): void {
    const { states, grants } = this.#options;
    const primaryBefore = before.nodes[0];
    if (primaryBefore !== undefined && primaryBefore !== me && primaryBefore !== row.nodes[0]) {
      const untilMs = grants.givenUntilMs(primaryBefore);
      const isFree = this.#fencedUntilMs[group]! <= this.#options.clock.now();
      this.#fencedFor[group] = isFree || this.#fencedFor[group] === primaryBefore ? primaryBefore : undefined;
      if (untilMs > this.#fencedUntilMs[group]!) this.#fencedUntilMs[group] = untilMs;
    }
    const isMember = row.nodes.includes(me);
    this.#unfit.delete(group);
    if (row.born > states.generation(group)) {
      this.#leave(group);
      this.#options.dropGroup(group);
      // A full member that has nothing is one since the row was born: others join, and are filled before. A row that is not
      // born empty is loaded by its primary, which fills the others.
      const isEmpty = this.#map!.hibernation?.state !== "loading";
      states.begin(group, { generation: row.born, sequence: 0 }, isMember && isEmpty);
    }
    if (!isMember && !row.joining.includes(me)) {
      this.#leave(group);
      // One that was joining may have parts of a snapshot.
      if (before.nodes.includes(me) || before.joining.includes(me)) this.#options.dropGroup(group);
      states.begin(group, states.last(group), false);
    } else if (row.nodes[0] !== me) {
      this.#leave(group);
    } else if (this.#role[group] === active || this.#role[group] === handingOver) {
      this.#lead(group, row);
    } else {
      if (this.#role[group] === other) this.#ledSince[group] = this.#map!.epoch;
      this.#setRole(group, sealed);
    }
  }

  #setRole(group: Group, role: Role): void {
    const isPending = (at: number): number => Number(at === sealed || at === handingOver);
    this.#pending += isPending(role) - isPending(this.#role[group]!);
    this.#role[group] = role;
  }

  #leave(group: Group): void {
    const role = this.#role[group];
    if (role === other) return;
    this.#setRole(group, other);
    this.#unfit.delete(group);
    this.#options.logs.resign(group);
    if (role === active) this.#options.onResigned(group);
  }

  /** Leads the rows whose time has come, and comes back for the others. */
  #leadDue(): void {
    const { clock, states } = this.#options;
    this.#cancelWait?.();
    const nowMs = clock.now();
    let nextMs = Number.POSITIVE_INFINITY;
    const map = this.#map!;
    for (let group = 0 as Group; group < map.rows.length; group++) {
      if (this.#role[group] !== sealed || this.#unfit.has(group)) continue;
      const { born, generation } = map.rows[group]!;
      if (!states.complete(group)) {
        // Not with what it was born with, once the row has gone on from there.
        if (map.hibernation?.state === "loading" && born === generation) this.#options.load(group);
        else {
          this.#unfit.add(group);
          this.#options.onUnfit();
        }
      } else if (this.#fencedUntilMs[group]! > nowMs) nextMs = Math.min(nextMs, this.#fencedUntilMs[group]!);
      else this.#lead(group, map.rows[group]!);
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#cancelWait = clock.after(Math.ceil(nextMs - nowMs), () => this.#leadDue(), true);
  }

  #lead(group: Group, row: Row): void {
    const { logs } = this.#options;
    const goesOn = this.#role[group] === active;
    const logBefore = logs.leads(group) ? logs.of(group) : undefined;
    const position = logs.lead(group, row);
    const log = logs.of(group);
    if (goesOn && log === logBefore) return;
    if (goesOn) {
      this.#ledSince[group] = this.#map!.epoch;
      this.#options.onResigned(group);
    }
    this.#setRole(group, handingOver);
    log.whenCommitted(position, (committed) => {
      if (!committed || logs.leads(group) === false || logs.of(group) !== log) return;
      if (this.#role[group] !== handingOver) return;
      this.#setRole(group, active);
      this.#options.onActive(group);
    });
  }
}
