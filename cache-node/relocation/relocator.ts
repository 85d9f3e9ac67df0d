/**
 * Keeps the objects of the groups that this node leads on nodes that are there: finds those with shards on nodes that are
 * dead, gone or draining after each change of the map, and relocates them, most endangered first.
 */
import { Stop } from "../../client/transport/stop.ts";
import { sleep } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, JobNumber, NodeId, ObjectId } from "../../src/ids.ts";
import type { Epoch, FleetMap } from "../../src/placement/types.ts";
import type { RelocationReport } from "../../src/wire/control-api.ts";
import { decodeRef, type Ref } from "../../src/wire/ref.ts";
import { namesOnly } from "./glance-at-ref.ts";
import { LostObjects } from "./lost-objects.ts";
import { paceOf } from "./pace.ts";
import { type PendingObject, PendingObjects } from "./pending-objects.ts";
import { assessRef, mostUrgent, type NodeStates, statesOf, urgencies, urgencyOf } from "./plan-relocation.ts";
import { type RelocateOptions, relocateObject } from "./relocate-object.ts";
import { TimeSlices } from "./time-slices.ts";

export interface RelocatorOptions extends Omit<RelocateOptions, "pace"> {
  /** Stored bytes written elsewhere, for this node. Without a limit the scratch memory is one. */
  readonly bytesPerSecond?: () => number | undefined;
  /** Whether clients work with this node. */
  readonly isInUse: () => boolean;
}

/** Small objects cost round trips, large ones memory: the scratch memory bounds those. */
const objectsInFlight = 16;
/**
 * Of those, while functions work, objects for which there is time, since they would survive one more loss. Each rests for a
 * multiple of the time that it took before the next one begins: all nodes of the fleet relocate what they lead at once.
 */
const gentleInFlight = 2;
const restFactor = 3;
const restMsMax = 1000;
const scanAgainMs = 100;
const backoffMsMin = 200;
const backoffMsMax = 10_000;

export class Relocator {
  readonly #options: RelocateOptions & Pick<RelocatorOptions, "isInUse">;
  readonly #pending = new PendingObjects();
  readonly #lost = new LostObjects();
  readonly #running = new Map<string, { readonly group: Group; readonly stop: Stop }>();
  /** Groups to be looked at, each with the number of the request: a new one begins it anew. */
  readonly #toScan = new Map<Group, number>();
  #requests = 0;
  #scanning = false;
  /** Of the group that is looked at, or was the last. */
  #scan = 0;
  #scanned: Epoch | undefined;
  #map: FleetMap | undefined;
  #states: NodeStates = new Map();
  #active: ReadonlySet<NodeId> = new Set();
  /** The map names nodes that are not active, or named some that went. */
  #anyBad = false;
  /** Under way, or resting. */
  #gentle = 0;
  #movedObjects = 0;
  #movedBytes = 0;
  #closed = false;

  constructor(options: RelocatorOptions) {
    this.#options = { ...options, pace: paceOf(options.clock, options.bytesPerSecond) };
  }

  /** The newest map whose losses have all been looked for. */
  get scannedEpoch(): Epoch | undefined {
    return this.#toScan.size === 0 ? this.#scanned : undefined;
  }

  /** Nothing is to be looked at, and no object waits or is under way. */
  get settled(): boolean {
    return this.#toScan.size === 0 && this.#pending.objects === 0 && this.#running.size === 0;
  }

  /** Names of objects of which too few shards are left, some of them if there are many. */
  lostNames(): readonly { readonly job: JobNumber; readonly name: string }[] {
    return this.#lost.names();
  }

  /** The object's shards are being written: whoever holds one must keep it. */
  isMoving(job: JobNumber, object: ObjectId): boolean {
    return this.#running.has(movingKey(job, object));
  }

  /** To be called with each new map, after the cells have it. */
  mapChanged(map: FleetMap): void {
    const before = this.#states;
    const isFirst = this.#map === undefined;
    const couldTake = new Set(takersOf(this.#map));
    this.#map = map;
    this.#states = statesOf(map.nodes);
    this.#active = new Set(map.nodes.filter(({ state }) => state === "active").map(({ id }) => id));
    const went = [...before].some(([node, state]) => state !== "dead" && this.#states.get(node) !== state);
    this.#anyBad ||= went || this.#active.size < map.nodes.length;
    const led = new Set(this.#options.cells.groups());
    this.#forgetGroups((group) => !led.has(group));
    if (went || isFirst) this.#scanGroups(led);
    if (takersOf(map).some((node) => !couldTake.has(node))) this.#retryWaiting();
    if (this.#toScan.size === 0) this.#scanned = map.epoch;
  }

  /** This node leads and serves the group from now on. */
  groupActivated(group: Group): void {
    this.#anyBad = true;
    this.#scanGroups([group]);
  }

  /** This node does not lead the group any more, or cannot serve it now. */
  groupLeft(group: Group): void {
    this.#forgetGroups((each) => each === group);
  }

  /** A ref was committed: it may name nodes that went while it was on its way. */
  refCommitted(job: JobNumber, group: Group, name: string, value: Uint8Array): void {
    if (this.#anyBad && !namesOnly(value, this.#active)) this.#consider(job, group, name, decodeRef(value));
  }

  jobEnded(job: JobNumber): void {
    for (const pending of [...this.#pending.all()]) if (pending.job === job) this.#pending.remove(pending);
    this.#lost.endJob(job);
  }

  /** Never says that nothing is left before all has been looked at. */
  report(): RelocationReport {
    const { objects, bytes, atRisk } = this.#pending;
    const byNode = new Map(this.#pending.byNode());
    const busy = this.#toScan.size > 0 || this.#running.size > 0;
    if (this.#toScan.size > 0) {
      for (const [node, state] of this.#states) {
        if (state === "draining") byNode.set(node, Math.max(1, byNode.get(node) ?? 0));
      }
    }
    return {
      ...{ objects: Math.max(objects, busy ? 1 : 0), bytes, atRisk },
      ...{ movedObjects: this.#movedObjects, movedBytes: this.#movedBytes },
      ...{ lostObjects: this.#lost.count, byNode: [...byNode] },
    };
  }

  close(): void {
    this.#closed = true;
    this.#forgetGroups(() => true);
  }

  #forgetGroups(isLeft: (group: Group) => boolean): void {
    for (const group of [...this.#toScan.keys()]) if (isLeft(group)) this.#toScan.delete(group);
    for (const pending of [...this.#pending.all()]) if (isLeft(pending.group)) this.#pending.remove(pending);
    for (const { group, stop } of this.#running.values()) if (isLeft(group)) stop.abort("the row has moved");
    this.#lost.forgetGroups(isLeft);
    this.#endScan();
  }

  #scanGroups(groups: Iterable<Group>): void {
    if (this.#closed) return;
    this.#requests += 1;
    for (const group of groups) this.#toScan.set(group, this.#requests);
    if (this.#scanning || this.#toScan.size === 0) return;
    this.#scanning = true;
    void this.#scanAll();
  }

  #endScan(): void {
    if (this.#toScan.size === 0 && this.#map !== undefined) this.#scanned = this.#map.epoch;
  }

  async #scanAll(): Promise<void> {
    const { clock } = this.#options;
    const slices = new TimeSlices(clock);
    // Not in the turn of the map's coming: the cells may still be taking it.
    await slices.pause();
    for (
      let [group] = this.#toScan.keys();
      group !== undefined && !this.#closed;
      [group] = this.#toScan.keys()
    ) {
      try {
        await this.#scanGroup(group, slices);
      } catch {
        // The cells are about to say that the group is not theirs any more.
        await sleep(clock, scanAgainMs);
      }
    }
    this.#scanning = false;
    this.#endScan();
  }

  async #scanGroup(group: Group, slices: TimeSlices): Promise<void> {
    this.#scan += 1;
    const scan = this.#scan;
    const request = this.#toScan.get(group);
    const isCurrent = (): boolean => request === this.#toScan.get(group) && !this.#closed;
    this.#lost.begin(group);
    for (const { job, name, value } of this.#options.cells.refs(group)) {
      if (!namesOnly(value, this.#active)) this.#consider(job, group, name, decodeRef(value));
      if (slices.over) await slices.pause();
      if (!isCurrent()) return;
    }
    for (const pending of [...this.#pending.of(group)]) {
      if (pending.scan !== scan && pending.state !== "running") this.#pending.remove(pending);
    }
    this.#toScan.delete(group);
    if (slices.over) await slices.pause();
  }

  /** Notes what is to be done about the object, if something is. */
  #consider(job: JobNumber, group: Group, name: string, ref: Ref): void {
    const assessment = assessRef(ref, this.#states);
    // What the object store has is read there.
    if (assessment.lostStripes > 0 && ref.stored === undefined) this.#lost.add(group, job, name);
    const known = this.#pending.get(job, group, name);
    if (known !== undefined && known.object !== ref.object) this.#pending.remove(known);
    else if (known !== undefined) {
      known.scan = this.#scan;
      this.#pending.update(known, assessment);
      if (assessment.shards === 0 && known.state !== "running") this.#pending.remove(known);
      return;
    }
    if (assessment.shards === 0) return;
    const { object, code } = ref;
    const fresh = { state: "queued", failures: 0, scan: this.#scan, removed: false } as const;
    this.#pending.add({ job, group, name, object, code, assessment, ...fresh });
    this.#pump();
  }

  /** Those that found no node, or failed, may fare better now. */
  #retryWaiting(): void {
    for (const pending of this.#pending.all()) if (pending.state === "waiting") this.#pending.queue(pending);
    this.#pump();
  }

  #pump(): void {
    while (!this.#closed && this.#running.size < objectsInFlight) {
      const gentleFrom = this.#options.isInUse() ? mostUrgent + 1 : urgencies;
      const pending = this.#pending.take(this.#gentle < gentleInFlight ? urgencies : gentleFrom);
      if (pending === undefined) return;
      if (urgencyOf(pending.assessment, pending.code) < gentleFrom) void this.#run(pending);
      else void this.#runGently(pending);
    }
  }

  async #runGently(pending: PendingObject): Promise<void> {
    const { clock } = this.#options;
    const beganMs = clock.now();
    this.#gentle += 1;
    await this.#run(pending);
    await sleep(clock, Math.min(restMsMax, restFactor * (clock.now() - beganMs)));
    this.#gentle -= 1;
    this.#pump();
  }

  async #run(pending: PendingObject): Promise<void> {
    const key = movingKey(pending.job, pending.object);
    const stop = new Stop();
    this.#running.set(key, { group: pending.group, stop });
    let failure: MayflyError | undefined;
    try {
      const outcome = await relocateObject(this.#options, pending, stop);
      failure = this.#took(pending, outcome);
    } catch (thrown) {
      failure = MayflyError.from(thrown);
    }
    this.#running.delete(key);
    if (failure !== undefined) this.#retryLater(pending, failure);
    this.#pump();
  }

  /** Why the object is not done yet, if so. */
  #took(
    pending: PendingObject,
    { ref, movedBytes, lostStripes, failure }: Awaited<ReturnType<typeof relocateObject>>,
  ): MayflyError | undefined {
    this.#movedBytes += movedBytes;
    const assessment = ref && assessRef(ref, this.#states);
    if (lostStripes > 0 && ref?.stored === undefined)
      this.#lost.add(pending.group, pending.job, pending.name);
    // What is lost for good keeps nobody waiting.
    const isDone =
      assessment === undefined || assessment.shards === 0 || (lostStripes > 0 && failure === undefined);
    if (isDone) {
      if (movedBytes > 0) this.#movedObjects += 1;
      this.#pending.remove(pending);
      return undefined;
    }
    this.#pending.update(pending, assessment);
    return failure ?? new MayflyError("NOT_ENOUGH_NODES", "There is no node for some shards.");
  }

  #retryLater(pending: PendingObject, error: MayflyError): void {
    if (error.code === "JOB_ENDED") this.#pending.remove(pending);
    if (pending.removed) return;
    pending.state = "waiting";
    pending.failures += 1;
    const backoffMs = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(pending.failures, 10));
    const delayMs = backoffMs * (0.5 + this.#options.rng.random());
    this.#options.clock.after(
      delayMs,
      () => {
        if (pending.removed || pending.state !== "waiting") return;
        this.#pending.queue(pending);
        this.#pump();
      },
      true,
    );
  }
}

/** Nodes that take new shards. */
function takersOf(map: FleetMap | undefined): NodeId[] {
  const nodes = map?.nodes ?? [];
  return nodes.filter(({ state, weight }) => state === "active" && weight > 0).map(({ id }) => id);
}

function movingKey(job: JobNumber, object: ObjectId): string {
  return `${job} ${object}`;
}
