/** What a churn is made of: objects of random sizes that come and go. */

export const churnMixes = ["log-uniform", "uniform"] as const;
export type ChurnMix = (typeof churnMixes)[number];

export interface ChurnRequest {
  readonly mix: ChurnMix;
  readonly limitBytes: number;
  /** Ends when so many times the limit has been written. */
  readonly timesWritten: number;
}

/** Bytes of live objects are user bytes: neither checksums, nor index, nor segments count. */
export interface ChurnResult {
  /** Of the limit, when the node had no memory for one more object: the median of all times. */
  readonly usableShare: number;
  readonly usableShareMin: number;
  readonly writeMbPerSecond: number;
  /** Bytes that cleaning copied, by bytes written; NaN where it cannot be told. */
  readonly movedShare: number;
  /** Resident memory of the process that holds the objects, by the limit. */
  readonly rssShare: number;
}

export const objectBytesMin = 100;
export const objectBytesMax: number = 16 * 1024 * 1024;

/** As many objects of 100 to 200 bytes as of 8 to 16 MiB, or as many of each size. @param random in [0, 1) */
export function churnObjectBytes(mix: ChurnMix, random: number): number {
  return Math.floor(
    mix === "log-uniform"
      ? objectBytesMin * (objectBytesMax / objectBytesMin) ** random
      : objectBytesMin + (objectBytesMax - objectBytesMin) * random,
  );
}

/** Takes one of them out, whichever `random` in [0, 1) points at; the others may change places. */
export function takeOne<T>(from: T[], random: number): T {
  const at = Math.floor(random * from.length);
  const taken = from[at];
  const last = from.pop();
  if (taken === undefined || last === undefined) throw new RangeError("there is nothing to take");
  if (at < from.length) from[at] = last;
  return taken;
}
