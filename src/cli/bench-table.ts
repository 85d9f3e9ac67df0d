/** A report of a benchmark as lines of text. */
import { type BenchCase, type BenchReport, type Figures, isAbsent } from "../../bench/harness/report.ts";
import { figureText, figureTitle, ratioText } from "../../bench/harness/units.ts";
import { type Column, formatTable, printable } from "./table.ts";

/**
 * A row a case: the compared figure of Mayfly, and of each peer with the ratio in brackets. Below it: why peers are absent.
 * @param allFigures instead a row for each side of a case, with all that was measured
 */
export function describeReport(report: BenchReport, allFigures = false): string[] {
  const { scenario, machine, rounds, cases } = report;
  const table = allFigures ? figureTable(cases) : ratioTable(cases);
  const missing = absences(cases);
  const times = rounds === 1 ? "1 round" : `${rounds} rounds`;
  return [
    `${scenario}: medians of ${times} on ${machine.cores} x ${printable(machine.cpu)}, Node ${machine.node}`,
    "",
    ...table,
    ...(missing.length === 0 ? [] : ["", ...missing]),
  ];
}

function ratioTable(cases: readonly BenchCase[]): string[] {
  const peers = [...new Set(cases.flatMap((each) => Object.keys(each.peers)))];
  const columns: Column[] = [
    { title: "CASE" },
    ...["MAYFLY", ...peers.map((peer) => peer.toUpperCase())].map(
      (title): Column => ({ title: printable(title), align: "right" }),
    ),
  ];
  const rows = cases.map((each) => [
    printable(each.case),
    comparedText(each, each.mayfly),
    ...peers.map((peer) => peerText(each, peer)),
  ]);
  return formatTable(columns, rows);
}

function peerText(each: BenchCase, peer: string): string {
  const figures = each.peers[peer];
  if (figures === undefined) return "-";
  if (isAbsent(figures)) return "absent";
  return `${comparedText(each, figures)} (${ratioText(each.ratios[peer] ?? Number.NaN)})`;
}

function comparedText({ compared }: BenchCase, figures: Figures): string {
  return figureText(compared, figures[compared] ?? Number.NaN);
}

function figureTable(cases: readonly BenchCase[]): string[] {
  const rows = cases.flatMap((each) => {
    const sides: { who: string; figures: Figures; ratio?: number | undefined }[] = [
      { who: "mayfly", figures: each.mayfly },
    ];
    for (const [peer, figures] of Object.entries(each.peers)) {
      if (!isAbsent(figures)) sides.push({ who: peer, figures, ratio: each.ratios[peer] });
    }
    return sides.map((side) => ({ name: each.case, ...side }));
  });
  const names = [...new Set(rows.flatMap(({ figures }) => Object.keys(figures)))];
  const columns: Column[] = [
    { title: "CASE" },
    { title: "WHO" },
    { title: "RATIO", align: "right" },
    ...names.map((name): Column => ({ title: printable(figureTitle(name).toUpperCase()), align: "right" })),
  ];
  const cells = rows.map(({ name, who, figures, ratio }) => [
    printable(name),
    printable(who),
    ratio === undefined ? "-" : ratioText(ratio),
    ...names.map((figure) => numberText(figure, figures[figure])),
  ]);
  return formatTable(columns, cells);
}

/** Its unit is in the head of the column. */
function numberText(name: string, value: number | undefined): string {
  return value === undefined ? "-" : figureText(name, value).split(" ")[0]!;
}

/** A line for each peer and reason. */
function absences(cases: readonly BenchCase[]): string[] {
  const lines = cases.flatMap(({ peers }) =>
    Object.entries(peers).flatMap(([peer, figures]) =>
      isAbsent(figures) ? [printable(`${peer} is absent: ${figures.absent}`)] : [],
    ),
  );
  return [...new Set(lines)];
}
