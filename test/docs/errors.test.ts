import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { errorTable } from "../../src/errors.ts";
import { tableWith } from "./markdown-table.ts";

const markdown = readFileSync(new URL("../../docs/ERRORS.md", import.meta.url), "utf8");
const rows = tableWith(markdown, ["code", "kind", "HTTP", "RESP"]);

test("docs/ERRORS.md has every code of the error table once, and no other", () => {
  expect(rows.map(({ code }) => code)).toEqual(Object.keys(errorTable));
});

test("kinds, HTTP statuses and RESP prefixes are those of the code", () => {
  const documented = rows.map(({ code, kind, HTTP, RESP }) => [
    code,
    { kind, http: Number(HTTP), resp: RESP },
  ]);
  expect(Object.fromEntries(documented)).toEqual(errorTable);
});

test("every code says when it happens and what to do", () => {
  for (const row of rows) {
    expect(row["when it happens"], row["code"]).toMatch(/\.$/);
    expect(row["what to do"], row["code"]).not.toBe("");
  }
});

test("every kind is explained, and no other", () => {
  const kinds = tableWith(markdown, ["kind", "what to do"]).map(({ kind }) => kind);
  expect(kinds.toSorted()).toEqual([...new Set(Object.values(errorTable).map(({ kind }) => kind))].sort());
});
