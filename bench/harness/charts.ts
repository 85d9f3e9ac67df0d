/** Figures over a quantity that grows from case to case, a line for each contender: one SVG file, drawn as plot.ts draws. */
import { join } from "node:path";
import type { MachineFacts } from "./machine.ts";
import { machineText } from "./plot.ts";
import { type BenchCase, type BenchReport, isAbsent } from "./report.ts";
import { replaceFile } from "./results.ts";
import { element, escapeXml, label } from "./svg.ts";
import { ticksOf } from "./timeline.ts";
import { figureTitle } from "./units.ts";

export interface Chart {
  readonly title: string;
  readonly figure: string;
  readonly lines: readonly {
    readonly contender: string;
    /** Pairs of x, which is above 0, and figure; x growing. */
    readonly points: readonly (readonly [x: number, figure: number])[];
  }[];
}

export interface ChartedReport extends BenchReport {
  readonly charts: readonly Chart[];
}

const width = 960;
const margin = 28;
const left = 76;
const right = 150;
const height = 240;
const gap = 64;
const colours = ["#24292f", "#4477aa", "#cc6677", "#228833", "#b8973a", "#aa4499"];

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 } .head { font-weight: 600 } .soft { fill: #646d76 }
.back { fill: #ffffff } .grid { stroke: #e3e6ea } .line { stroke-width: 1.8; fill: none }
.own { stroke: #24292f } .dot.own { fill: #24292f }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ed } .soft { fill: #9aa3ad } .back { fill: #14181d } .grid { stroke: #2c333b }
  .own { stroke: #e6e9ed } .dot.own { fill: #e6e9ed }
}
`;

/** One figure of all contenders of some cases; peers have no point where they are absent, or not asked. */
export function chartOf(
  title: string,
  figure: string,
  cases: readonly { readonly x: number; readonly of: BenchCase }[],
): Chart {
  const points = new Map<string, (readonly [number, number])[]>([["mayfly", []]]);
  for (const { x, of } of cases.toSorted((a, b) => a.x - b.x)) {
    for (const [contender, figures] of Object.entries({ mayfly: of.mayfly, ...of.peers })) {
      const value = isAbsent(figures) ? undefined : figures[figure];
      if (value !== undefined) points.set(contender, [...(points.get(contender) ?? []), [x, value]]);
    }
  }
  return { title, figure, lines: [...points].map(([contender, own]) => ({ contender, points: own })) };
}

/** Writes `<scenario>-charts.svg`; resolves to its path. @throws MayflyError OUTPUT_FAILED */
export async function writeCharts(report: ChartedReport, dir: string): Promise<string> {
  const path = join(dir, `${report.scenario}-charts.svg`);
  await replaceFile(path, plotCharts(report.scenario, report.charts, report.machine));
  return path;
}

export function plotCharts(scenario: string, charts: readonly Chart[], machine: MachineFacts): string {
  const contenders = [...new Set(charts.flatMap(({ lines }) => lines.map(({ contender }) => contender)))];
  const markup: string[] = [label(margin, 38, `mayfly bench ${scenario}`, { class: "title" })];
  let y = 62;
  for (const chart of charts) {
    drawChart(chart, y, contenders, markup);
    y += height + gap;
  }
  markup.push(label(margin, y, machineText(machine), { class: "soft" }));
  const content = [
    element("title", {}, escapeXml(`mayfly bench ${scenario}`)),
    element("style", {}, style),
    element("rect", { class: "back", width, height: y + 16 }),
    ...markup,
  ];
  const root = { xmlns: "http://www.w3.org/2000/svg", width, height: y + 16, role: "img" };
  return `${element("svg", { ...root, viewBox: `0 0 ${width} ${y + 16}` }, `\n${content.join("\n")}\n`)}\n`;
}

/** x is logarithmic, y begins at 0. */
function drawChart(chart: Chart, top: number, contenders: readonly string[], markup: string[]): void {
  const all = chart.lines.flatMap(({ points }) => points);
  const xs = [...new Set(all.map(([x]) => x))].sort((a, b) => a - b);
  const [low, high] = [xs[0] ?? 1, xs.at(-1) ?? 1];
  const largest = Math.max(Number.MIN_VALUE, ...all.map(([, value]) => value));
  const x = (value: number): number => {
    const share = high > low ? Math.log(value / low) / Math.log(high / low) : 0.5;
    return left + share * (width - left - right);
  };
  const bottom = top + height;
  const y = (value: number): number => bottom - ((height - 24) * value) / largest;
  markup.push(label(margin, top, chart.title, { class: "head" }));
  for (const tick of [0, ...ticksOf(0, largest).filter((each) => each > 0)]) {
    markup.push(element("line", { class: "grid", x1: left, x2: width - right, y1: y(tick), y2: y(tick) }));
    markup.push(
      label(left - 8, y(tick) + 4, numberText.format(tick), { class: "soft", "text-anchor": "end" }),
    );
  }
  for (const each of xs)
    markup.push(
      label(x(each), bottom + 18, numberText.format(each), { class: "soft", "text-anchor": "middle" }),
    );
  markup.push(label(width - right + 12, top, figureTitle(chart.figure), { class: "soft" }));
  for (const { contender, points } of chart.lines) drawLine(points, contenders.indexOf(contender));
  drawNames();

  function look(at: number): { readonly own: string; readonly colour: string } {
    return { own: at === 0 ? " own" : "", colour: colours[at % colours.length]! };
  }
  function drawLine(points: readonly (readonly [number, number])[], at: number): void {
    const { own, colour } = look(at);
    const path = points.map(
      ([px, value], point) => `${point === 0 ? "M" : "L"}${x(px).toFixed(1)} ${y(value).toFixed(1)}`,
    );
    markup.push(
      element("path", { class: `line${own}`, d: path.join(""), ...(at > 0 && { stroke: colour }) }),
    );
    for (const [px, value] of points)
      markup.push(
        element("circle", {
          class: `dot${own}`,
          cx: x(px),
          cy: y(value),
          r: 3,
          ...(at > 0 && { fill: colour }),
        }),
      );
  }
  /** Beside the last points, as far apart as letters need. */
  function drawNames(): void {
    const ends = chart.lines
      .flatMap(({ contender, points }) => {
        const last = points.at(-1);
        return last === undefined ? [] : [{ contender, y: y(last[1]) + 4 }];
      })
      .sort((a, b) => a.y - b.y);
    let above = Number.NEGATIVE_INFINITY;
    for (const end of ends) {
      above = Math.max(end.y, above + 15);
      const { colour } = look(contenders.indexOf(end.contender));
      const at = contenders.indexOf(end.contender);
      markup.push(
        label(width - right + 12, above, end.contender, at > 0 ? { style: `fill: ${colour}` } : {}),
      );
    }
  }
}

const numberText = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
