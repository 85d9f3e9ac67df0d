/** What a backup does with the effects its primaries send: checks that they follow one another, and applies them. */
import type { Clock } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber, NodeId } from "../../src/ids.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { Effect } from "../../src/wire/cell.ts";
import { compareVersions, type Version } from "../../src/wire/version.ts";
import type { JobDirectory } from "../job-directory.ts";
import { type CellStore, cellName } from "../store/cell-store.ts";
import { ExpiryWheel, expiredKeptMs } from "./expiry-wheel.ts";

export interface BackupCellsOptions {
  readonly clock: Clock;
  readonly cells: CellStore;
  readonly jobs: JobDirectory;
  readonly self: () => NodeId;
  readonly map: () => FleetMap | undefined;
}

interface Sent {
  readonly version: Version;
  readonly primary: NodeId;
}

/** The same, for each effect anew. */
interface Newest {
  generation: number;
  sequence: number;
  primary: NodeId;
}

interface Leftover {
  readonly job: JobNumber;
  readonly group: Group;
  readonly name: string;
  readonly version: Version;
}

export class BackupCells {
  readonly #options: BackupCellsOptions;
  /** Newest effect of each group, and who sent it. */
  readonly #newest = new Map<Group, Newest>();
  /**
   * The effect of a group that found no memory. Until its primary has sent it again, what was sent behind it is refused:
   * sequences show a gap, but begin anew with each generation.
   */
  readonly #refused = new Map<Group, Sent>();
  /** What is left of expired keys: a primary forgets it in time without an effect, and so must we. */
  readonly #leftovers = new ExpiryWheel<Leftover>();

  constructor(options: BackupCellsOptions) {
    this.#options = options;
  }

  /**
   * Applies effects in order; those it has already are skipped.
   * @throws MayflyError MOVED when by this node's map the sender is not the primary; PROTOCOL at a gap; BUSY without
   * memory. What came before the failing effect stays applied.
   */
  apply(sender: NodeId, effects: readonly Effect[]): void {
    const map = this.#options.map();
    if (map?.nodes.find((node) => node.id === sender)?.state === "dead") {
      throw new MayflyError("MOVED", `${formatEpoch(map.epoch)} node ${sender} was declared dead.`);
    }
    for (const effect of effects) {
      const row = map?.rows[effect.group];
      const member = row?.nodes.indexOf(this.#options.self()) ?? -1;
      if (
        row === undefined ||
        row.nodes[0] !== sender ||
        member < 1 ||
        effect.version.generation > row.generation
      ) {
        const epoch = map === undefined ? "0.0" : formatEpoch(map.epoch);
        throw new MayflyError(
          "MOVED",
          `${epoch} node ${sender} is not the primary of group ${effect.group} here.`,
        );
      }
      this.#applyNext(sender, effect);
    }
  }

  /** Rows that this node is no longer in will not be sent again. */
  adopt(map: FleetMap): void {
    const self = this.#options.self();
    for (const group of this.#refused.keys()) {
      if (map.rows[group]?.nodes.includes(self) !== true) this.#refused.delete(group);
    }
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

  #applyNext(sender: NodeId, effect: Effect): void {
    const { group, version, job } = effect;
    const newest = this.#newest.get(group);
    const same = newest?.primary === sender && newest.generation === version.generation;
    if (same && version.sequence <= newest.sequence) return;
    if (newest?.primary === sender && version.generation < newest.generation) return;
    const refused = this.#refused.get(group);
    const behind = refused?.primary === sender && compareVersions(version, refused.version) > 0;
    if (behind || version.sequence !== (same ? newest.sequence + 1 : 1)) {
      throw new MayflyError(
        "PROTOCOL",
        `Effect ${version.generation}.${version.sequence} of group ${group} leaves a gap behind ${newest?.sequence ?? 0}.`,
      );
    }
    if (!this.#options.jobs.ended(job)) {
      const { cells, clock, jobs } = this.#options;
      jobs.note(job);
      if (cells.apply(effect, 0, clock.wallMs()) === undefined) {
        this.#refused.set(group, { version, primary: sender });
        throw new MayflyError("BUSY", "This backup has no memory left for cells.", { retryAfterMs: 100 });
      }
      const name = cellName(effect.key);
      if (effect.kind === "deleted") cells.forget(job, group, name, 0);
      if (effect.kind === "expired") {
        this.#leftovers.add(clock.wallMs() + expiredKeptMs, { job, group, name, version });
      }
    }
    const { generation, sequence } = version;
    if (newest === undefined) this.#newest.set(group, { generation, sequence, primary: sender });
    else {
      newest.generation = generation;
      newest.sequence = sequence;
      newest.primary = sender;
    }
    this.#refused.delete(group);
  }
}
