import fc from "fast-check";
import { expect, test } from "vitest";
import { closestWord, editDistance } from "../../src/cli/closest-word.ts";

test.each([
  ["pit", "put"],
  ["putt", "put"],
  ["gte", "get"],
  ["statsu", "status"],
  ["contoller", "controller"],
  ["kontroler", "controller"],
  ["frobnicate", undefined],
  ["xy", undefined],
  ["", undefined],
])("%s means %s", (typed, meant) => {
  expect(closestWord(typed, ["dev", "controller", "status", "put", "get", "ls", "rm"])).toBe(meant);
});

test("of words that are as close the first is taken", () => {
  expect(closestWord("pot", ["put", "pat"])).toBe("put");
});

test("the distance is a number of edits", () => {
  expect(editDistance("abcd", "abdc")).toBe(1);
  expect(editDistance("kitten", "sitting")).toBe(3);
  const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 8 });
  fc.assert(
    fc.property(word, word, fc.nat(8), (a, b, at) => {
      const edits = editDistance(a, b);
      expect(edits).toBe(editDistance(b, a));
      expect(edits === 0).toBe(a === b);
      expect(edits).toBeGreaterThanOrEqual(Math.abs(a.length - b.length));
      expect(edits).toBeLessThanOrEqual(Math.max(a.length, b.length));
      const longer = `${a.slice(0, at)}x${a.slice(at)}`;
      expect(editDistance(a, longer)).toBe(1);
    }),
  );
});
