/** The shards of all jobs: an index over blocks. A block holds the payload, and behind it the frame checksums. */
import type { JobNumber, ObjectId } from "../../src/ids.ts";
import { indexChargeFor } from "./index-charge.ts";
import type { JobMemory } from "./job-memory.ts";
import type { NodeMemory } from "./node-memory.ts";
import type { Block } from "./segment.ts";

export class Shard {
  readonly block: Block;
  readonly payloadBytes: number;
  /** The round of the store in which it arrived or, if `confirmed`, was last confirmed. */
  seenRound: number;
  /** The primary of its object has said that a committed ref names this node for it. */
  confirmed = false;

  constructor(block: Block, payloadBytes: number, seenRound: number) {
    this.block = block;
    this.payloadBytes = payloadBytes;
    this.seenRound = seenRound;
  }
}

/** Memory for a shard that is on its way, pinned until it is kept or dropped. */
export interface Reservation {
  readonly memory: JobMemory;
  readonly block: Block;
}

export interface ShardName {
  readonly object: ObjectId;
  readonly stripe: number;
  readonly index: number;
}

const entryCharge = indexChargeFor(19);
const objectChars = 16;

/** Object id, stripe, position: latin-1, so that it takes one byte a character. */
function shardKey({ object, stripe, index }: ShardName): string {
  return object + String.fromCharCode(stripe >> 8, stripe & 0xff, index);
}

/** The name of a shard from the key that it has in `shardsOf`. */
export function shardNameOf(key: string): ShardName {
  const stripe = key.charCodeAt(objectChars) * 256 + key.charCodeAt(objectChars + 1);
  return { object: objectOfShard(key), stripe, index: key.charCodeAt(objectChars + 2) };
}

export function objectOfShard(key: string): ObjectId {
  return key.slice(0, objectChars) as ObjectId;
}

export class ShardStore {
  /** Coarse time, counted on by whoever looks for orphans (relocation/orphans.ts): a clock would cost each put. */
  round = 0;
  readonly #memory: NodeMemory;
  readonly #jobs = new Map<JobNumber, Map<string, Shard>>();

  constructor(memory: NodeMemory) {
    this.#memory = memory;
  }

  /** Undefined when there is no memory. */
  reserve(job: JobNumber, bytes: number): Reservation | undefined {
    const memory = this.#memory.job(job);
    if (!memory.charge(entryCharge)) return undefined;
    const block = memory.allocate(bytes);
    if (block === undefined) {
      memory.discharge(entryCharge);
      return undefined;
    }
    block.pin();
    return { memory, block };
  }

  drop({ memory, block }: Reservation): void {
    block.unpin();
    release(memory, block);
  }

  /** Makes it readable; an earlier shard of the same name is replaced. False (and dropped) when its job has ended. */
  keep(name: ShardName, reservation: Reservation, payloadBytes: number): boolean {
    const { memory, block } = reservation;
    if (memory.ended) {
      this.drop(reservation);
      return false;
    }
    block.unpin();
    let shards = this.#jobs.get(memory.job);
    if (shards === undefined) {
      shards = new Map();
      this.#jobs.set(memory.job, shards);
    }
    const key = shardKey(name);
    const old = shards.get(key);
    shards.set(key, new Shard(block, payloadBytes, this.round));
    if (old !== undefined) release(memory, old.block);
    return true;
  }

  get(job: JobNumber, name: ShardName): Shard | undefined {
    return this.#jobs.get(job)?.get(shardKey(name));
  }

  free(job: JobNumber, name: ShardName): boolean {
    const shards = this.#jobs.get(job);
    const key = shardKey(name);
    const shard = shards?.get(key);
    if (shards === undefined || shard === undefined) return false;
    shards.delete(key);
    release(this.#memory.job(job), shard.block);
    return true;
  }

  /** Frees this very shard: one of the same name that has arrived since stays. */
  freeIf(job: JobNumber, name: ShardName, shard: Shard): boolean {
    return this.get(job, name) === shard && this.free(job, name);
  }

  /** Jobs that have had shards here and have not ended. */
  jobs(): JobNumber[] {
    return [...this.#jobs.keys()];
  }

  /** All of the job by key (see `shardNameOf`); what comes and goes meanwhile may be among them or not. */
  shardsOf(job: JobNumber): Iterable<[string, Shard]> {
    return this.#jobs.get(job) ?? [];
  }

  /** Forgets the job's index; `NodeMemory.endJob` frees its memory. */
  endJob(job: JobNumber): void {
    this.#jobs.delete(job);
  }

  count(): number {
    let count = 0;
    for (const shards of this.#jobs.values()) count += shards.size;
    return count;
  }
}

function release(memory: JobMemory, block: Block): void {
  memory.free(block);
  memory.discharge(entryCharge);
}
