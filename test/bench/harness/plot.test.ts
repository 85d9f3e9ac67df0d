import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { plotReport } from "../../../bench/harness/plot.ts";
import type { BenchCase } from "../../../bench/harness/report.ts";
import { sampleCases, sampleReport } from "../sample-report.ts";

const plotOf = (...cases: readonly BenchCase[]): string => plotReport({ ...sampleReport, cases });

/** Bars of ratios: the other rectangles have no fill of their own. */
function barsOf(svg: string): { x: number; width: number }[] {
  const pattern = /<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="13"/g;
  return [...svg.matchAll(pattern)].map(([, x, width]) => ({ x: Number(x), width: Number(width) }));
}

function oneLine(svg: string): number {
  return Number(/<line class="one" x1="([\d.]+)"/.exec(svg)?.[1]);
}

/** Tags that are opened are closed, in their order; attributes are quoted and of plain characters. */
function unbalanced(svg: string): string[] {
  const open: string[] = [];
  const rest = svg.replaceAll(
    /<(\/?)([a-z]+)((?: [\w:-]+="[^"<>&]*(?:&[a-z]+;[^"<>&]*)*")*)(\/?)>/gi,
    (_, end, name, __, self) => {
      if (end === "/") {
        if (open.pop() !== name) open.push(`</${name}>`);
      } else if (self !== "/") open.push(String(name));
      return "";
    },
  );
  return [...open, ...(rest.match(/[<>]|&(?!(?:amp|lt|gt|quot);)/g) ?? [])];
}

describe("bars of ratios", () => {
  test("leave the line at 1 to the right where Mayfly is better, to the left where it is not", () => {
    const svg = plotReport(sampleReport);
    const [better, worse] = barsOf(svg);
    const one = oneLine(svg);
    expect(better!.x).toBeCloseTo(one, 0);
    expect(worse!.x + worse!.width).toBeCloseTo(one, 0);
  });

  test("are logarithmic: 0.25 is twice as long as 2 is", () => {
    const [two, quarter] = barsOf(plotReport(sampleReport));
    expect(quarter!.width / two!.width).toBeCloseTo(2, 1);
  });

  test("stay in the picture, as does the line at 1, whatever the ratios are", () => {
    const ratio = fc.double({ min: 1e-4, max: 1e4, noNaN: true });
    fc.assert(
      fc.property(fc.array(ratio, { minLength: 1, maxLength: 5 }), (ratios) => {
        const names = ratios.map((_, i) => `peer${i}`);
        const svg = plotOf({
          ...{ case: "c", compared: "mbPerSecond", mayfly: { mbPerSecond: 1 } },
          peers: Object.fromEntries(names.map((name) => [name, { mbPerSecond: 1 }])),
          ratios: Object.fromEntries(names.map((name, i) => [name, ratios[i]!])),
        });
        const bars = barsOf(svg);
        expect(bars).toHaveLength(ratios.length);
        for (const x of [oneLine(svg), ...bars.flatMap((bar) => [bar.x, bar.x + bar.width])]) {
          expect(x).toBeGreaterThan(50);
          expect(x).toBeLessThan(850);
        }
      }),
    );
  });
});

test("figures, ratios, the machine and why a peer is absent are to be read", () => {
  const svg = plotReport(sampleReport);
  for (const text of [
    "mayfly bench sample",
    "medians of 7 rounds",
    "2,000 MB/s",
    "2.00x",
    "0.25x",
    "8,000 MB/s",
  ])
    expect(svg).toContain(text);
  expect(svg).toContain("s3 is absent: no server is installed; run: npm run install-peers");
  expect(svg).toContain("2 x Test CPU, 8 GiB, linux 6 x64, Node v20.0.0, load 0.5 at the start");
  // A case without peers: its figure, under the name of its unit.
  expect(svg).toContain("ready ms");
  expect(svg).toContain("120 ms");
});

test("without any peer there are values only", () => {
  const svg = plotOf(sampleCases[2]!);
  expect(svg).not.toContain('class="one"');
  expect(svg).toContain("120 ms");
});

test("ratios that are no numbers are left out", () => {
  const [first] = sampleCases;
  const svg = plotOf({ ...first!, ratios: { "redis-ioredis": Number.NaN, memcpy: 0.25, other: Infinity } });
  expect(barsOf(svg)).toHaveLength(1);
  expect(svg).not.toMatch(/NaN|Infinity/);
});

test("it is well-formed whatever the names are", () => {
  const text = fc.string({ unit: "binary", maxLength: 200 });
  fc.assert(
    fc.property(text, text, text, text, (scenario, name, peer, absent) => {
      const svg = plotReport({
        ...sampleReport,
        scenario,
        cases: [
          { ...sampleCases[0]!, case: name, peers: { [peer]: { mbPerSecond: 1 } }, ratios: { [peer]: 2 } },
          { ...sampleCases[0]!, peers: { gone: { absent } } },
        ],
      });
      expect(unbalanced(svg)).toEqual([]);
      expect(svg).not.toMatch(/\p{Cs}/u);
      // All that XML allows of the control characters.
      expect(svg.replaceAll(/[\t\n\r]/g, " ")).not.toMatch(/[^\u0020-\u{10ffff}]/u);
    }),
  );
  expect(plotOf({ ...sampleCases[0]!, case: '<a href="x">&</a>' })).toContain(
    "&lt;a href=&quot;x&quot;&gt;&amp;&lt;/a&gt;",
  );
});
