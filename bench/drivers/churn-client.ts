/**
 * The churn of a node, through its sockets: `churn-client.js <ChurnClientRequest>`. Four writers replace objects, as many
 * bytes as the node promises to keep usable being alive all the time; at the end the node is filled until it is busy.
 */
import { randomFillSync } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../client/connect.ts";
import type { Job } from "../../client/job.ts";
import { seededRng } from "../../src/clock.ts";
import { MayflyError } from "../../src/errors.ts";
import { type ChurnRequest, churnObjectBytes, objectBytesMax, takeOne } from "./churn-mix.ts";
import { driverRequest, tellResult } from "./run-driver.ts";

export interface ChurnClientRequest extends ChurnRequest {
  readonly ticket: string;
}

export interface ChurnClientResult {
  /** Of the limit, when the node was full. */
  readonly usableShare: number;
  readonly writeMbPerSecond: number;
  /** Writes that were refused although less than `liveShare` was alive. */
  readonly refusals: number;
}

interface WrittenObject {
  readonly key: string;
  readonly bytes: number;
}

const liveShare = 0.85;
const writers = 4;
/** After an object of the mix was refused, smaller ones tell how much room there is. */
const fillBytes = 256 * 1024;
/** A node that is full says so at once; the SDK asks again until then, and the node cleans meanwhile. */
const fillTimeoutMs = 1000;
/** A refused writer comes back after a while, as those in earnest do. */
const refusedPauseMs = 50;

const request = driverRequest() as ChurnClientRequest;
const { limitBytes, mix } = request;
const rng = seededRng(7);
const source = randomFillSync(Buffer.allocUnsafe(objectBytesMax));
const objects: WrittenObject[] = [];
let made = 0;
let liveBytes = 0;
let writtenBytes = 0;
let refusals = 0;

/** False when the node had no memory until the deadline. */
async function put(job: Job, bytes: number, timeoutMs?: number): Promise<boolean> {
  const key = `churn/${made++}`;
  liveBytes += bytes;
  try {
    await job.put(key, source.subarray(0, bytes), timeoutMs === undefined ? {} : { timeoutMs });
  } catch (thrown) {
    liveBytes -= bytes;
    const { kind } = MayflyError.from(thrown);
    if (kind !== "busy" && kind !== "unavailable") throw thrown;
    return false;
  }
  objects.push({ key, bytes });
  writtenBytes += bytes;
  return true;
}

async function removeOne(job: Job): Promise<void> {
  const { key, bytes } = takeOne(objects, rng.random());
  await job.delete(key);
  liveBytes -= bytes;
}

async function replaceObjects(job: Job): Promise<void> {
  while (writtenBytes < request.timesWritten * limitBytes) {
    const bytes = churnObjectBytes(mix, rng.random());
    while (objects.length > 0 && liveBytes + bytes > liveShare * limitBytes) await removeOne(job);
    if (await put(job, bytes)) continue;
    refusals++;
    await sleep(refusedPauseMs);
  }
}

const job = await connect(request.ticket);
const startMs = performance.now();
await Promise.all(Array.from({ length: writers }, () => replaceObjects(job)));
const seconds = (performance.now() - startMs) / 1000;
const churnedBytes = writtenBytes;
while (await put(job, churnObjectBytes(mix, rng.random()), fillTimeoutMs));
while (await put(job, fillBytes, fillTimeoutMs));
const result: ChurnClientResult = {
  usableShare: liveBytes / limitBytes,
  writeMbPerSecond: churnedBytes / seconds / 1e6,
  refusals,
};
await job.end();
tellResult(result);
