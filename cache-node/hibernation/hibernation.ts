/**
 * What one node does so that its fleet can sleep, and wake. It follows the map: while that says `storing` it writes what its rows
 * hold to the object store, once nothing changes any more; while that says `loading` it fetches what rows were born with.
 */
import type { Cancel, Clock } from "../../src/clock.ts";
import type { ObjectStore } from "../../src/durable/object-store.ts";
import { MayflyError } from "../../src/errors.ts";
import type { Group, NodeId } from "../../src/ids.ts";
import { formatEpoch } from "../../src/placement/epoch.ts";
import type { Epoch, FleetMap } from "../../src/placement/types.ts";
import { sleepName, sleepPrefix } from "../../src/wire/fleet-names.ts";
import type { HibernationReport } from "../../src/wire/hibernation-api.ts";
import type { Replicas } from "../replicas.ts";
import { SleepingCells } from "./load-cells.ts";
import { memoryOnly, storeCells } from "./store-cells.ts";

export interface HibernationOptions {
  readonly clock: Clock;
  readonly replicas: Replicas;
  readonly self: () => NodeId;
  readonly map: () => FleetMap | undefined;
  /** The fleet's part of the object store. @throws MayflyError when the fleet has none */
  readonly store: () => Promise<{ readonly store: ObjectStore; readonly fleet: string }>;
  /** All objects that are in memory only should go to the object store, or no longer. */
  readonly spillAll: (wanted: boolean) => void;
  /** The controller should hear of something at once. */
  readonly onNews: () => void;
}

/** Nothing of a fleet that is awake. */
interface Work {
  readonly key: string;
  readonly abort: AbortController;
  stored: boolean;
  storedBytes: number;
  fault: string | undefined;
}

const retryMsMin = 50;
const retryMsMax = 2000;

export class NodeHibernation {
  readonly #options: HibernationOptions;
  #work: Work | undefined;
  #sleeping: SleepingCells | undefined;
  /** Groups that were born with what is to be fetched. */
  #wanted = new Set<Group>();
  #loading = false;
  #isScheduled = false;
  #counts = false;

  constructor(options: HibernationOptions) {
    this.#options = options;
  }

  /** To be called with each newer map, before the rows follow it. */
  mapChanged({ hibernation }: FleetMap): void {
    const key = hibernation === undefined ? "" : `${hibernation.state} ${formatEpoch(hibernation.token)}`;
    if (key === (this.#work?.key ?? "")) return;
    this.#work?.abort.abort();
    this.#work = undefined;
    this.#sleeping = undefined;
    this.#wanted = new Set();
    if (hibernation === undefined) return;
    const work = { key, abort: new AbortController(), stored: false, storedBytes: 0, fault: undefined };
    this.#work = work;
    if (hibernation.state === "storing") void this.#store(work, hibernation.token);
    // What rows will ask for is on its way before this node has any.
    else void this.#sleepingCells(work, hibernation.token).catch(() => undefined);
  }

  /** The row was born with what lies in the object store. May be said more than once. */
  want(group: Group): void {
    this.#wanted.add(group);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // What one map brings is fetched together.
    queueMicrotask(() => {
      this.#isScheduled = false;
      const { hibernation } = this.#options.map() ?? {};
      if (this.#work !== undefined && hibernation !== undefined)
        void this.#load(this.#work, hibernation.token);
    });
  }

  /** A row serves. The fleet may be awake once the last one does. */
  groupActivated(): void {
    if (this.#work !== undefined && this.#options.replicas.rows.pending === 0) this.#options.onNews();
  }

  /**
   * The controller wants all objects in the object store, and to know how many are in memory only: to count them is to look at
   * all refs.
   */
  set spillsAll(wanted: boolean) {
    if (wanted === this.#counts) return;
    this.#counts = wanted;
    this.#options.spillAll(wanted);
    if (wanted) this.#options.onNews();
  }

  /** Undefined of a fleet that is awake and shall stay so. */
  report(): HibernationReport | undefined {
    const work = this.#work;
    const map = this.#options.map();
    if (work === undefined && !this.#counts) return undefined;
    const { stored = false, storedBytes = 0, fault } = work ?? {};
    const left = this.#counts ? memoryOnly(this.#options.replicas, this.#ledGroups(map)) : undefined;
    const token = map?.hibernation && formatEpoch(map.hibernation.token);
    return {
      ...(token !== undefined && { token }),
      ...{ stored, storedBytes, objectsLeft: left?.objects ?? 0, bytesLeft: left?.bytes ?? 0 },
      ...(fault !== undefined && { fault: fault.slice(0, 500) }),
    };
  }

  close(): void {
    this.#work?.abort.abort();
    this.#work = undefined;
  }

  #ledGroups(map: FleetMap | undefined): Group[] {
    const self = this.#options.self();
    return (map?.rows ?? []).flatMap((row, group) => (row.nodes[0] === self ? [group as Group] : []));
  }

  async #store(work: Work, token: Epoch): Promise<void> {
    const { replicas, self, store, onNews } = this.#options;
    await this.#patiently(work, async () => {
      const opened = await store();
      const name = sleepName(opened.fleet, token, self());
      const { signal } = work.abort;
      work.storedBytes = await storeCells({ replicas, store: opened.store, name, signal });
      if (this.#work === work) work.stored = true;
      onNews();
    });
  }

  /** One at a time; what is wanted meanwhile comes next. */
  async #load(work: Work, token: Epoch): Promise<void> {
    if (this.#loading) return;
    this.#loading = true;
    try {
      await this.#patiently(work, async () => {
        while (this.#wanted.size > 0 && this.#work === work) await this.#loadWanted(work, token);
      });
    } finally {
      this.#loading = false;
    }
    const next = this.#options.map()?.hibernation;
    if (this.#wanted.size > 0 && this.#work !== undefined && next !== undefined)
      await this.#load(this.#work, next.token);
  }

  async #loadWanted(work: Work, token: Epoch): Promise<void> {
    const { replicas, map } = this.#options;
    const wanted = this.#wanted;
    this.#wanted = new Set();
    const generations = new Map([...wanted].map((group) => [group, map()?.rows[group]?.generation ?? 0]));
    try {
      const sleeping = await this.#sleepingCells(work, token);
      for await (const { group, version, records } of sleeping.load(new Set(wanted))) {
        if (this.#work !== work) return;
        replicas.load(group, generations.get(group)!, version, records);
        wanted.delete(group);
      }
    } finally {
      // What did not come is tried again, if its row still waits for it.
      if (this.#work === work) for (const group of wanted) this.#wanted.add(group);
      replicas.rows.loaded();
    }
  }

  async #sleepingCells(work: Work, token: Epoch): Promise<SleepingCells> {
    const { store, fleet } = await this.#options.store();
    if (this.#work !== work) throw new MayflyError("ABORTED", "The fleet does something else by now.");
    this.#sleeping ??= new SleepingCells(store, sleepPrefix(fleet, token));
    await this.#sleeping.open();
    return this.#sleeping;
  }

  /** Again and again until it is done, or the fleet does something else: nothing else can be done about a failure. */
  async #patiently(work: Work, act: () => Promise<void>): Promise<void> {
    const { onNews } = this.#options;
    for (let retryMs = retryMsMin; this.#work === work; retryMs = Math.min(retryMsMax, 2 * retryMs)) {
      try {
        await act();
        work.fault = undefined;
        return;
      } catch (thrown) {
        const error = MayflyError.from(thrown);
        if (this.#work !== work) return;
        const fault = `${error.code}: ${error.message}`;
        if (fault !== work.fault) onNews();
        work.fault = fault;
      }
      await this.#pause(work, retryMs);
    }
  }

  async #pause({ abort }: Work, delayMs: number): Promise<void> {
    const { clock } = this.#options;
    let cancel: Cancel = () => {};
    await new Promise<void>((resolve) => {
      cancel = clock.after(delayMs, resolve, true);
      abort.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    cancel();
  }
}
