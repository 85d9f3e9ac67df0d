import fc from "fast-check";
import { expect, test } from "vitest";
import { inv, invert, mul, pow2 } from "../../src/erasure/gf256.ts";

/** Multiplication of polynomials over GF(2), reduced by 0x11d, bit by bit. */
function longMul(a: number, b: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit--) {
    product <<= 1;
    if (product & 0x100) product ^= 0x11d;
    if ((b >> bit) & 1) product ^= a;
  }
  return product;
}

test("every product is the one of polynomials modulo 0x11d", () => {
  const wrong: string[] = [];
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) if (mul(a, b) !== longMul(a, b)) wrong.push(`${a}*${b}`);
  }
  expect(wrong).toEqual([]);
});

test("every element but 0 has an inverse, and 2 generates them all", () => {
  for (let a = 1; a < 256; a++) expect(mul(a, inv(a))).toBe(1);
  expect(() => inv(0)).toThrow(RangeError);
  expect(new Set(Array.from({ length: 255 }, (_, n) => pow2(n))).size).toBe(255);
  expect([0, 1, 8, 255, 256, 1000].map(pow2)).toEqual([1, 2, 0x1d, 1, 2, pow2(1000 - 3 * 255)]);
});

test("a matrix times its inverse is the unit matrix; a singular one is refused", () => {
  const square = fc
    .integer({ min: 1, max: 5 })
    .chain((n) =>
      fc.array(fc.array(fc.nat(255), { minLength: n, maxLength: n }), { minLength: n, maxLength: n }),
    );
  let invertible = 0;
  fc.assert(
    fc.property(square, (matrix) => {
      let inverse: ReturnType<typeof invert>;
      try {
        inverse = invert(matrix);
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError);
        return;
      }
      invertible++;
      const product = matrix.map((row) =>
        matrix.map((_, j) => row.reduce((sum, value, k) => sum ^ mul(value, inverse[k]![j]!), 0)),
      );
      expect(product).toEqual(matrix.map((_, i) => matrix.map((_, j) => (i === j ? 1 : 0))));
    }),
  );
  expect(invertible).toBeGreaterThan(10);
  expect(() =>
    invert([
      [1, 2],
      [1, 2],
    ]),
  ).toThrow(RangeError);
});
