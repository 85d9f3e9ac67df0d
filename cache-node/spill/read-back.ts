/**
 * Brings objects back to memory that are read again and again while they lie in the object store, as long as there is room to
 * spare. The stored copy stays, so that to spill them again costs nothing.
 */
import { Stop } from "../../client/transport/stop.ts";
import type { Group, JobNumber, ObjectId } from "../../src/ids.ts";
import { decodeRef, encodeRef } from "../../src/wire/ref.ts";
import { objectOfRef } from "../relocation/glance-at-ref.ts";
import type { RelocationCells } from "../relocation/relocation-cells.ts";
import type { HomeKey, SupersededShards } from "../relocation/superseded-shards.ts";
import { type PlaceOptions, placeObject } from "./place-object.ts";
import type { SpillMemory, SpillPolicy } from "./plan-spill.ts";

export interface ReadBackOptions extends PlaceOptions {
  readonly cells: RelocationCells;
  readonly superseded: SupersededShards;
  readonly policy: SpillPolicy;
  readonly memory: () => Pick<SpillMemory, "limitBytes" | "claimedBytes">;
  /** It lies in memory again; the value is valid until the call returns. */
  readonly onPlaced: (home: HomeKey, value: Uint8Array) => void;
}

/** Read so often within the time, it is worth its memory. */
const readsMin = 2;
const readsWithinMs = 60_000;
/** Until then nobody can still be about to free shards of a name that come back. */
const afterActivationMs = 30_000;
/** Below the low mark: it must not be what makes spilling begin. */
const marginRatio = 0.05;
const watchedMax = 10_000;
const inFlightMax = 2;
const lookMs = 250;
const restMs = 10_000;

interface Watched extends HomeKey {
  reads: number;
  readonly sinceMs: number;
  notBeforeMs: number;
}

export class ReadBack {
  readonly #options: ReadBackOptions;
  /** The one that was read last is the last one. */
  readonly #watched = new Map<string, Watched>();
  readonly #running = new Map<string, { readonly group: Group; readonly stop: Stop }>();
  readonly #activeSinceMs = new Map<Group, number>();
  #cancel = (): void => undefined;
  #closed = false;
  objects = 0;
  bytes = 0;

  /** Nothing is brought back. */
  rests = false;

  constructor(options: ReadBackOptions) {
    this.#options = options;
  }

  start(): void {
    const look = (): void => {
      this.#cancel = this.#options.clock.after(lookMs, look, true);
      this.pump();
    };
    look();
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
    for (const { stop } of this.#running.values()) stop.abort("the node is closing");
  }

  /** Its shards are being written. */
  isMoving(job: JobNumber, object: ObjectId): boolean {
    return this.#running.has(`${job} ${object}`);
  }

  groupActivated(group: Group): void {
    this.#activeSinceMs.set(group, this.#options.clock.now());
  }

  groupLeft(group: Group): void {
    this.#activeSinceMs.delete(group);
    for (const running of this.#running.values()) {
      if (running.group === group) running.stop.abort("the row has moved");
    }
  }

  jobEnded(job: JobNumber): void {
    for (const [key, watched] of this.#watched) if (watched.job === job) this.#watched.delete(key);
  }

  /** The object, which lies in the store alone, was read; also to be said of reads after it went there. */
  noteRead(home: HomeKey): void {
    const nowMs = this.#options.clock.now();
    const key = `${home.job} ${home.object}`;
    const known = this.#watched.get(key);
    this.#watched.delete(key);
    const isRecent = known !== undefined && nowMs - known.sinceMs <= readsWithinMs;
    const watched = isRecent ? known : { ...home, reads: 0, sinceMs: nowMs, notBeforeMs: 0 };
    watched.reads += 1;
    this.#watched.set(key, watched);
    const [oldest] = this.#watched.keys();
    if (this.#watched.size > watchedMax && oldest !== undefined) this.#watched.delete(oldest);
  }

  pump(): void {
    const { clock, memory, policy } = this.#options;
    if (this.#closed || this.rests || this.#watched.size === 0) return;
    const { limitBytes, claimedBytes } = memory();
    const roomBytes = (policy.lowRatio - marginRatio) * limitBytes - claimedBytes;
    if (roomBytes <= 0) return;
    const nowMs = clock.now();
    for (const [key, watched] of this.#watched) {
      if (this.#running.size >= inFlightMax) return;
      if (nowMs - watched.sinceMs > readsWithinMs) this.#watched.delete(key);
      else if (watched.reads >= readsMin && nowMs >= watched.notBeforeMs && !this.#running.has(key)) {
        if (nowMs - (this.#activeSinceMs.get(watched.group) ?? nowMs) < afterActivationMs) continue;
        void this.#run(key, watched, roomBytes);
      }
    }
  }

  async #run(key: string, watched: Watched, roomBytes: number): Promise<void> {
    const stop = new Stop();
    this.#running.set(key, { group: watched.group, stop });
    let isDone = false;
    try {
      isDone = await this.#bring(watched, roomBytes, stop);
    } catch {
      // The row has moved; or it may fare better a while later.
    }
    this.#running.delete(key);
    if (isDone) this.#watched.delete(key);
    else watched.notBeforeMs = this.#options.clock.now() + restMs;
    this.pump();
  }

  /** True when there is nothing more to be done. */
  async #bring(home: HomeKey, roomBytes: number, stop: Stop): Promise<boolean> {
    const { cells, superseded } = this.#options;
    const { job, group, name, object } = home;
    const encoded = cells.ref(job, group, name);
    if (encoded === undefined || objectOfRef(encoded) !== object) return true;
    const ref = decodeRef(encoded);
    const { stored, code, sizeBytes } = ref;
    // What lies plain has no checksums of its own to be verified by.
    if (ref.stripes !== undefined || stored?.layout !== "framed") return true;
    if ((sizeBytes * (code.d + code.p)) / code.d > roomBytes) return false;
    const { stripes, written, failure } = await placeObject(this.#options, job, ref, stored, stop);
    const now = cells.ref(job, group, name);
    const isSame = now !== undefined && Buffer.compare(now, encoded) === 0;
    if (stripes === undefined || stop.aborted || !isSame) {
      superseded.free(home, written);
      return failure?.code === "DAMAGED" || failure?.code === "NOT_FOUND";
    }
    const value = encodeRef({ ...ref, stripes });
    if (!(await cells.relocate(job, group, name, object, value))) {
      superseded.freeGone(home, written);
      return true;
    }
    this.objects += 1;
    this.bytes += sizeBytes;
    this.#options.onPlaced(home, value);
    return true;
  }
}
