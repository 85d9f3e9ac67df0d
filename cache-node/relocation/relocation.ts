/**
 * What keeps objects where they can be read and frees what nobody names: relocation of the objects of the groups that
 * this node leads, verdicts on shards of these groups that others hold, and the collection of orphans among its own.
 * It knows the cells by an interface (relocation-cells.ts) and other nodes by their commands.
 */
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { NodePool } from "../../client/transport/node-pool.ts";
import type { Clock, Rng } from "../../src/clock.ts";
import type { Group, JobNumber, NodeId, ObjectId } from "../../src/ids.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { JobDirectory } from "../job-directory.ts";
import type { ShardStore } from "../store/shard-store.ts";
import { askThrough } from "./ask-node.ts";
import { ShardJudge } from "./judge-shards.ts";
import { Orphans } from "./orphans.ts";
import type { RelocationCells } from "./relocation-cells.ts";
import { Relocator } from "./relocator.ts";
import { ScratchMemory } from "./scratch-memory.ts";
import { SupersededShards } from "./superseded-shards.ts";

export interface RelocationOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly jobs: Pick<JobDirectory, "ended" | "note" | "inUse">;
  readonly view: Pick<FleetView, "current" | "epoch" | "node">;
  readonly pool: Pick<NodePool, "connection">;
  readonly cells: RelocationCells;
  /** Unlimited when it is undefined, and by default. */
  readonly bytesPerSecond?: () => number | undefined;
  /** 16 MiB by default. */
  readonly scratchBytes?: number | undefined;
  /** Instead of one of its own. */
  readonly scratch?: ScratchMemory | undefined;
  /** Something else than a relocation to other nodes is writing shards of the object. */
  readonly isPlacing?: ((job: JobNumber, object: ObjectId) => boolean) | undefined;
  /** Of an object, between two changes of its ref; 256 by default. */
  readonly stripesPerCommit?: number | undefined;
  /** What relocations leave behind is freed after once to twice as long; 1 s by default. */
  readonly supersededMs?: number | undefined;
  /** 30 s, 5 minutes and 15 minutes by default. */
  readonly orphanCheckMs?: number | undefined;
  readonly orphanAfterMs?: number | undefined;
  readonly orphanConfirmedMs?: number | undefined;
}

const supersededMsDefault = 1000;
const orphanCheckMsDefault = 30_000;
const orphanAfterMsDefault = 5 * 60_000;
const orphanConfirmedMsDefault = 15 * 60_000;

export class Relocation {
  readonly relocator: Relocator;
  readonly orphans: Orphans;
  readonly judge: ShardJudge;

  constructor(options: RelocationOptions) {
    const { clock, self, shards, view, cells } = options;
    const ask = askThrough(view, options.pool);
    const { isPlacing = () => false } = options;
    const isMoving: Relocator["isMoving"] = (job, object) =>
      this.relocator.isMoving(job, object) || isPlacing(job, object);
    const map = (): FleetMap | undefined => view.current;
    const common = { ...options, ask, map };
    const delayMs = options.supersededMs ?? supersededMsDefault;
    this.relocator = new Relocator({
      ...common,
      scratch: options.scratch ?? new ScratchMemory(options.scratchBytes),
      isInUse: () => options.jobs.inUse,
      superseded: new SupersededShards({ clock, self, shards, ask, cells, map, isMoving, delayMs }),
    });
    this.judge = new ShardJudge({
      ...common,
      isMoving,
      isFresh: (job, objects) => this.orphans.freshOf(job, objects),
    });
    this.orphans = new Orphans({
      ...common,
      judge: this.judge,
      checkMs: options.orphanCheckMs ?? orphanCheckMsDefault,
      afterMs: options.orphanAfterMs ?? orphanAfterMsDefault,
      confirmedMs: options.orphanConfirmedMs ?? orphanConfirmedMsDefault,
    });
  }

  start(): void {
    this.orphans.start();
  }

  close(): void {
    this.orphans.close();
    this.relocator.close();
  }

  /** To be called with each new map, after the cells have it. */
  mapChanged(map: FleetMap): void {
    this.orphans.mapChanged(map);
    this.relocator.mapChanged(map);
  }

  groupActivated(group: Group): void {
    this.relocator.groupActivated(group);
  }

  groupLeft(group: Group): void {
    this.relocator.groupLeft(group);
  }

  /** Cheap: may be called for each commit. */
  refCommitted(job: JobNumber, group: Group, name: string, value: Uint8Array): void {
    this.relocator.refCommitted(job, group, name, value);
  }

  jobEnded(job: JobNumber): void {
    this.relocator.jobEnded(job);
  }
}
