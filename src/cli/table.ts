/** Small text tables for terminals. */

export interface Column {
  readonly title: string;
  /** Numbers go right. */
  readonly align?: "left" | "right";
}

const gap = "  ";

/** Lines of a table, its titles first; without trailing spaces. Cells must be printable (see `printable`). */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const lines = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((cells) => textWidth(cells[at] ?? ""))));
  return lines.map((cells) =>
    columns
      .map(({ align }, at) => {
        const cell = cells[at] ?? "";
        const space = " ".repeat(widths[at]! - textWidth(cell));
        return align === "right" ? space + cell : cell + space;
      })
      .join(gap)
      .trimEnd(),
  );
}

const combining = /\p{Mn}|\p{Me}|\p{Cf}/u;
/** East Asian wide and fullwidth letters, and pictographs. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/** Columns that a terminal gives the text. */
export function textWidth(text: string): number {
  let width = 0;
  for (const char of text) width += combining.test(char) ? 0 : wide.test(char) ? 2 : 1;
  return width;
}

/** Text that cannot move a terminal's cursor or fake another line: control characters are written as \xNN or \u{...}. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\\]/gu, (char) => {
    if (char === "\\") return "\\\\";
    const code = char.codePointAt(0)!;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}
