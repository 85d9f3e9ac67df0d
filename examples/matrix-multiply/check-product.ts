/**
 * Compares a product with a direct one, of whole rows and columns, that knows nothing of tiles.
 *
 * Whole numbers have to be equal. Doubles may differ by rounding: a sum of n products in any order is off by at most
 * gamma(n) * sum |a| |b| with gamma(n) = n u / (1 - n u) and u = 2^-53 (Higham, Accuracy and Stability of Numerical Algorithms,
 * section 3.1). Both sides may be off by so much, and the bound is itself a sum that is rounded: two gammas, and two more of n + 2.
 */
import { MayflyError } from "mayfly";
import { entryOf, type Source } from "./entries.ts";
import { type Grid, tileShape, tilesAcross } from "./tile.ts";

export interface CheckedProduct {
  readonly elements: number;
  /** The largest share of what rounding may make that an element was off by; 0 where all are equal. */
  readonly worstShareOfBound: number;
}

export type ReadTile = (row: number, column: number) => Promise<Float64Array>;

/** Holds one matrix and a row of tiles at a time. @throws MayflyError DAMAGED at the first element that is wrong */
export async function checkProduct(grid: Grid, source: Source, read: ReadTile): Promise<CheckedProduct> {
  const { size, tile } = grid;
  const across = tilesAcross(grid);
  const columnsOfB = Array.from({ length: size }, (_, column) =>
    Float64Array.from({ length: size }, (_, k) => entryOf(source, "b", k, column)),
  );
  const isExact = source.entries === "integers";
  let worst = 0;
  for (let tileRow = 0; tileRow < across; tileRow++) {
    const tiles = await Promise.all(Array.from({ length: across }, (_, column) => read(tileRow, column)));
    const { rows } = tileShape(grid, tileRow, 0);
    for (let inner = 0; inner < rows; inner++) {
      const row = tileRow * tile + inner;
      const ofA = Float64Array.from({ length: size }, (_, k) => entryOf(source, "a", row, k));
      for (let column = 0; column < size; column++) {
        const place = Math.floor(column / tile);
        const { columns } = tileShape(grid, tileRow, place);
        const found = tiles[place]![inner * columns + (column % tile)]!;
        const { product, bound } = direct(ofA, columnsOfB[column]!);
        const off = Math.abs(found - product);
        // A number that is none is not above any bound.
        if (!(off <= (isExact ? 0 : bound))) throw wrong(row, column, found, product, isExact ? 0 : bound);
        if (off > 0) worst = Math.max(worst, off / bound);
      }
    }
  }
  return { elements: size * size, worstShareOfBound: worst };
}

function direct(row: Float64Array, column: Float64Array): { product: number; bound: number } {
  let [product, sizes] = [0, 0];
  // From the end: rounding is not the same as when it is summed up from the begin.
  for (let k = row.length - 1; k >= 0; k--) {
    const term = row[k]! * column[k]!;
    product += term;
    sizes += Math.abs(term);
  }
  return { product, bound: 4 * gamma(row.length + 2) * sizes };
}

function gamma(terms: number): number {
  const unit = 2 ** -53;
  return (terms * unit) / (1 - terms * unit);
}

function wrong(row: number, column: number, found: number, product: number, bound: number): MayflyError {
  const why = `element ${row},${column} is ${found}; the direct product has ${product}, and they may differ by ${bound}`;
  return new MayflyError("DAMAGED", why);
}
