/** What the kv scenario measures, and against whom. */
import type { KvSampleRequest } from "./drivers/kv-messages.ts";

/** Peers by the names that reports have. */
export type KvPeer = "redis-ioredis" | "redis-node-redis" | "redis-wait2" | "s3" | "raw-tcp" | "memcpy";

export interface KvCase {
  readonly name: string;
  readonly compared: "mbPerSecond" | "p50Ms" | "p99Ms";
  readonly better: "higher" | "lower";
  /** Those who cannot read into buffers read as they can. */
  readonly request: KvSampleRequest;
  readonly peers: readonly KvPeer[];
}

const kib = 1024;
const mib = 1024 * kib;

const sizes: readonly (readonly [name: string, bytes: number, outstanding: readonly number[]])[] = [
  ["1KiB", kib, [1, 16]],
  ["16KiB", 16 * kib, [1, 16]],
  ["256KiB", 256 * kib, [1, 16]],
  ["1MiB", mib, [1, 16]],
  ["4MiB", 4 * mib, [1, 4, 16]],
  ["16MiB", 16 * mib, [1, 4, 16]],
];
/** Below, a buffer costs nothing beside the round trip. */
const intoBytesMin = 256 * kib;
/** Below, what limits is not the stream. */
const rawTcpBytesMin = 4 * mib;
/** An S3 server takes long; these tell enough. */
const s3Loads = ["1MiB x16", "16MiB x4"];
const durationMs = 400;
/** Percentiles of what happens beside other things need more. */
const besideDurationMs = 1000;

export const kvCases: readonly KvCase[] = [
  ...sizes.flatMap(([size, valueBytes, all]) =>
    all.flatMap((outstanding) => casesOf(`${size} x${outstanding}`, valueBytes, outstanding)),
  ),
  {
    name: "get 1KiB x1 p50",
    ...{ compared: "p50Ms", better: "lower", peers: ["redis-ioredis", "redis-node-redis"] },
    request: { operation: "get", valueBytes: kib, outstanding: 1, into: false, durationMs },
  },
  {
    name: "get 1KiB x1 beside 1MiB traffic",
    ...{ compared: "p99Ms", better: "lower", peers: ["redis-ioredis"] },
    request: {
      ...{ operation: "get", valueBytes: kib, outstanding: 1, into: false, durationMs: besideDurationMs },
      beside: { valueBytes: mib, outstanding: 4 },
    },
  },
];

function casesOf(load: string, valueBytes: number, outstanding: number): KvCase[] {
  const raw: KvPeer[] = valueBytes >= rawTcpBytesMin ? ["raw-tcp"] : [];
  const s3: KvPeer[] = s3Loads.includes(load) ? ["s3"] : [];
  const redis: KvPeer[] = ["redis-ioredis", "redis-node-redis"];
  const common = { valueBytes, outstanding, durationMs };
  const rate = { compared: "mbPerSecond", better: "higher" } as const;
  const put: KvCase = {
    name: `put ${load}`,
    ...rate,
    request: { operation: "put", into: false, ...common },
    peers: [...redis, "redis-wait2", ...s3, ...raw],
  };
  const get: KvCase = {
    name: `get ${load}`,
    ...rate,
    request: { operation: "get", into: false, ...common },
    peers: [...redis, ...s3, ...raw],
  };
  const into: KvCase = {
    name: `get ${load} into`,
    ...rate,
    request: { operation: "get", into: true, ...common },
    peers: [...redis, ...raw, ...(valueBytes === 4 * mib ? (["memcpy"] as const) : [])],
  };
  return valueBytes >= intoBytesMin ? [put, get, into] : [put, get];
}
