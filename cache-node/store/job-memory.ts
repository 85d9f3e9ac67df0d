import type { JobNumber } from "../../src/ids.ts";
import type { JobLog } from "./job-log.ts";
import type { Block } from "./segment.ts";

/** Where index charges are paid from. */
export interface IndexAccount {
  charge(bytes: number): boolean;
  discharge(bytes: number): void;
}

/** One job's share of a node: its blocks, and what its index entries cost. */
export class JobMemory {
  readonly job: JobNumber;
  readonly #log: JobLog;
  readonly #account: IndexAccount;
  #indexBytes = 0;
  #ended = false;

  constructor(job: JobNumber, log: JobLog, account: IndexAccount) {
    this.job = job;
    this.#log = log;
    this.#account = account;
  }

  /** What the job's quota counts: whole segments, also those that only wait for a socket, and index entries. */
  get usedBytes(): number {
    return this.#log.ownedBytes + this.#indexBytes;
  }

  /** Bytes of live blocks, alignment included. */
  get liveBytes(): number {
    return this.#log.liveBytes;
  }

  get indexBytes(): number {
    return this.#indexBytes;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * A block of `length` bytes (0 .. `blockBytesMax`, else RangeError), or undefined when there is no memory or the
   * job has ended. The block holds old bytes, perhaps another job's: overwrite all of it before it can be read.
   */
  allocate(length: number): Block | undefined {
    return this.#ended ? undefined : this.#log.allocate(length);
  }

  /** Frees a block, once (else RangeError). Nothing happens when the job has ended: its blocks are gone. */
  free(block: Block): void {
    this.#log.free(block);
  }

  /** Pays for entries on the V8 heap (see `indexChargeFor`); false when there is no memory or the job has ended. */
  charge(bytes: number): boolean {
    if (this.#ended || !this.#account.charge(bytes)) return false;
    this.#indexBytes += bytes;
    return true;
  }

  /** Takes back a charge. Nothing happens when the job has ended. */
  discharge(bytes: number): void {
    if (this.#ended) return;
    if (!(bytes >= 0) || bytes > this.#indexBytes) {
      throw new RangeError(`discharge of ${bytes} bytes from a job that was charged ${this.#indexBytes}`);
    }
    this.#indexBytes -= bytes;
    this.#account.discharge(bytes);
  }

  /** For the node's memory: frees all at once. */
  end(): void {
    if (this.#ended) return;
    this.#log.freeAll();
    this.discharge(this.#indexBytes);
    this.#ended = true;
  }
}
