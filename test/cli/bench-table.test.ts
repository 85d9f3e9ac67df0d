import { expect, test } from "vitest";
import { describeReport } from "../../src/cli/bench-table.ts";
import { sampleCases, sampleReport } from "../bench/sample-report.ts";

test("a row a case: Mayfly's figure, each peer's with its ratio, and beneath why a peer is absent", () => {
  expect(describeReport(sampleReport)).toEqual([
    "sample: medians of 7 rounds on 2 x Test CPU, Node v20.0.0",
    "",
    "CASE             MAYFLY       REDIS-IOREDIS              MEMCPY      S3",
    "put 4MiB x4  2,000 MB/s  1,000 MB/s (2.00x)  8,000 MB/s (0.25x)  absent",
    "get 1KiB x1      0.1 ms     0.08 ms (0.80x)                   -       -",
    "start            120 ms                   -                   -       -",
    "",
    "s3 is absent: no server is installed; run: npm run install-peers",
  ]);
});

test("with all figures there is a row for each side, units in the titles", () => {
  expect(describeReport(sampleReport, true).slice(2, 8)).toEqual([
    "CASE         WHO            RATIO   MB/S  P50 MS  % SPREAD  READY MS",
    "put 4MiB x4  mayfly             -  2,000       8        10         -",
    "put 4MiB x4  redis-ioredis  2.00x  1,000      16        10         -",
    "put 4MiB x4  memcpy         0.25x  8,000       2         0         -",
    "get 1KiB x1  mayfly             -     10     0.1        10         -",
    "get 1KiB x1  redis-ioredis  0.80x     12    0.08        10         -",
  ]);
});

test("a reason is given once, and cannot move the cursor", () => {
  const peers = { bad: { absent: "it said \u001b[2J" } };
  const cases = sampleCases.slice(0, 2).map((each) => ({ ...each, peers, ratios: {} }));
  const lines = describeReport({ ...sampleReport, cases });
  expect(lines.filter((line) => line.includes("bad is absent"))).toEqual(["bad is absent: it said \\x1b[2J"]);
});
