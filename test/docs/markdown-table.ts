/** Tables of a Markdown text, as the tests of the documents read them. */

/** Cells without the backticks around them. */
export type TableRow = Readonly<Record<string, string>>;

/**
 * The rows of the first table, behind the line `after` if given, whose titles begin with `titles`; by title.
 * Throws when there is none, so that a document that lost a table does not pass as one without rows.
 */
export function tableWith(markdown: string, titles: readonly string[], after = ""): TableRow[] {
  const start = after === "" ? 0 : markdown.indexOf(`${after}\n`);
  if (start < 0) throw new Error(`There is no line ${JSON.stringify(after)}.`);
  const lines = markdown.slice(start).split("\n");
  const at = lines.findIndex((line) => titles.every((title, i) => cellsOf(line)[i] === title));
  if (at < 0) throw new Error(`There is no table that begins with ${titles.join(", ")}.`);
  const names = cellsOf(lines[at]!);
  const end = lines.findIndex((line, i) => i > at && !line.startsWith("|"));
  return lines.slice(at + 2, end < 0 ? lines.length : end).map((line) => {
    const cells = cellsOf(line);
    if (cells.length !== names.length) throw new Error(`${cells.length} cells, not ${names.length}: ${line}`);
    return Object.fromEntries(names.map((name, i) => [name, cells[i]!]));
  });
}

function cellsOf(line: string): string[] {
  if (!line.startsWith("|")) return [];
  return line
    .replaceAll("\\|", "\0")
    .split("|")
    .slice(1, -1)
    .map((cell) => cell.replaceAll("\0", "|").trim())
    .map((cell) => /^`([^`]*)`$/.exec(cell)?.[1] ?? cell);
}
