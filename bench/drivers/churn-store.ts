/**
 * The churn of a node's store, without a network: `churn-store.js <ChurnRequest>`. Objects are kept as a node keeps them,
 * small ones in their cell, others as shards of up to 512 KiB with checksums and a ref in the cell. The store is always
 * full: when it refuses an object, others are deleted until it fits, and no more.
 */
import { setImmediate as turn } from "node:timers/promises";
import { CellStore } from "../../cache-node/store/cell-store.ts";
import { limitHeapGarbage } from "../../cache-node/store/heap-gauge.ts";
import { createNodeMemory } from "../../cache-node/store/node-memory.ts";
import { ShardStore } from "../../cache-node/store/shard-store.ts";
import { seededRng, systemClock } from "../../src/clock.ts";
import { jobNumber, type ObjectId } from "../../src/ids.ts";
import { groupOf } from "../../src/placement/groups.ts";
import type { CellKind } from "../../src/wire/cell.ts";
import { frameBytes, inlineBytesMax, shardBytesMax } from "../../src/wire/stripe-layout.ts";
import { median } from "../harness/statistics.ts";
import { type ChurnRequest, type ChurnResult, churnObjectBytes, takeOne } from "./churn-mix.ts";
import { driverRequest, tellResult } from "./run-driver.ts";

interface StoredObject {
  readonly id: ObjectId;
  readonly bytes: number;
  readonly shards: number;
}

const job = jobNumber(1);
/** What the ref of an object of a few stripes takes. */
const refBytes = 100;
const putsPerTurn = 16;

limitHeapGarbage();
const request = driverRequest() as ChurnRequest;
const { limitBytes } = request;
const memory = createNodeMemory({ limitBytes, clock: systemClock });
const shards = new ShardStore(memory);
const cells = new CellStore(memory);
const rng = seededRng(7);
const payload = Buffer.from(rng.bytes(shardBytesMax));
let position = 0;

function writeCell(id: ObjectId, kind: CellKind, value: Uint8Array): boolean {
  const key = Buffer.from(id, "latin1");
  const effect = {
    ...{ group: groupOf(key), version: { generation: 1, sequence: ++position }, job, expiresAtMs: 0 },
    ...{ session: "", sessionSequence: 0, sessionFloor: 0, kind, key, value },
  };
  return cells.apply(effect, systemClock.wallMs()) !== undefined;
}

function putShard(object: ObjectId, stripe: number, bytes: number): boolean {
  const reservation = shards.reserve(job, bytes + 8 * Math.ceil(bytes / frameBytes));
  if (reservation === undefined) return false;
  payload.copy(reservation.block.view(), 0, 0, bytes);
  return shards.keep({ object, stripe, index: 0 }, reservation, bytes);
}

function freeShards({ id, shards: count }: Pick<StoredObject, "id" | "shards">): void {
  for (let stripe = 0; stripe < count; stripe++) shards.free(job, { object: id, stripe, index: 0 });
}

/** Undefined when there is no memory. */
function put(id: ObjectId, bytes: number): StoredObject | undefined {
  if (bytes <= inlineBytesMax) {
    return writeCell(id, "bytes", payload.subarray(0, bytes)) ? { id, bytes, shards: 0 } : undefined;
  }
  const count = Math.ceil(bytes / shardBytesMax);
  for (let stripe = 0; stripe < count; stripe++) {
    if (putShard(id, stripe, Math.min(shardBytesMax, bytes - stripe * shardBytesMax))) continue;
    freeShards({ id, shards: stripe });
    return undefined;
  }
  if (writeCell(id, "ref", payload.subarray(0, refBytes))) return { id, bytes, shards: count };
  freeShards({ id, shards: count });
  return undefined;
}

function remove(object: StoredObject): void {
  writeCell(object.id, "deleted", Buffer.alloc(0));
  cells.forget(job, groupOf(Buffer.from(object.id, "latin1")), object.id, position);
  freeShards(object);
}

const objects: StoredObject[] = [];
const shares: number[] = [];
let liveBytes = 0;
let writtenBytes = 0;
const startMs = systemClock.now();
for (let puts = 1; writtenBytes < request.timesWritten * limitBytes; puts++) {
  const id = String(puts).padStart(16, "0") as ObjectId;
  const bytes = churnObjectBytes(request.mix, rng.random());
  let stored = put(id, bytes);
  while (stored === undefined) {
    shares.push(liveBytes / limitBytes);
    const removed = takeOne(objects, rng.random());
    remove(removed);
    liveBytes -= removed.bytes;
    stored = put(id, bytes);
  }
  objects.push(stored);
  liveBytes += bytes;
  writtenBytes += bytes;
  // As a node does between requests: cleaning and touching go on in the background.
  if (puts % putsPerTurn === 0) await turn();
}
const seconds = (systemClock.now() - startMs) / 1000;
const result: ChurnResult = {
  usableShare: median(shares),
  usableShareMin: Math.min(...shares),
  writeMbPerSecond: writtenBytes / seconds / 1e6,
  movedShare: memory.stats().movedBytes / writtenBytes,
  rssShare: process.memoryUsage.rss() / limitBytes,
};
tellResult(result);
