/**
 * What a member does with the effects that the primary of its row sends: checks that they lead on from what it has, and
 * applies them; where they do not, it refuses the group until a snapshot has come.
 */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber, NodeId } from "../../src/ids.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Effect } from "../../src/wire/cell.ts";
import { compareVersions, decodeVersion, type Version } from "../../src/wire/version.ts";
import type { JobDirectory } from "../job-directory.ts";
import type { GroupStates } from "../replication/group-states.ts";
import { decodeRecords, piecesMax } from "../replication/snapshot.ts";
import { cellName } from "../store/cell.ts";
import type { CellStore } from "../store/cell-store.ts";
import { ExpiryWheel, expiredKeptMs } from "./expiry-wheel.ts";

export interface BackupCellsOptions {
  readonly clock: Clock;
  readonly cells: CellStore;
  readonly states: GroupStates;
  readonly jobs: JobDirectory;
  readonly self: () => NodeId;
  readonly map: () => FleetMap | undefined;
}

interface Leftover {
  readonly job: JobNumber;
  readonly group: Group;
  readonly name: string;
  readonly version: Version;
}

/** A snapshot that has not all come yet. What the node has is left as it is until then. */
interface Incoming {
  /** Of this one alone: two of the same version may differ in what does not matter. */
  readonly id: string;
  readonly version: Version;
  readonly pieces: Uint8Array[];
}

export class BackupCells {
  readonly #options: BackupCellsOptions;
  readonly #incoming = new Map<Group, Incoming>();
  /** What is left of expired keys: a primary forgets it in time without an effect, and so must we. */
  readonly #leftovers = new ExpiryWheel<Leftover>();

  constructor(options: BackupCellsOptions) {
    this.#options = options;
  }

  /**
   * Applies effects in order; those it has already are skipped.
   *
   * @returns the groups whose effects do not lead on from what this node has: they need a snapshot
   * @throws MayflyError MOVED when by this node's map the sender is not the primary, or the effect is of a later
   * generation; BUSY without memory. What came before the failing effect stays applied.
   */
  apply(sender: NodeId, effects: readonly Effect[]): Group[] {
    const refused = new Set<Group>();
    for (const effect of effects) {
      this.#checkSender(sender, effect);
      if (!refused.has(effect.group) && !this.#take(effect)) refused.add(effect.group);
    }
    return [...refused];
  }

  /** The node has nothing to do with the group any more. */
  dropGroup(group: Group): void {
    this.#incoming.delete(group);
  }

  /** To be called now and then. */
  tick(): void {
    const { cells, clock } = this.#options;
    for (const { job, group, name, version } of this.#leftovers.take(clock.wallMs())) {
      const cell = cells.get(job, group, name);
      if (cell === undefined || compareVersions(cell.version, version) !== 0) continue;
      cells.forget(job, group, name, cell.position);
    }
  }

  /** This is the seal, too: who has heard of a newer generation takes nothing from the primary of the older one. */
  #checkSender(sender: NodeId, effect: Effect): void {
    const map = this.#options.map();
    const row = map?.rows[effect.group];
    const self = this.#options.self();
    if (
      map !== undefined &&
      row !== undefined &&
      row.nodes[0] === sender &&
      effect.version.generation <= row.generation &&
      (row.nodes.includes(self) || row.joining.includes(self))
    ) {
      return;
    }
    const epoch = map === undefined ? "0.0" : formatEpoch(map.epoch);
    const why = `node ${sender} is not the primary of group ${effect.group} in generation ${effect.version.generation} here.`;
    throw new MayflyError("MOVED", `${epoch} ${why}`);
  }

  /** False when the effect does not lead on from what is here. */
  #take(effect: Effect): boolean {
    const { states } = this.#options;
    const { group, version } = effect;
    if (effect.kind === "snapshot") return this.#takePiece(effect);
    if (!states.complete(group)) return false;
    const last = states.last(group);
    if (effect.kind === "activate" && version.generation > last.generation) {
      if (compareVersions(decodeVersion(effect.value), last) !== 0) return false;
    } else if (version.generation !== last.generation || version.sequence !== last.sequence + 1) {
      return states.includes(group, version);
    }
    this.#apply(effect);
    states.advance(group, version);
    return true;
  }

  #apply(effect: Effect): void {
    const { cells, clock, jobs } = this.#options;
    const { group, job, kind, version } = effect;
    if (kind === "activate" || jobs.ended(job)) return;
    jobs.note(job);
    const applied = cells.apply(effect, clock.wallMs());
    if (applied === undefined) {
      throw new MayflyError("BUSY", "This backup has no memory left for cells.", { retryAfterMs: 100 });
    }
    const name = cellName(effect.key);
    if (applied.emptied || kind === "deleted") cells.forget(job, group, name, version.sequence);
    if (kind === "expired") this.#keepLeftover({ job, group, name, version });
  }

  #keepLeftover(leftover: Leftover): void {
    this.#leftovers.add(this.#options.clock.wallMs() + expiredKeptMs, leftover);
  }

  /** A piece of a snapshot; the last one installs it. */
  #takePiece(effect: Effect): boolean {
    const { states } = this.#options;
    const { group, version, session: id, sessionSequence: at, sessionFloor: count } = effect;
    if (states.complete(group)) {
      // One that was long under way must not put the clock back.
      const last = states.last(group);
      if (version.generation < last.generation) return false;
      if (version.generation === last.generation && version.sequence <= last.sequence) return true;
    }
    if (count < 1 || count > piecesMax || at >= count) {
      throw new MayflyError("PROTOCOL", `Piece ${at} of ${count} of a snapshot: there is no such piece.`);
    }
    let incoming = this.#incoming.get(group);
    const same = incoming?.id === id;
    if (at === 0 && !same) {
      incoming = { id, version, pieces: [] };
      this.#incoming.set(group, incoming);
    } else if (!same) {
      return false;
    }
    const { pieces } = incoming!;
    if (at > pieces.length) return false;
    if (at === pieces.length) pieces.push(effect.value);
    if (pieces.length === count) this.#install(group, version, pieces);
    return true;
  }

  #install(group: Group, version: Version, pieces: readonly Uint8Array[]): void {
    const { cells, clock, jobs, states } = this.#options;
    const records = decodeRecords(Buffer.concat(pieces)).filter(({ job }) => !jobs.ended(job));
    for (const { job } of records) jobs.note(job);
    states.begin(group, version, false);
    cells.dropGroup(group);
    if (!cells.install(group, records, clock.wallMs())) {
      cells.dropGroup(group);
      // All pieces but the last are kept: it comes again, and with it another try.
      (pieces as Uint8Array[]).pop();
      throw new MayflyError("BUSY", "This node has no memory left for the cells of a group.", {
        retryAfterMs: 100,
      });
    }
    this.#incoming.delete(group);
    states.begin(group, version, true);
    for (const record of records) {
      if (record.type === "cell" && record.kind === "expired") {
        const { job, key } = record;
        this.#keepLeftover({ job, group, name: cellName(key), version: record.version });
      }
    }
  }
}
