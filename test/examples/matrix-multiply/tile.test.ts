import fc from "fast-check";
import { expect, test } from "vitest";
import { checkProduct } from "../../../examples/matrix-multiply/check-product.ts";
import { entryOf, makeTile, type Source } from "../../../examples/matrix-multiply/entries.ts";
import {
  type Grid,
  multiplyAdd,
  tileBytes,
  tileNumbers,
  tileShape,
  tilesAcross,
} from "../../../examples/matrix-multiply/tile.ts";

const sources = fc.record({
  entries: fc.constantFrom<Source["entries"]>("integers", "doubles"),
  seed: fc.nat(1e6),
});
const grids = fc.record({ size: fc.integer({ min: 1, max: 23 }), tile: fc.integer({ min: 1, max: 9 }) });

/** As the functions do it. */
function productTile(grid: Grid, source: Source, row: number, column: number): Float64Array {
  const shape = tileShape(grid, row, column);
  const sum = new Float64Array(shape.rows * shape.columns);
  for (let k = 0; k < tilesAcross(grid); k++) {
    multiplyAdd(sum, makeTile(source, "a", grid, row, k), makeTile(source, "b", grid, k, column), shape);
  }
  return sum;
}

test("a product of tiles has the bits of one that was never cut, and passes the check", async () => {
  await fc.assert(
    fc.asyncProperty(grids, sources, async (grid, source) => {
      const whole = productTile({ ...grid, tile: grid.size }, source, 0, 0);
      await checkProduct(grid, source, async (row, column) => {
        const tile = productTile(grid, source, row, column);
        const { columns } = tileShape(grid, row, column);
        for (const [at, number] of tile.entries()) {
          const y = row * grid.tile + Math.floor(at / columns);
          expect(Object.is(number, whole[y * grid.size + column * grid.tile + (at % columns)])).toBe(true);
        }
        return tile;
      });
    }),
    { numRuns: 60 },
  );
});

test("the check finds one element that is off, by one or by little, or that is no number", async () => {
  const grid = { size: 20, tile: 8 };
  const wrongBy = (source: Source, change: (right: number) => number) =>
    checkProduct(grid, source, async (row, column) => {
      const tile = productTile(grid, source, row, column);
      if (row === 2 && column === 1) tile[3] = change(tile[3]!);
      return tile;
    });
  const integers = { entries: "integers", seed: 1 } as const;
  const doubles = { entries: "doubles", seed: 1 } as const;
  await expect(wrongBy(integers, (right) => right + 1)).rejects.toThrow("element 16,11 is");
  await expect(wrongBy(doubles, (right) => right + 1e-12)).rejects.toMatchObject({ code: "DAMAGED" });
  await expect(wrongBy(doubles, () => Number.NaN)).rejects.toThrow("is NaN");
  const { elements, worstShareOfBound } = await wrongBy(doubles, (right) => right);
  expect(elements).toBe(400);
  expect(worstShareOfBound).toBeGreaterThan(0);
  expect(worstShareOfBound).toBeLessThan(0.5);
  expect(await wrongBy(integers, (right) => right)).toEqual({ elements: 400, worstShareOfBound: 0 });
});

test("entries depend on matrix, place and seed, and keep to their range", () => {
  const source = { entries: "doubles", seed: 7 } as const;
  const all = [0, 1, 2, 3].flatMap((row) => [0, 1, 2, 3].map((column) => entryOf(source, "a", row, column)));
  expect(new Set(all).size).toBe(16);
  expect(entryOf(source, "b", 0, 0)).not.toBe(all[0]);
  expect(entryOf({ ...source, seed: 8 }, "a", 0, 0)).not.toBe(all[0]);
  fc.assert(
    fc.property(sources, fc.nat(40_000), fc.nat(40_000), (some, row, column) => {
      const entry = entryOf(some, "a", row, column);
      expect(Math.abs(entry)).toBeLessThanOrEqual(some.entries === "integers" ? 8 : 1);
      if (some.entries === "integers") expect(Number.isInteger(entry)).toBe(true);
    }),
  );
});

test("a tile comes back from its bytes wherever they lie; one of another size is refused", () => {
  const numbers = Float64Array.of(1.5, -2, 3, 4);
  const shape = { rows: 2, columns: 2 };
  expect(tileNumbers(tileBytes(numbers), shape)).toEqual(numbers);
  const shifted = new Uint8Array(33);
  shifted.set(tileBytes(numbers), 1);
  expect(tileNumbers(shifted.subarray(1), shape)).toEqual(numbers);
  expect(() => tileNumbers(shifted, shape)).toThrow("a tile of 33 bytes came, and 2x2 numbers have 32");
});
