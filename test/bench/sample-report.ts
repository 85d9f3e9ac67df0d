/** A report with all that one can have: peers better and worse, absent ones, a case without peers. */
import type { MachineFacts } from "../../bench/harness/machine.ts";
import type { BenchCase, BenchReport } from "../../bench/harness/report.ts";

export const sampleMachine: MachineFacts = {
  ...{ cpu: "Test CPU", cores: 2, memoryBytes: 8 * 2 ** 30, os: "linux 6 x64" },
  ...{ node: "v20.0.0", v8: "11.3", load: 0.5 },
};

export const sampleCases: readonly BenchCase[] = [
  {
    case: "put 4MiB x4",
    compared: "mbPerSecond",
    mayfly: { mbPerSecond: 2000, p50Ms: 8, spread: 0.1 },
    peers: {
      "redis-ioredis": { mbPerSecond: 1000, p50Ms: 16, spread: 0.1 },
      memcpy: { mbPerSecond: 8000, p50Ms: 2, spread: 0 },
      s3: { absent: "no server is installed; run: npm run install-peers" },
    },
    ratios: { "redis-ioredis": 2, memcpy: 0.25 },
  },
  {
    case: "get 1KiB x1",
    compared: "p50Ms",
    mayfly: { mbPerSecond: 10, p50Ms: 0.1, spread: 0.1 },
    peers: { "redis-ioredis": { mbPerSecond: 12, p50Ms: 0.08, spread: 0.1 } },
    ratios: { "redis-ioredis": 0.8 },
  },
  {
    case: "start",
    compared: "readyMs",
    mayfly: { readyMs: 120, spread: 0.1 },
    peers: {},
    ratios: {},
  },
];

export const sampleReport: BenchReport = {
  ...{ scenario: "sample", machine: sampleMachine, rounds: 7 },
  cases: sampleCases,
};
