import { join, sep } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { entryOf, pathOfName } from "../../../src/durable/files/object-path.ts";
import { checkName } from "../../../src/durable/object-name.ts";

test.each([
  ["results", "results"],
  ["results/part-7.parquet", "results.d/part-7.parquet"],
  ["a.d/50%", "a.d.d/50%25"],
  ["old.d", "old%2Ed"],
  ["old%2Ed", "old%252Ed"],
  ["a:b/c\\d", "a%3Ab.d/c%5Cd"],
  [".hidden/...", ".hidden.d/..."],
  [`${"x".repeat(240)}..`, `${"x".repeat(240)}%/%2E%2E`],
])("%s is %s", (name, path) => {
  expect(pathOfName(name).join("/")).toBe(path);
});

function isName(name: string): boolean {
  try {
    checkName(name);
    return true;
  } catch {
    return false;
  }
}

const segment = fc.oneof(
  fc.string({
    unit: fc.constantFrom("a", ".", "d", "%", "2", "E", "é", "日", "\u{1f600}", "\\", " "),
    maxLength: 8,
  }),
  fc.string({ unit: fc.constantFrom("a", ".", "%", "日"), minLength: 70, maxLength: 260 }),
);
const names = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .map((segments) => segments.join("/"))
  .filter(isName);

describe("every name", () => {
  test("leads to a place below the root, that leads back to it", () => {
    fc.assert(
      fc.property(names, (name) => {
        const parts = pathOfName(name);
        for (const part of parts) {
          expect(Buffer.byteLength(part)).toBeLessThanOrEqual(255);
          expect(part).not.toContain(sep);
        }
        expect(join("/root", ...parts)).toBe(`/root/${parts.join("/")}`);
        const entries = parts.map(entryOf);
        expect(entries.map((entry) => entry?.isFolder)).toEqual(parts.map((_, i) => i < parts.length - 1));
        expect(entries.map((entry) => entry?.text).join("")).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });

  test("has a place of its own", () => {
    fc.assert(
      fc.property(names, names, (one, other) => {
        const [a, b] = [pathOfName(one).join("/"), pathOfName(other).join("/")];
        expect(a === b).toBe(one === other);
        // None is a folder of another one.
        expect(a.startsWith(`${b}/`)).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});

test.each(["%tmp", "%", ".d", "%2", "x%2ey", "x%41", "a:b"])("%s is no entry of ours", (name) =>
  expect(entryOf(name)).toBeUndefined(),
);
