/** What happened in the course of a run, as curves over one axis of time: one SVG file, drawn as plot.ts draws. */
import { randomUUID } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { MayflyError } from "../../src/errors.ts";
import type { MachineFacts } from "./machine.ts";
import { machineText } from "./plot.ts";
import type { BenchReport } from "./report.ts";
import { element, escapeXml, label } from "./svg.ts";

export interface Curve {
  readonly title: string;
  /** Pairs of seconds and value, seconds growing. */
  readonly points: readonly (readonly [seconds: number, value: number])[];
  /** A value stays until the next one; else lines lead from one to the next. */
  readonly isStep?: boolean;
}

export interface Timeline {
  readonly title: string;
  readonly curves: readonly Curve[];
  readonly events: readonly { readonly seconds: number; readonly label: string }[];
}

/** A report with the course of the last round of some of its cases. */
export interface TimedReport extends BenchReport {
  readonly timelines: readonly Timeline[];
}

const width = 960;
const margin = 28;
const left = 76;
const panelHeight = 130;
const panelGap = 44;

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 } .head { font-weight: 600 } .soft { fill: #646d76 }
.back { fill: #ffffff } .grid { stroke: #e3e6ea } .event { stroke: #cc6677; stroke-dasharray: 4 3 }
.curve { stroke: #4477aa; stroke-width: 1.4; fill: none } .what { fill: #cc6677 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ed } .soft { fill: #9aa3ad } .back { fill: #14181d } .grid { stroke: #2c333b }
}
`;

/** Writes `<scenario>-timeline.svg`; resolves to its path. @throws MayflyError OUTPUT_FAILED */
export async function writeTimelines(report: TimedReport, dir: string): Promise<string> {
  const path = join(dir, `${report.scenario}-timeline.svg`);
  const beside = `${path}.${randomUUID().slice(0, 8)}.partial`;
  try {
    await writeFile(beside, plotTimelines(report.scenario, report.timelines, report.machine), { flag: "wx" });
    await rename(beside, path);
  } catch (thrown) {
    const why = MayflyError.from(thrown).message;
    throw new MayflyError("OUTPUT_FAILED", `${path} cannot be written: ${why}`, { cause: thrown });
  }
  return path;
}

export function plotTimelines(
  scenario: string,
  timelines: readonly Timeline[],
  machine: MachineFacts,
): string {
  const markup: string[] = [];
  let y = 30;
  for (const timeline of timelines) {
    y += 8;
    markup.push(label(margin, y, `mayfly bench ${scenario}: ${timeline.title}`, { class: "title" }));
    y = drawTimeline(timeline, y + 14, markup);
  }
  markup.push(label(margin, y + 8, machineText(machine), { class: "soft" }));
  const height = y + 24;
  const content = [
    element("title", {}, escapeXml(`mayfly bench ${scenario} over time`)),
    element("style", {}, style),
    element("rect", { class: "back", width, height }),
    ...markup,
  ];
  const root = { xmlns: "http://www.w3.org/2000/svg", width, height, viewBox: `0 0 ${width} ${height}` };
  return `${element("svg", { ...root, role: "img" }, `\n${content.join("\n")}\n`)}\n`;
}

/** The y below it. */
function drawTimeline({ curves, events }: Timeline, top: number, markup: string[]): number {
  const points = curves.flatMap((curve) => curve.points);
  const first = Math.min(...points.map(([seconds]) => seconds));
  const last = Math.max(first + 1e-9, ...points.map(([seconds]) => seconds));
  const x = (seconds: number): number =>
    left + ((width - margin - left) * (seconds - first)) / (last - first);
  const bottom = top + curves.length * (panelHeight + panelGap);
  const seen = events.filter(({ seconds }) => seconds >= first && seconds <= last);
  for (const { seconds } of seen) {
    markup.push(
      element("line", { class: "event", x1: x(seconds), x2: x(seconds), y1: top + 24, y2: bottom - 20 }),
    );
  }
  for (const [at, { seconds, label: text }] of seen.entries()) {
    markup.push(label(x(seconds) + 3, top + 34 + 13 * (at % 3), text, { class: "what" }));
  }
  for (const [at, curve] of curves.entries()) {
    drawCurve(curve, top + at * (panelHeight + panelGap) + 24, x, markup);
  }
  for (const tick of ticksOf(first, last)) {
    markup.push(label(x(tick), bottom - 6, `${tick} s`, { class: "soft", "text-anchor": "middle" }));
  }
  return bottom + 20;
}

function drawCurve(
  { title, points, isStep = false }: Curve,
  top: number,
  x: (s: number) => number,
  markup: string[],
): void {
  const largest = Math.max(Number.MIN_VALUE, ...points.map(([, value]) => value));
  const y = (value: number): number => top + panelHeight - (panelHeight * value) / largest;
  markup.push(label(margin, top - 6, title, { class: "head" }));
  for (const tick of ticksOf(0, largest)) {
    const at = y(tick);
    markup.push(element("line", { class: "grid", x1: left, x2: width - margin, y1: at, y2: at }));
    markup.push(label(left - 6, at + 4, numberText.format(tick), { class: "soft", "text-anchor": "end" }));
  }
  const path = points.map(([seconds, value], at) => {
    const [px, py] = [x(seconds).toFixed(1), y(value).toFixed(1)];
    return at === 0 ? `M${px} ${py}` : isStep ? `H${px}V${py}` : `L${px} ${py}`;
  });
  if (path.length > 0) markup.push(element("path", { class: "curve", d: path.join("") }));
}

const numberText = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** Four to ten round numbers from `low` to `high`. */
export function ticksOf(low: number, high: number): number[] {
  const span = high - low;
  if (!(span > 0)) return [];
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((each) => each * power).findLast((each) => span / each >= 4) ?? power;
  const ticks: number[] = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-9; at++) {
    ticks.push(Number((at * step).toPrecision(6)));
  }
  return ticks;
}
