import { expect, test } from "vitest";
import {
  parseRedisCsv,
  type RedisLoad,
  redisBenchmarkArguments,
} from "../../../bench/peers/redis-benchmark.ts";

const load: RedisLoad = {
  ...{ command: "get", valueBytes: 1024, connections: 50 },
  ...{ pipelined: 16, requests: 300_000, keys: 10_000 },
};

/** What redis-benchmark 7.0.15 prints. */
const printed = `"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"
"GET","207382.83","3.146","0.440","2.903","5.511","7.207","10.375"
`;

test("the figures of a run are read from its table", () => {
  expect(parseRedisCsv(printed)).toEqual({ opsPerSecond: 207_382.83, p50Ms: 2.903, p99Ms: 7.207 });
});

test("what stands around the table does not matter", () => {
  expect(parseRedisCsv(`WARNING: Could not fetch server CONFIG\n${printed}`)).toEqual(parseRedisCsv(printed));
});

test("an error of the server is told instead of figures", () => {
  const refused = "Error from server 127.0.0.1:7000: UNKNOWNCMD";
  expect(() => parseRedisCsv(refused)).toThrow(refused);
  expect(() => parseRedisCsv(printed.split("\n")[0]!)).toThrow("said something else");
});

test("a target without a user is not authenticated to", () => {
  const plain = redisBenchmarkArguments(load, { host: "127.0.0.1", port: 7000 });
  expect(plain.join(" ")).toBe("-h 127.0.0.1 -p 7000 -t get -d 1024 -r 10000 -c 50 -P 16 -n 300000 --csv");
  const target = { host: "127.0.0.1", port: 7000, user: "3", password: "secret" };
  expect(redisBenchmarkArguments(load, target).join(" ")).toContain("--user 3 -a secret");
});
