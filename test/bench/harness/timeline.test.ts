import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plotTimelines, type Timeline, ticksOf } from "../../../bench/harness/timeline.ts";
import { sampleReport } from "../sample-report.ts";

const timeline: Timeline = {
  title: "nodes <come> & go",
  curves: [
    {
      title: "nodes",
      points: [
        [-1, 3],
        [2, 12],
        [4, 3],
      ],
      isStep: true,
    },
    { title: "nothing", points: [] },
  ],
  events: [
    { seconds: 0, label: "scale" },
    { seconds: 99, label: "outside" },
  ],
};

const svg = plotTimelines("elastic", [timeline], sampleReport.machine);

test("draws each curve, and the events that lie on the axis", () => {
  expect(svg.match(/<path class="curve"/g)).toHaveLength(1);
  expect(svg).toMatch(/d="M76\.0 [\d.]+H[\d.]+V[\d.]+H932\.0V[\d.]+"/);
  expect(svg).toContain(">scale<");
  expect(svg).not.toContain("outside");
});

test("escapes what people wrote", () => {
  expect(svg).toContain("nodes &lt;come&gt; &amp; go");
});

test("has no numbers that are none", () => {
  const empty = plotTimelines("elastic", [{ title: "", curves: [], events: [] }], sampleReport.machine);
  for (const text of [svg, empty]) expect(text).not.toMatch(/NaN|Infinity|undefined/);
});

describe("ticks", () => {
  test("are round", () => {
    expect(ticksOf(0, 100)).toEqual([0, 20, 40, 60, 80, 100]);
    expect(ticksOf(-3, 17)).toEqual([0, 5, 10, 15]);
    expect(ticksOf(5, 5)).toEqual([]);
  });

  test("are few, and lie between the ends", () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(number, fc.double({ min: 1e-3, max: 1e6, noNaN: true }), (low, span) => {
        const ticks = ticksOf(low, low + span);
        expect(ticks.length).toBeGreaterThan(2);
        expect(ticks.length).toBeLessThan(13);
        const slack = 1e-5 * (Math.abs(low) + span);
        for (const tick of ticks) {
          expect(tick).toBeGreaterThanOrEqual(low - slack);
          expect(tick).toBeLessThanOrEqual(low + span + slack);
        }
      }),
    );
  });
});
