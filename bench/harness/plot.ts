/**
 * A report as a picture: one SVG file without scripts, fonts or links, light or dark as its viewer likes it. Cases that
 * have peers are bars of ratios on a logarithmic axis that leave the line at 1 to the right where Mayfly is better;
 * cases without peers are bars of their compared figure.
 */
import type { MachineFacts } from "./machine.ts";
import { type BenchCase, type BenchReport, isAbsent } from "./report.ts";
import { element, escapeXml, label } from "./svg.ts";
import { figureText, figureTitle, ratioText } from "./units.ts";

const width = 960;
const margin = 28;
const barHeight = 15;
const groupGap = 13;
const letterWidth = 6.7;
/** Beside the end of a bar, for its label. */
const barLabelWidth = 135;

/** Told apart by people who see few colours, and on both backgrounds. */
const colours = ["#4477aa", "#cc6677", "#228833", "#b8973a", "#3a9fb8", "#aa4499", "#777788"];

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 17px; font-weight: 600 } .head { font-weight: 600 } .soft { fill: #646d76 }
.back { fill: #ffffff } .grid { stroke: #e3e6ea } .one { stroke: #24292f; stroke-width: 1.5 }
.value { fill: #4477aa }
@media (prefers-color-scheme: dark) {
  text { fill: #e6e9ed } .soft { fill: #9aa3ad } .back { fill: #14181d } .grid { stroke: #2c333b }
  .one { stroke: #e6e9ed }
}
`;

/** Markup, and the y below it. */
interface Block {
  readonly markup: readonly string[];
  readonly bottom: number;
}

export function plotReport(report: BenchReport): string {
  const compared = report.cases.filter((each) => ratiosOf(each).length > 0);
  const alone = report.cases.filter((each) => ratiosOf(each).length === 0);
  const blocks = [titleBlock(report)];
  const add = (make: (top: number) => Block): void => void blocks.push(make(blocks.at(-1)!.bottom));
  if (compared.length > 0) add((top) => ratioBlock(compared, top));
  for (const name of new Set(alone.map((each) => each.compared))) {
    const cases = alone.filter((each) => each.compared === name);
    add((top) => valueBlock(name, cases, top));
  }
  add((top) => footerBlock(report, top));
  const height = blocks.at(-1)!.bottom;
  const content = [
    element("title", {}, escapeXml(`mayfly bench ${report.scenario}`)),
    element("style", {}, style),
    element("rect", { class: "back", width, height }),
    ...blocks.flatMap(({ markup }) => markup),
  ];
  const size = { width, height, viewBox: `0 0 ${width} ${Math.round(height)}` };
  const root = { xmlns: "http://www.w3.org/2000/svg", ...size, role: "img" };
  return `${element("svg", root, `\n${content.join("\n")}\n`)}\n`;
}

function titleBlock({ scenario, rounds }: BenchReport): Block {
  const about = `medians of ${rounds} ${rounds === 1 ? "round" : "rounds"}`;
  return {
    markup: [
      label(margin, 38, `mayfly bench ${scenario}`, { class: "title" }),
      label(width - margin, 38, about, { class: "soft", "text-anchor": "end" }),
    ],
    bottom: 52,
  };
}

function ratiosOf({ ratios }: BenchCase): (readonly [peer: string, ratio: number])[] {
  return Object.entries(ratios).filter(([, ratio]) => Number.isFinite(ratio) && ratio > 0);
}

function ratioBlock(cases: readonly BenchCase[], top: number): Block {
  const peers = [...new Set(cases.flatMap((each) => ratiosOf(each).map(([peer]) => peer)))];
  const colourOf = (peer: string): string => colours[peers.indexOf(peer) % colours.length]!;
  const legend = legendBlock(peers, colourOf, top);
  const figures = cases.map((each) => figureText(each.compared, each.mayfly[each.compared] ?? Number.NaN));
  const columns = columnsOf(
    cases.map((each) => each.case),
    ["Mayfly", ...figures],
  );
  const all = cases.flatMap((each) => ratiosOf(each).map(([, ratio]) => ratio));
  const x = logScale(all, columns.bars, width - margin - barLabelWidth);
  const markup = [
    label(columns.figure, legend.bottom + 14, "Mayfly", { class: "head", "text-anchor": "end" }),
    label(x.at(1) + 6, legend.bottom + 14, "Mayfly is better \u2192", { class: "soft" }),
  ];
  let y = legend.bottom + 24;
  const rowsTop = y;
  const rows = cases.flatMap((each, i) => {
    const ratios = ratiosOf(each);
    const middle = y + (ratios.length * barHeight) / 2 + 4;
    const row = [
      label(margin, middle, each.case),
      label(columns.figure, middle, figures[i]!, { "text-anchor": "end" }),
      ...ratios.flatMap(([peer, ratio], at) =>
        ratioBar(each, peer, ratio, x.at, y + at * barHeight, colourOf(peer)),
      ),
    ];
    y += ratios.length * barHeight + groupGap;
    return row;
  });
  const grid = x.ticks.flatMap((tick) => [
    element("line", {
      ...{ class: tick === 1 ? "one" : "grid", x1: x.at(tick), x2: x.at(tick) },
      ...{ y1: rowsTop - 4, y2: y - 4 },
    }),
    label(x.at(tick), y + 10, `${tick}x`, { class: "soft", "text-anchor": "middle" }),
  ]);
  return { markup: [...legend.markup, ...markup, ...grid, ...rows], bottom: y + 22 };
}

function ratioBar(
  { compared, peers }: BenchCase,
  peer: string,
  ratio: number,
  at: (ratio: number) => number,
  y: number,
  fill: string,
): string[] {
  const [left, right] = ratio < 1 ? [at(ratio), at(1)] : [at(1), at(ratio)];
  const figures = peers[peer];
  const value = figures === undefined || isAbsent(figures) ? undefined : figures[compared];
  const beside =
    value === undefined
      ? ""
      : element("tspan", { class: "soft", dx: 7 }, escapeXml(figureText(compared, value)));
  // To the right of the line at 1, also for bars that go left: there is always room.
  const text = element("text", { x: right + 6, y: y + barHeight - 4 }, escapeXml(ratioText(ratio)) + beside);
  const bar = { x: left, y, width: Math.max(1, right - left), height: barHeight - 2, rx: 2, fill };
  return [element("rect", bar), text];
}

function legendBlock(peers: readonly string[], colourOf: (peer: string) => string, top: number): Block {
  const intro = "compared with";
  let x = margin + intro.length * letterWidth + 12;
  let y = top + 14;
  const markup = [label(margin, y, intro, { class: "soft" })];
  for (const peer of peers) {
    const wide = peer.length * letterWidth + 40;
    if (x + wide > width - margin) {
      x = margin;
      y += 20;
    }
    markup.push(element("rect", { x, y: y - 10, width: 12, height: 12, rx: 2, fill: colourOf(peer) }));
    markup.push(label(x + 18, y, peer));
    x += wide;
  }
  return { markup, bottom: y + 16 };
}

function valueBlock(compared: string, cases: readonly BenchCase[], top: number): Block {
  const values = cases.map((each) => each.mayfly[compared] ?? Number.NaN);
  const { bars } = columnsOf(
    cases.map((each) => each.case),
    [],
  );
  const largest = Math.max(...values.filter(Number.isFinite), Number.MIN_VALUE);
  const room = width - margin - barLabelWidth - bars;
  const first = top + 34;
  const pitch = barHeight + 7;
  const markup = [label(margin, top + 18, figureTitle(compared), { class: "head" })];
  cases.forEach((each, i) => {
    const value = values[i]!;
    const y = first + i * pitch;
    const long = Number.isFinite(value) ? Math.max(1, (room * Math.max(0, value)) / largest) : 0;
    markup.push(label(margin, y + barHeight - 4, each.case));
    markup.push(element("rect", { class: "value", x: bars, y, width: long, height: barHeight - 1, rx: 2 }));
    markup.push(label(bars + long + 6, y + barHeight - 4, figureText(compared, value)));
  });
  return { markup, bottom: first + cases.length * pitch + 6 };
}

function footerBlock({ machine, cases }: BenchReport, top: number): Block {
  const absent = new Map(
    cases.flatMap(({ peers }) =>
      Object.entries(peers).flatMap(([peer, figures]) =>
        isAbsent(figures) ? [[peer, figures.absent] as const] : [],
      ),
    ),
  );
  const notes = [...[...absent].map(([peer, why]) => `${peer} is absent: ${why}`), machineText(machine)];
  const lines = notes.flatMap((note) => wrap(note, Math.floor((width - 2 * margin) / letterWidth)));
  const markup = lines.map((line, i) => label(margin, top + 18 + i * 17, line, { class: "soft" }));
  return { markup, bottom: top + 18 + lines.length * 17 + 8 };
}

/** Lines of at most so many letters; words that are longer are cut. */
function wrap(text: string, lettersMax: number): string[] {
  const line = new RegExp(`\\S(?:.{0,${lettersMax - 2}}\\S)?(?=\\s|$)|\\S{${lettersMax}}`, "g");
  return text.match(line) ?? [];
}

/** "2 x AMD EPYC, 24 GiB, linux 6.1 x64, Node v20.20.2, load 0.5 at the start". */
export function machineText({ cores, cpu, memoryBytes, os, node, load }: MachineFacts): string {
  const memory = `${Math.round(memoryBytes / 2 ** 30)} GiB`;
  return `${cores} x ${cpu}, ${memory}, ${os}, Node ${node}, load ${load.toFixed(1)} at the start`;
}

/** Where the figures end, right-aligned, and where bars may begin. */
function columnsOf(names: readonly string[], figures: readonly string[]): { figure: number; bars: number } {
  const widest = (texts: readonly string[]): number =>
    Math.max(0, ...texts.map((text) => text.length)) * letterWidth;
  const name = margin + Math.min(widest(names), 330);
  const figure = figures.length === 0 ? name : name + 18 + widest(figures);
  return { figure, bars: figure + 20 };
}

interface LogScale {
  at(ratio: number): number;
  readonly ticks: readonly number[];
}

/** From the least to the largest of the ratios and 1, at least a factor of 2; ticks at 1, 2 and 5 times powers of ten. */
function logScale(ratios: readonly number[], left: number, right: number): LogScale {
  const low = Math.min(1, ...ratios);
  const high = Math.max(1, 2 * low, ...ratios);
  const at = (ratio: number): number =>
    left + ((right - left) * Math.log(ratio / low)) / Math.log(high / low);
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const step of [1, 2, 5]) {
      const tick = Number((step * 10 ** power).toPrecision(1));
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  // Labels of neighbours must not touch.
  const far = (tick: number): boolean => tick === 1 || Math.abs(at(tick) - at(1)) > 28;
  return { at, ticks: ticks.filter(far) };
}
