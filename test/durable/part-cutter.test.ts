import fc from "fast-check";
import { expect, test } from "vitest";
import { PartCutter } from "../../src/durable/part-cutter.ts";

test("parts have their size, and together all bytes, however the source cuts them", () => {
  const pieceBytes = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 300_000 }));
  fc.assert(
    fc.property(
      fc.array(pieceBytes, { maxLength: 60 }),
      fc.integer({ min: 20_000, max: 400_000 }),
      (sizes, partBytes) => {
        const whole = Buffer.alloc(
          sizes.reduce((sum, size) => sum + size, 0),
          "0123456789abcdefghi",
        );
        const cutter = new PartCutter();
        const parts: Buffer[] = [];
        let at = 0;
        for (const size of sizes) {
          let rest: Uint8Array = whole.subarray(at, at + size);
          at += size;
          while (rest.byteLength > 0) {
            rest = cutter.add(rest, partBytes);
            if (cutter.bytes === partBytes) parts.push(Buffer.concat(cutter.take()));
          }
        }
        expect(parts.every(({ length }) => length === partBytes)).toBe(true);
        expect(Buffer.concat([...parts, ...cutter.take()]).equals(whole)).toBe(true);
      },
    ),
    { numRuns: 50 },
  );
});

test("large pieces stay where they are, small ones are gathered", () => {
  const cutter = new PartCutter();
  const large = new Uint8Array(100_000);
  cutter.add(large, 1_000_000);
  for (let i = 0; i < 1000; i += 1) cutter.add(Uint8Array.of(i & 255), 1_000_000);
  const [first, second, ...others] = cutter.take();
  expect(first!.buffer).toBe(large.buffer);
  expect(second).toEqual(Uint8Array.from({ length: 1000 }, (_, i) => i & 255));
  expect(others).toEqual([]);
});
