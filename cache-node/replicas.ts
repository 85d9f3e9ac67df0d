/**
 * The rows of one node, put together: what it leads, what it follows, and the links between. No sockets here: a real node
 * and a simulated one differ in the clock, in the peers and in who brings the maps.
 */
import type { Clock, Rng } from "../src/clock.ts";
import { MayflyError } from "../src/errors.ts";
import type { Group, JobNumber, NodeId } from "../src/ids.ts";
import { compareEpochs, epochZero, formatEpoch } from "../src/placement/epoch.ts";
import type { Epoch, FleetMap } from "../src/placement/types.ts";
import { type Effect, encodeEffect, noJob } from "../src/wire/cell.ts";
import type { HeartbeatRequest } from "../src/wire/control-api.ts";
import type { Ref } from "../src/wire/ref.ts";
import type { Version } from "../src/wire/version.ts";
import { BackupCells } from "./cells/backup-cells.ts";
import { CellWaits } from "./cells/cell-waits.ts";
import { MutationLog, type MutationLogOptions } from "./cells/mutation-log.ts";
import { PrimaryCells, type PrimaryCellsOptions } from "./cells/primary-cells.ts";
import { PrimaryCollections } from "./cells/primary-collections.ts";
import { Rows } from "./cells/rows.ts";
import type { JobDirectory } from "./job-directory.ts";
import { BackupLink, type GroupSnapshot } from "./replication/backup-link.ts";
import { GrantKeeper } from "./replication/grant-keeper.ts";
import { Grants } from "./replication/grants.ts";
import { GroupLogs, type LinkReports } from "./replication/group-logs.ts";
import { GroupStates } from "./replication/group-states.ts";
import type { Peers } from "./replication/peers.ts";
import { encodeRecords, type GroupRecord, pieceBytes } from "./replication/snapshot.ts";
import { Unreachable } from "./replication/unreachable.ts";
import { CellStore } from "./store/cell-store.ts";
import type { NodeMemory } from "./store/node-memory.ts";

export interface ReplicasOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly atEndOfTurn: (run: () => void) => void;
  readonly self: () => NodeId;
  readonly map: () => FleetMap | undefined;
  readonly memory: Pick<NodeMemory, "job">;
  readonly jobs: JobDirectory;
  readonly peers: Peers;
  /** The longest that a grant may last; all nodes of the fleet have the same. */
  readonly grantMs: () => number;
  /** How often a grant is renewed before it is over; 4 by default. */
  readonly renewals?: number;
  readonly checkQuota: PrimaryCellsOptions["checkQuota"];
  readonly checkStored: PrimaryCellsOptions["checkStored"];
  readonly freeObject: (job: JobNumber, ref: Ref) => void;
  /** The controller should hear of something at once. */
  readonly onNews: () => void;
  /** This node serves the group from now on, or no more. */
  readonly onActive: (group: Group) => void;
  readonly onResigned: (group: Group) => void;
  /** The row was born with what lies in the object store: somebody should `load` it. Never, where fleets do not hibernate. */
  readonly onLoad?: (group: Group) => void;
  /** See `RowsOptions.hearsController`; only asked while the fleet goes to sleep or wakes. */
  readonly hearsController?: () => boolean;
  /** A ref was committed. The value is valid until the call returns. */
  readonly onRef: MutationLogOptions["onRef"];
  /** Somebody reads a key that holds a ref, here at its primary; does nothing by default. */
  readonly onRefRead?: PrimaryCellsOptions["onRefRead"] | undefined;
}

export class Replicas {
  readonly rows: Rows;
  readonly logs: GroupLogs;
  readonly cells: CellStore;
  readonly waits: CellWaits;
  readonly primary: PrimaryCells;
  readonly collections: PrimaryCollections;
  readonly backup: BackupCells;
  readonly #options: ReplicasOptions;
  readonly #states = new GroupStates();
  readonly #grants: Grants;
  readonly #keeper: GrantKeeper;
  readonly #unreachable: Unreachable;
  /** Nodes that clients could not reach, until the controller is told. */
  readonly #suspects = new Set<NodeId>();
  readonly #mutations: MutationLog;

  constructor(options: ReplicasOptions) {
    this.#options = options;
    const { clock, self, map, jobs, peers, memory, checkQuota, freeObject, grantMs, onNews } = options;
    const { checkStored } = options;
    this.cells = new CellStore(memory);
    this.waits = new CellWaits(clock);
    this.#grants = new Grants(clock);
    this.#unreachable = new Unreachable(onNews);
    this.logs = new GroupLogs({
      ...{ self, states: this.#states, onReady: onNews },
      openLink: (member, reports) => this.#openLink(member, reports),
    });
    this.rows = new Rows({
      ...{ clock, self, states: this.#states, logs: this.logs, grants: this.#grants },
      askSealed: (node, epoch) => this.#askSealed(node, epoch),
      dropGroup: (group) => {
        this.cells.dropGroup(group);
        this.backup.dropGroup(group);
      },
      onActive: (group) => {
        this.#mutations.activate(group);
        options.onActive(group);
      },
      load: (group) => options.onLoad?.(group),
      hearsController: options.hearsController ?? (() => true),
      onUnfit: onNews,
      onResigned: (group) => {
        options.onResigned(group);
        this.waits.dismiss(
          (_, waiting) => waiting === group,
          () => this.rows.notServed(group),
        );
      },
    });
    const shared = { clock, cells: this.cells, logs: this.logs, rows: this.rows };
    this.#mutations = new MutationLog({
      ...{ ...shared, waits: this.waits, freeObject, onRef: options.onRef },
    });
    this.primary = new PrimaryCells({
      ...{ ...shared, mutations: this.#mutations, map, checkQuota, checkStored, freeObject },
      onRefRead: options.onRefRead ?? (() => undefined),
    });
    this.collections = new PrimaryCollections({
      ...{ ...shared, mutations: this.#mutations, primary: this.primary, checkQuota },
    });
    this.backup = new BackupCells({ clock, cells: this.cells, states: this.#states, jobs, self, map });
    this.#keeper = new GrantKeeper({
      ...{ clock, grants: this.#grants, peers, grantMs, renewals: options.renewals },
      followers: () => this.logs.followers(),
      onReached: (node) => this.#unreachable.delete(node),
      onUnreachable: (node) => this.#unreachable.add(node),
    });
  }

  /** To be called with each newer map, once. */
  adopt(map: FleetMap): void {
    const alive = new Set(map.nodes.filter(({ state }) => state !== "dead").map(({ id }) => id));
    this.#unreachable.retain((node) => alive.has(node));
    for (const node of this.#suspects) if (!alive.has(node)) this.#suspects.delete(node);
    this.#grants.retain(alive);
    this.rows.adopt(map);
    this.#keeper.start();
  }

  /** The effects of a primary; answers the groups that need a snapshot. See `BackupCells.apply`. */
  take(sender: NodeId, effects: readonly Effect[]): Group[] {
    return this.backup.apply(sender, effects);
  }

  /**
   * Grants the primary that asks what both have in the same map; answers for how long, in milliseconds.
   *
   * @throws MayflyError MOVED when the two have different maps
   */
  grant(sender: NodeId, epoch: Epoch): number {
    const map = this.#options.map();
    if (map === undefined || compareEpochs(epoch, map.epoch) !== 0) {
      const mine = formatEpoch(map?.epoch ?? { term: 0, n: 0 });
      throw new MayflyError("MOVED", `${mine} is the epoch here and ${formatEpoch(epoch)} there.`);
    }
    const grantMs = this.#options.grantMs();
    this.#grants.give(sender, grantMs);
    return grantMs;
  }

  /**
   * Another node asks whether it may lead what this one led by maps older than this epoch: it reads nothing there any more.
   *
   * @throws MayflyError MOVED when this node has an older map
   */
  checkSealed(epoch: Epoch): void {
    const mine = this.#options.map()?.epoch ?? epochZero;
    if (compareEpochs(mine, epoch) >= 0) return;
    throw new MayflyError(
      "MOVED",
      `${formatEpoch(mine)} is the epoch here, older than ${formatEpoch(epoch)}.`,
    );
  }

  /** Somebody says that a node cannot be reached; the controller finds out. */
  suspect(node: NodeId): void {
    if (this.#suspects.has(node)) return;
    this.#suspects.add(node);
    this.#options.onNews();
  }

  /** What the controller should know. */
  report(): Pick<HeartbeatRequest, "ready" | "unfit" | "rowsPending" | "unreachable" | "suspects"> {
    // Nobody finds out any more whether the others can be reached again.
    const followers = this.logs.followers();
    const unreachable = this.#unreachable.list().filter((node) => followers.has(node));
    const suspects = [...this.#suspects];
    this.#suspects.clear();
    return {
      ready: this.logs.ready(),
      unfit: this.rows.unfit(),
      rowsPending: this.rows.pending,
      ...{ unreachable, suspects },
    };
  }

  /** All that the group holds here, and how far that is. Keys and values are to be copied before the next change. */
  holding(group: Group): { readonly version: Version; readonly records: Iterable<GroupRecord> } {
    return { version: this.#states.last(group), records: this.cells.records(group) };
  }

  /**
   * Takes what the row was born with in this generation, if this node still waits for it; others are given it by the log.
   * `rows.loaded` is to be called after the last one.
   *
   * @param records of all jobs; those that have ended meanwhile are left out
   * @throws MayflyError BUSY without memory: then the group is empty
   */
  load(group: Group, generation: number, version: Version, records: readonly GroupRecord[]): void {
    if (!this.rows.isLoading(group, generation)) return;
    const { clock, jobs } = this.#options;
    const living = records.filter(({ job }) => !jobs.ended(job));
    for (const { job } of living) jobs.note(job);
    this.cells.dropGroup(group);
    if (!this.cells.install(group, living, clock.wallMs())) {
      this.cells.dropGroup(group);
      throw new MayflyError("BUSY", "This node has no memory left for the cells that it should wake with.", {
        retryAfterMs: 500,
      });
    }
    this.#states.begin(group, version, true);
  }

  /** To be called now and then. */
  tick(): void {
    this.#mutations.tick();
    this.backup.tick();
  }

  close(): void {
    this.#keeper.stop();
    this.rows.close();
    this.logs.close();
  }

  /** Whoever led a row and lives says at once that it does no more; otherwise its grants are waited out. */
  async #askSealed(node: NodeId, epoch: Epoch): Promise<void> {
    const { peers } = this.#options;
    try {
      await peers.sealed(node, epoch);
    } catch (thrown) {
      if (MayflyError.from(thrown).code !== "MOVED") throw thrown;
      await peers.exchangeMaps(node);
      await peers.sealed(node, epoch);
    }
  }

  #openLink(member: NodeId, reports: LinkReports): BackupLink {
    const { clock, peers, atEndOfTurn } = this.#options;
    return new BackupLink({
      ...{ clock, atEndOfTurn },
      send: (encoded) => peers.replicate(member, encoded),
      snapshot: (group) => this.#snapshot(group),
      onAcknowledged: reports.onAcknowledged,
      onFailure: (error) => {
        if (error.code === "NODE_UNREACHABLE") this.#unreachable.add(member);
        if (error.code === "MOVED") void peers.exchangeMaps(member);
      },
    });
  }

  #snapshot(group: Group): GroupSnapshot {
    const version = this.#states.last(group);
    const bytes = encodeRecords(this.cells.records(group));
    const count = Math.max(1, Math.ceil(bytes.length / pieceBytes));
    const id = Buffer.from(this.#options.rng.bytes(8)).toString("latin1");
    const pieces = Array.from({ length: count }, (_, at) =>
      encodeEffect({
        ...{ group, version, job: noJob, session: id, sessionSequence: at, sessionFloor: count },
        ...{ kind: "snapshot", expiresAtMs: 0, key: new Uint8Array(0) },
        value: bytes.subarray(at * pieceBytes, (at + 1) * pieceBytes),
      }),
    );
    return { position: version.sequence, pieces };
  }
}
