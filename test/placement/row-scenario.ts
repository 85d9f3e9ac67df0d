/** Plays a text scenario of row planning: see test/golden/rows-*.txt. Ten rows, so that they fit a line. */
import { type NodeId, nodeId } from "../../src/ids.ts";
import { planRows, type RowNode } from "../../src/placement/plan-rows.ts";
import { emptyRow, type Row } from "../../src/placement/types.ts";

const rowCount = 10;

/**
 * Lines: `plan pack|spread backups=N <node>...` with nodes like `a`, `a*50` (weight), `a@west` (zone). Nodes are letters: a is node 1. The output has a line for each: all rows, primary first, with
 * their generation where it changed, and the number of places that moved.
 */
export function playRowScenario(scenario: string): string {
  let rows: Row[] = Array.from({ length: rowCount }, () => emptyRow);
  const lines: string[] = [];
  for (const line of scenario.split("\n").filter((text) => text !== "" && !text.startsWith("#"))) {
    const [, ...words] = line.split(" ");
    const before = rows;
    const backups = Number(words[1]!.slice("backups=".length));
    const zonePolicy = words[0] === "spread" ? "spread" : "pack";
    rows = planRows({ nodes: words.slice(2).map(nodeOf), rows, backups, zonePolicy });
    lines.push(
      `${line}\n  ${rows.map((row, i) => show(row, before[i]!)).join(" ")}  (${moves(before, rows)} moved)\n`,
    );
  }
  return lines.join("");
}

const idOf = (letter: string): NodeId => nodeId(letter.charCodeAt(0) - 96);

function nodeOf(word: string): RowNode {
  const [, letter, weight, zone] = /^([a-z])(?:\*(\d+))?(?:@(\w+))?$/.exec(word)!;
  return { id: idOf(letter!), weight: Number(weight ?? 100), zone: zone ?? "" };
}

function show(row: Row, before: Row): string {
  const letters = row.nodes.map((id) => String.fromCharCode(96 + id)).join("") || "-";
  return row.generation === before.generation ? letters : `${letters}:${row.generation}`;
}

function moves(before: readonly Row[], after: readonly Row[]): number {
  return after.flatMap((row, i) => row.nodes.filter((id) => !before[i]!.nodes.includes(id))).length;
}
