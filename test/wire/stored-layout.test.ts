import fc from "fast-check";
import { expect, test } from "vitest";
import { framedAt, framedBytes, sumBytes } from "../../src/wire/stored-layout.ts";
import {
  frameBytes,
  storedBytes,
  stripeAt,
  stripeBytesMax,
  stripeCount,
} from "../../src/wire/stripe-layout.ts";

const arbitraryObject = fc
  .record({
    d: fc.integer({ min: 1, max: 6 }),
    p: fc.integer({ min: 0, max: 2 }),
    part: fc.nat({ max: 10_000 }),
  })
  .map(({ d, p, part }) => {
    const code = { d, p };
    return { code, sizeBytes: Math.floor((part / 10_000) * 3 * stripeBytesMax(code)) };
  });

test("frames lie one behind the other, each followed by its checksum, in the order of the object's bytes", () => {
  fc.assert(
    fc.property(arbitraryObject, ({ code, sizeBytes }) => {
      let expected = 0;
      for (let index = 0; index < stripeCount(sizeBytes, code); index++) {
        const stripe = stripeAt(sizeBytes, code, index);
        for (let shard = 0; shard < code.d; shard++) {
          const stored = storedBytes(stripe, code, shard);
          for (let offset = 0; offset < stored; offset += frameBytes) {
            expect(framedAt(sizeBytes, code, index, shard, offset)).toBe(expected);
            expected += Math.min(frameBytes, stored - offset) + sumBytes;
          }
        }
      }
      expect(framedBytes(sizeBytes, code)).toBe(expected);
    }),
    { numRuns: 60 },
  );
});

test("an object without bytes has no frames", () => {
  expect(framedBytes(0, { d: 4, p: 2 })).toBe(0);
});
