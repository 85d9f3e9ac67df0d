/** Decides, and only decides, when this node spills, and which objects go together to the object store: no I/O, no clock. */
import type { JobNumber } from "../../src/ids.ts";

const mebibyte = 2 ** 20;

export interface SpillPolicy {
  /** Spilling begins when more than this share of the memory is claimed, */
  readonly highRatio: number;
  /** and ends when no more than this share is: not at the first byte less, so that it does not begin again at once. */
  readonly lowRatio: number;
  /** From here on writers are about to wait: nothing is left for functions' sake any more. */
  readonly urgentRatio: number;
  /** What is gathered for one stored object, framed; objects that are larger go on their own. */
  readonly packBytes: number;
  /** Framed; an object up to this size is sent in one request, at least a pack. */
  readonly wholeBytesMax: number;
}

/** @param limitBytes of the node: while a pack is made its bytes are in memory a second time */
export function spillPolicyFor(limitBytes: number): SpillPolicy {
  const packBytes = Math.min(16 * mebibyte, Math.max(8 * mebibyte, limitBytes / 16));
  const wholeBytesMax = Math.max(packBytes, Math.min(64 * mebibyte, limitBytes / 16));
  return { highRatio: 0.8, lowRatio: 0.7, urgentRatio: 0.9, packBytes, wholeBytesMax };
}

export interface SpillMemory {
  readonly limitBytes: number;
  readonly claimedBytes: number;
  /** Of those, what spills that are under way, or were just done, are about to free. */
  readonly leavingBytes: number;
}

export interface SpillNeed {
  /** From now on, until the low mark is reached. */
  readonly spilling: boolean;
  /** To be moved to the store beside what is on its way. */
  readonly bytes: number;
  /** Memory is so short that functions would wait for it. */
  readonly urgent: boolean;
}

/** @param spilling what the last decision said */
export function planSpill(memory: SpillMemory, policy: SpillPolicy, spilling: boolean): SpillNeed {
  const { limitBytes, claimedBytes, leavingBytes } = memory;
  const stayingBytes = claimedBytes - leavingBytes;
  const mark = spilling ? policy.lowRatio : policy.highRatio;
  if (stayingBytes <= mark * limitBytes) return { spilling: false, bytes: 0, urgent: false };
  const bytes = Math.ceil(stayingBytes - policy.lowRatio * limitBytes);
  return { spilling: true, bytes, urgent: claimedBytes > policy.urgentRatio * limitBytes };
}

/** What a job said of itself: `latency` keeps its objects in memory as long as others have some to give. */
export type SpillPreference = "cost" | "latency" | undefined;

export interface SpillObject {
  /** Grows with each commit and read: the lowest one is the coldest. */
  readonly order: number;
  /** On all nodes, parity included. */
  readonly storedBytes: number;
  /** In the store. */
  readonly framedBytes: number;
}

export interface SpillJob<T extends SpillObject> {
  readonly job: JobNumber;
  readonly prefer: SpillPreference;
  /** Those that may go, coldest first; read as far as needed. */
  readonly objects: Iterable<T>;
}

export interface SpillPack<T extends SpillObject> {
  readonly job: JobNumber;
  /** To lie one behind the other in one stored object. One alone may be larger than a pack. */
  readonly objects: readonly T[];
  readonly framedBytes: number;
  readonly storedBytes: number;
}

/** Of the coldest job, objects that are looked at for some that still fit in the pack. */
const lookAheadMax = 256;
/** A pack of so much of its size is full enough to end with an object that does not fit any more. */
const fullRatio = 0.75;

/**
 * The next pack: of the job with the coldest object among those that say they can spare memory best, its coldest objects. It is
 * filled also where less is needed, since each stored object costs a request. Undefined when nothing may go.
 */
export function planPack<T extends SpillObject>(
  jobs: Iterable<SpillJob<T>>,
  policy: SpillPolicy,
): SpillPack<T> | undefined {
  let coldest: { job: SpillJob<T>; order: number } | undefined;
  for (const job of jobs) {
    const [first] = job.objects;
    if (first === undefined) continue;
    const rank = rankOf(job.prefer) - (coldest === undefined ? 0 : rankOf(coldest.job.prefer));
    if (coldest === undefined || rank < 0 || (rank === 0 && first.order < coldest.order)) {
      coldest = { job, order: first.order };
    }
  }
  return coldest && fillPack(coldest.job, policy.packBytes);
}

function rankOf(prefer: SpillPreference): number {
  if (prefer === "cost") return 0;
  return prefer === undefined ? 1 : 2;
}

function fillPack<T extends SpillObject>({ job, objects }: SpillJob<T>, packBytes: number): SpillPack<T> {
  const taken: T[] = [];
  let [framedBytes, storedBytes, looked] = [0, 0, 0];
  for (const object of objects) {
    const fits = taken.length === 0 || framedBytes + object.framedBytes <= packBytes;
    if (fits) {
      taken.push(object);
      framedBytes += object.framedBytes;
      storedBytes += object.storedBytes;
    }
    looked += 1;
    if (framedBytes >= packBytes || looked >= lookAheadMax) break;
    if (!fits && framedBytes >= packBytes * fullRatio) break;
  }
  return { job, objects: taken, framedBytes, storedBytes };
}
