/**
 * Spill: the memory of the fleet overflows into its object store. Objects move there and back by changes of their refs, as with every
 * relocation (../relocation/), and only the primary of their key moves them. It knows the cells by an interface, other nodes by their
 * commands, and the store by what `store` opens.
 */
import type { FleetView } from "../../client/transport/fleet-view.ts";
import type { NodePool } from "../../client/transport/node-pool.ts";
import { type Clock, type Rng, sleep } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import type { MayflyError } from "../../src/errors.ts";
import { type Group, groupOfObject, type JobNumber, type NodeId, type ObjectId } from "../../src/ids.ts";
import type { FleetMap } from "../../src/placement/types.ts";
import type { SpillReport } from "../../src/wire/control-api.ts";
import type { Ref } from "../../src/wire/ref.ts";
import { framedBytes } from "../../src/wire/stored-layout.ts";
import { spillName } from "../../src/wire/stored-names.ts";
import type { JobDirectory } from "../job-directory.ts";
import { askThrough } from "../relocation/ask-node.ts";
import { extentOf, objectOfRef } from "../relocation/glance-at-ref.ts";
import type { RelocationCells } from "../relocation/relocation-cells.ts";
import type { ScratchMemory } from "../relocation/scratch-memory.ts";
import { SupersededShards } from "../relocation/superseded-shards.ts";
import { TimeSlices } from "../relocation/time-slices.ts";
import type { ShardStore } from "../store/shard-store.ts";
import { LivePacks } from "./live-packs.ts";
import { PackMemory } from "./pack-memory.ts";
import { type SpillMemory, type SpillPolicy, spillPolicyFor } from "./plan-spill.ts";
import { ReadBack } from "./read-back.ts";
import { type SpillCandidate, SpillQueue } from "./spill-queue.ts";
import { SpilledObjects } from "./spilled-objects.ts";
import { Spiller } from "./spiller.ts";
import type { PackOutcome } from "./write-pack.ts";
import { fullRatioDefault, WritePressure } from "./write-pressure.ts";

export interface SpillOptions {
  readonly clock: Clock;
  readonly rng: Rng;
  readonly self: () => NodeId;
  readonly shards: ShardStore;
  readonly jobs: Pick<JobDirectory, "ended" | "note" | "inUse" | "preferenceOf">;
  readonly view: Pick<FleetView, "current" | "node">;
  readonly pool: Pick<NodePool, "connection">;
  readonly cells: RelocationCells;
  readonly scratch: ScratchMemory;
  /** `claimedBytes`: as far as cleaning cannot help (`NodeMemory.stats`). */
  readonly memory: () => Pick<SpillMemory, "limitBytes" | "claimedBytes">;
  /** Opens the store when it is first called. May reject as the calls of the store do. */
  readonly store: () => Promise<ObjectStore>;
  readonly storeUrl: string;
  /** Begins the names of all that the fleet has in the store. */
  readonly fleet: string;
  /** Something else is moving the object. */
  readonly isRelocating: (job: JobNumber, object: ObjectId) => boolean;
  /** Somebody waits for a change of the key. */
  readonly isWaitedFor: (job: JobNumber, name: string) => boolean;
  /** An object that was brought back lies where the ref says. */
  readonly onPlaced: (job: JobNumber, group: Group, name: string, value: Uint8Array) => void;
  readonly policy?: SpillPolicy | undefined;
  /** Between the change of a ref and the freeing of what it named, half of it at least; 500 ms by default. */
  readonly supersededMs?: number | undefined;
  /** Between the last use of a stored object and its deletion; 10 s by default. */
  readonly deleteAfterMs?: number | undefined;
}

const supersededMsDefault = 500;
const deleteAfterMsDefault = 10_000;
const packsKept = 2;
const sweepAfterMs = 1000;
const idDigits = 8;

export class Spill {
  readonly pressure: WritePressure;
  readonly #options: SpillOptions;
  readonly #queue = new SpillQueue();
  readonly #spilled = new SpilledObjects();
  readonly #spiller: Spiller;
  readonly #readBack: ReadBack;
  readonly #packs: LivePacks;
  readonly #toScan = new Set<Group>();
  #scanning = false;
  #sweepPending = false;
  #store: ObjectStore | undefined;
  #spilledObjects = 0;
  #spilledBytes = 0;
  #spillsAll = false;
  #closed = false;

  constructor(options: SpillOptions) {
    this.#options = options;
    const { clock, self, shards, view, cells, memory, storeUrl, jobs, rng } = options;
    const policy = options.policy ?? spillPolicyFor(memory().limitBytes);
    const ask = askThrough(view, options.pool);
    const map = (): FleetMap | undefined => view.current;
    const store = async (): Promise<ObjectStore> => {
      this.#store = await options.store();
      return this.#store;
    };
    const supersededMs = options.supersededMs ?? supersededMsDefault;
    const superseded = new SupersededShards({
      ...{ clock, self, shards, ask, cells, map, delayMs: supersededMs / 2 },
      isMoving: (job, object) => this.isMoving(job, object) || options.isRelocating(job, object),
    });
    const shared = { ...options, ask, map, store, superseded, policy };
    this.#packs = new LivePacks({
      ...{ clock, store, deleteAfterMs: options.deleteAfterMs ?? deleteAfterMsDefault },
    });
    this.#spiller = new Spiller({
      ...shared,
      packMemory: new PackMemory(policy.packBytes, packsKept),
      queue: this.#queue,
      nameFor: (job) => spillName(options.fleet, job, this.#newId()),
      preferenceOf: (job) => jobs.preferenceOf(job),
      mayGo: (candidate) => this.#mayGo(candidate),
      isInUse: () => jobs.inUse,
      // What is freed on other nodes takes a moment more.
      freedAfterMs: supersededMs + 100,
      onPack: (outcome, left) => this.#onPack(outcome, left),
    });
    this.#readBack = new ReadBack({
      ...shared,
      rng,
      onPlaced: (home, value) => {
        this.#consider(home.job, home.group, home.name, value);
        options.onPlaced(home.job, home.group, home.name, value);
      },
    });
    this.pressure = new WritePressure({
      ...{ clock, memory, slowRatio: policy.highRatio, fullRatio: fullRatioDefault },
      isSpilling: () => this.#spiller.spilling && this.#spiller.failing === undefined,
      failing: () => this.#spiller.failing,
      storeUrl: () => storeUrl,
    });
  }

  /** Everything that is in memory only goes to the store, however much room there is; nothing is brought back meanwhile. */
  spillAll(wanted: boolean): void {
    this.#spillsAll = wanted;
    this.#spiller.takesAll = wanted;
    this.#readBack.rests = wanted;
    if (wanted) this.#spiller.pump();
  }

  start(): void {
    this.#spiller.start();
    this.#readBack.start();
  }

  close(): void {
    this.#closed = true;
    this.#spiller.close();
    this.#readBack.close();
    this.#packs.close();
  }

  /** The object's shards are being written: whoever holds one must keep it. */
  isMoving(job: JobNumber, object: ObjectId): boolean {
    return this.#readBack.isMoving(job, object);
  }

  /** A ref is the key's from now on; its value may change afterwards. */
  refCommitted(job: JobNumber, group: Group, name: string, value: Uint8Array): void {
    this.#consider(job, group, name, value);
  }

  /** The key was read, and holds this ref. */
  refRead(job: JobNumber, group: Group, name: string, value: Uint8Array): void {
    if (extentOf(value).inMemory) this.#queue.touch(job, name);
    else this.#readBack.noteRead({ job, group, name, object: objectOfRef(value) });
  }

  /** Nothing names the object any more, on all members of the row. May be said more than once. */
  freed(job: JobNumber, ref: Ref): void {
    this.#queue.remove(job, Buffer.from(ref.key).toString("latin1"), ref.object);
    this.#spilled.remove(job, ref.object);
    if (ref.stored !== undefined) this.#packs.freed(job, ref.stored.name, ref.object);
  }

  /** This node leads and serves the group from now on. */
  groupActivated(group: Group): void {
    this.#readBack.groupActivated(group);
    this.#toScan.add(group);
    if (!this.#scanning) void this.#scanAll();
  }

  groupLeft(group: Group): void {
    this.#toScan.delete(group);
    this.#spiller.groupLeft(group);
    this.#readBack.groupLeft(group);
    this.#packs.groupLeft(group);
    this.#sweepSoon();
  }

  jobEnded(job: JobNumber): void {
    this.#spiller.jobEnded(job);
    this.#queue.endJob(job);
    this.#spilled.endJob(job);
    this.#readBack.jobEnded(job);
    this.#packs.jobEnded(job);
  }

  report(): SpillReport {
    const failing: MayflyError | undefined = this.#spiller.failing;
    return {
      ...{ objects: this.#spilled.count, bytes: this.#spilled.bytes },
      ...{ spilledObjects: this.#spilledObjects, spilledBytes: this.#spilledBytes },
      ...{ readBackObjects: this.#readBack.objects, readBackBytes: this.#readBack.bytes },
      ...(this.#store !== undefined && { requests: { ...this.#store.counts } }),
      ...(failing !== undefined && { failing: failing.message }),
    };
  }

  /** What lies in memory can be spilled, and what does not is counted. */
  #consider(job: JobNumber, group: Group, name: string, value: Uint8Array): void {
    const { inMemory, inStore, sizeBytes, code } = extentOf(value);
    const object = objectOfRef(value);
    if (!inMemory) {
      if (inStore) this.#spilled.add(job, object, sizeBytes);
      return;
    }
    this.#spilled.remove(job, object);
    this.#queue.add({
      ...{ job, group, name, object, sizeBytes },
      storedBytes: Math.ceil((sizeBytes * (code.d + code.p)) / code.d),
      // What lies in the store already takes no place in a pack.
      framedBytes: inStore ? 0 : framedBytes(sizeBytes, code),
    });
  }

  #mayGo({ job, group, name, object, framedBytes }: SpillCandidate): boolean {
    const { cells, isRelocating, isWaitedFor } = this.#options;
    // What the store has already may stay in memory, too.
    if (this.#spillsAll && framedBytes === 0) return false;
    return cells.reads(group) && !isRelocating(job, object) && !isWaitedFor(job, name);
  }

  #onPack({ spilled, stored }: PackOutcome, left: ReadonlySet<Group>): void {
    for (const { job, object, sizeBytes } of spilled) {
      this.#spilled.add(job, object, sizeBytes);
      this.#spilledObjects += 1;
      this.#spilledBytes += sizeBytes;
    }
    if (stored === undefined || this.#options.jobs.ended(stored.job)) return;
    const isOurs = !stored.objects.some((object) => left.has(groupOfObject(object)!));
    this.#packs.add({ ...stored, certain: stored.certain && isOurs });
  }

  #newId(): string {
    const random = Buffer.from(this.#options.rng.bytes(idDigits)).toString("hex");
    return `${this.#options.self()}-${random}`;
  }

  async #scanAll(): Promise<void> {
    this.#scanning = true;
    const slices = new TimeSlices(this.#options.clock);
    // The cells may still be taking the group.
    await slices.pause();
    for (const group of this.#toScan) {
      this.#toScan.delete(group);
      for (const { job, name, value } of this.#options.cells.refs(group)) {
        const known = this.#queue.get(job, name);
        if (known?.object !== objectOfRef(value)) this.#consider(job, group, name, value);
        if (slices.over) await slices.pause();
        if (this.#closed) return;
      }
      if (slices.over) await slices.pause();
    }
    this.#scanning = false;
  }

  /** Forgets what lies in groups that others lead, a while later and not in one go. */
  #sweepSoon(): void {
    if (this.#sweepPending) return;
    this.#sweepPending = true;
    void sleep(this.#options.clock, sweepAfterMs).then(() => this.#sweep());
  }

  async #sweep(): Promise<void> {
    this.#sweepPending = false;
    const slices = new TimeSlices(this.#options.clock);
    const led = new Set(this.#options.cells.groups());
    for (const { job, name, group, object, busy } of this.#queue.all()) {
      if (!led.has(group) && !busy) this.#queue.remove(job, name, object);
      if (slices.over) await slices.pause();
      if (this.#closed) return;
    }
    for (const { job, object } of this.#spilled.all()) {
      const group = groupOfObject(object);
      if (group !== undefined && !led.has(group)) this.#spilled.remove(job, object);
      if (slices.over) await slices.pause();
      if (this.#closed) return;
    }
  }
}
