import fc from "fast-check";
import { expect, test } from "vitest";
import { coalesce, type StoredRange } from "../../src/wire/stored-spans.ts";

const arbitraryRange: fc.Arbitrary<StoredRange> = fc.record({
  name: fc.constantFrom("a", "b"),
  offset: fc.integer({ min: 0, max: 2000 }),
  length: fc.integer({ min: 1, max: 300 }),
});
const gapMax = 40;
const spanMax = 500;

test("every range is wholly in one span, spans are bounded, and what could be joined is", () => {
  fc.assert(
    fc.property(fc.array(arbitraryRange, { maxLength: 40 }), (ranges) => {
      const spans = coalesce(ranges, gapMax, spanMax);
      expect(spans.flatMap((span) => span.ranges)).toHaveLength(ranges.length);
      for (const { name, offset, length, ranges: inside } of spans) {
        expect(length <= spanMax).toBe(true);
        for (const range of inside) {
          expect(range.name).toBe(name);
          expect(range.offset >= offset && range.offset + range.length <= offset + length).toBe(true);
        }
        // Nothing is read at the edges that nobody asked for.
        expect(Math.min(...inside.map((range) => range.offset))).toBe(offset);
        expect(Math.max(...inside.map((range) => range.offset + range.length))).toBe(offset + length);
      }
      for (const [at, span] of spans.entries()) {
        const next = spans[at + 1];
        if (next === undefined || next.name !== span.name) continue;
        const first = next.ranges[0]!;
        const end = span.offset + span.length;
        const isFar = first.offset - end > gapMax;
        const isLong = Math.max(end, first.offset + first.length) - span.offset > spanMax;
        expect(isFar || isLong).toBe(true);
      }
    }),
  );
});

test("a range longer than a span may be is one by itself, and takes in what lies within it", () => {
  const long = { name: "a", offset: 100, length: 900 };
  const inside = { name: "a", offset: 300, length: 10 };
  expect(coalesce([inside, long], gapMax, spanMax)).toEqual([{ ...long, ranges: [long, inside] }]);
});
