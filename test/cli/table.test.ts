import fc from "fast-check";
import { expect, test } from "vitest";
import { formatTable, printable, textWidth } from "../../src/cli/table.ts";

test("columns line up, numbers to the right, without trailing spaces", () => {
  const columns = [{ title: "KEY" }, { title: "SIZE", align: "right" as const }, { title: "KIND" }];
  const rows = [
    ["a", "7 B", "ref"],
    ["frames/10", "1.5 MiB", ""],
  ];
  expect(formatTable(columns, rows)).toEqual([
    "KEY           SIZE  KIND",
    "a              7 B  ref",
    "frames/10  1.5 MiB",
  ]);
});

test("every cell stands in the columns of its title, however wide its letters are", () => {
  const cell = fc.string({
    unit: fc.constantFrom("a", "é", "e\u0301", "日", "本", "-"),
    minLength: 1,
    maxLength: 8,
  });
  const row = fc.tuple(cell, cell, cell);
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
      const lines = formatTable([{ title: "A" }, { title: "B", align: "right" }, { title: "C" }], rows);
      const ends = lines.map((line) => textWidth(line.slice(0, line.trimEnd().lastIndexOf("  "))));
      // The second column ends, and the third begins, at the same place everywhere.
      expect(new Set(ends).size).toBe(1);
    }),
  );
});

test("wide letters count two, combining marks none", () => {
  expect(textWidth("日本")).toBe(4);
  expect(textWidth("e\u0301")).toBe(1);
  expect(textWidth("abc")).toBe(3);
});

test("printable text cannot move the cursor, and two texts never look the same", () => {
  expect(printable("a\x1b[2J\nb\\x\u2028\u202e")).toBe("a\\x1b[2J\\x0ab\\\\x\\u{2028}\\u{202e}");
  const unit = fc.constantFrom("\x1b", "\\", "x", "1", "b", "\u009b", "é", "\u2028", "u", "{", "}");
  const text = fc.string({ unit, maxLength: 6 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(printable(a)).not.toMatch(/[\p{Cc}\p{Zl}]/u);
      expect(printable(a) === printable(b)).toBe(a === b);
    }),
  );
});
