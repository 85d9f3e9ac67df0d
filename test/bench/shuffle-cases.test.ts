import { expect, test } from "vitest";
import { figuresOf } from "../../bench/shuffle.ts";
import { shuffleCases, shuffleScaleDefault } from "../../bench/shuffle-cases.ts";

const cases = shuffleCases(shuffleScaleDefault);

test("all sizes with all numbers of workers, a gigabyte each; S3 where it is not endless", () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(9);
  for (const { name, maps, partitions, blockBytes, workers, peers } of cases) {
    const [, m, r, count] = /^shuffle (\d+)x(\d+) 1GB x(\d) workers?$/.exec(name)!;
    expect([maps, partitions, workers]).toEqual([m, r, count].map(Number));
    expect(maps * partitions * blockBytes).toBe(1e9);
    expect(peers).toEqual(expect.arrayContaining(["redis-multi-key", "redis-pipeline"]));
    expect(peers.includes("s3-ranges")).toBe(workers === 2);
    expect(peers.includes("s3-blocks")).toBe(workers === 2 && maps < 400);
  }
});

test("time counts from the first map's beginning to the last partition's end", () => {
  const phase = (beganMs: number, endedMs: number, requests: number) => ({
    ...{ beganMs, endedMs, requests },
    cpuSeconds: 0.5,
  });
  const mapped = [phase(1000, 2000, 3), phase(1500, 3000, 4)];
  const reduced = [phase(3500, 4000, 5), phase(3400, 5000, 6)];
  expect(figuresOf(8e6, mapped, reduced, 7)).toEqual({
    ...{ mbPerSecond: 2, seconds: 4, mapSeconds: 2, reduceSeconds: 1.6 },
    ...{ mapRequests: 7, reduceRequests: 11, clientCpuSeconds: 2, serverCpuSeconds: 7 },
  });
  expect(Object.keys(figuresOf(8e6, mapped, reduced, Number.NaN))).not.toContain("serverCpuSeconds");
});
