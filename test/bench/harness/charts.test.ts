import { expect, test } from "vitest";
import { chartOf, plotCharts } from "../../../bench/harness/charts.ts";
import type { BenchCase } from "../../../bench/harness/report.ts";
import { sampleMachine } from "../sample-report.ts";

const measured = (mayfly: number, peers: BenchCase["peers"]): BenchCase => ({
  ...{ case: "any", compared: "mbPerSecond", ratios: {} },
  ...{ mayfly: { mbPerSecond: mayfly }, peers },
});

const chart = chartOf("over M x R", "mbPerSecond", [
  { x: 400, of: measured(20, { redis: { mbPerSecond: 10 }, s3: { absent: "not here" } }) },
  { x: 100, of: measured(30, { redis: { mbPerSecond: 40 } }) },
]);

test("a line for each contender that has figures, x growing", () => {
  expect(chart.lines).toEqual([
    {
      contender: "mayfly",
      points: [
        [100, 30],
        [400, 20],
      ],
    },
    {
      contender: "redis",
      points: [
        [100, 40],
        [400, 10],
      ],
    },
  ]);
});

test("lines begin at the left and end at the right; higher figures are higher", () => {
  const svg = plotCharts("sample", [chart], sampleMachine);
  const paths = [...svg.matchAll(/<path class="line[^"]*" d="M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)"/g)];
  expect(paths).toHaveLength(2);
  const [own, redis] = paths.map((path) => path.slice(1).map(Number)) as [number[], number[]];
  expect([own[0], own[2]]).toEqual([redis[0], redis[2]]);
  expect(own[0]!).toBeLessThan(own[2]!);
  expect(own[1]!).toBeGreaterThan(redis[1]!);
  expect(own[3]!).toBeLessThan(redis[3]!);
  for (const text of ["over M x R", ">mayfly<", ">redis<", "MB/s", sampleMachine.cpu])
    expect(svg).toContain(text);
  expect(svg).not.toContain("NaN");
});

test("a chart of one case has points and no lines that lead anywhere", () => {
  const single = chartOf("one", "mbPerSecond", [{ x: 100, of: measured(30, {}) }]);
  const svg = plotCharts("sample", [single], sampleMachine);
  expect(svg.match(/<circle/g)).toHaveLength(1);
  expect(svg).not.toMatch(/NaN|Infinity/);
});
