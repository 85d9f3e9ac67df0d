import { expect, test } from "vitest";
import { figuresOf } from "../../bench/kv.ts";
import { kvCases } from "../../bench/kv-cases.ts";

const named = (name: string) => kvCases.find((each) => each.name === name)!;

test("every case that issue 3 asks for is there, with its peer", () => {
  const asked: Record<string, readonly string[]> = {
    "put 4MiB x4": ["redis-ioredis", "redis-wait2", "raw-tcp"],
    "put 1KiB x16": ["redis-wait2"],
    "get 4MiB x4 into": ["redis-ioredis", "raw-tcp", "memcpy"],
    "get 4MiB x4": ["redis-ioredis"],
    "put 16MiB x4": ["redis-ioredis", "s3"],
    "get 16MiB x4 into": ["redis-ioredis"],
    "get 16MiB x4": ["redis-ioredis", "s3"],
    "put 1MiB x16": ["redis-ioredis", "redis-node-redis", "s3"],
    "get 1MiB x16": ["redis-ioredis", "redis-node-redis", "s3"],
    "get 1KiB x16": ["redis-ioredis"],
    "get 1KiB x1 p50": ["redis-ioredis"],
    "get 1KiB x1 beside 1MiB traffic": ["redis-ioredis"],
  };
  for (const [name, peers] of Object.entries(asked)) {
    expect(named(name)?.peers, name).toEqual(expect.arrayContaining([...peers]));
  }
  expect(new Set(kvCases.map(({ name }) => name)).size).toBe(kvCases.length);
});

test("a name says what is asked of the client", () => {
  const units = { KiB: 1024, MiB: 1024 ** 2 } as const;
  for (const { name, request } of kvCases) {
    const [, operation, count, unit, outstanding, rest] = /^(put|get) (\d+)(KiB|MiB) x(\d+)(.*)$/.exec(name)!;
    expect(request).toMatchObject({ operation, outstanding: Number(outstanding), into: rest === " into" });
    expect(request.valueBytes).toBe(Number(count) * units[unit as keyof typeof units]);
  }
});

test("less is better for latencies only", () => {
  for (const { compared, better } of kvCases)
    expect(better).toBe(compared.endsWith("Ms") ? "lower" : "higher");
});

test("figures are those of what was asked; CPU time is shared with what ran beside", () => {
  const { request } = named("get 1KiB x1 beside 1MiB traffic");
  const sample = {
    operations: 1000,
    seconds: 2,
    p50Ms: 1,
    p99Ms: 3,
    cpuSeconds: 0.5,
    besideBytes: 1e9 - 1024_000,
  };
  expect(figuresOf(request, sample, 0.25)).toEqual({
    ...{ mbPerSecond: 0.512, opsPerSecond: 500, p50Ms: 1, p99Ms: 3 },
    ...{ clientCpuSecondsPerGb: 0.5, serverCpuSecondsPerGb: 0.25, besideMbPerSecond: (1e9 - 1024_000) / 2e6 },
  });
  const alone = figuresOf(named("put 1MiB x1").request, { ...sample, besideBytes: 0 }, Number.NaN);
  expect(Object.keys(alone)).toEqual([
    "mbPerSecond",
    "opsPerSecond",
    "p50Ms",
    "p99Ms",
    "clientCpuSecondsPerGb",
  ]);
});
