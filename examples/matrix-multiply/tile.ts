/**
 * Tiles of matrices as bytes and numbers: 8 bytes a number, little-endian as on all machines that Node runs on, row after row.
 * Tiles at the right and lower edge may be smaller.
 */
import { MayflyError } from "mayfly";

/** Rows and columns of a tile. */
export interface TileShape {
  readonly rows: number;
  readonly columns: number;
}

/** What is multiplied: square matrices of `size`, cut in tiles of `tile`. */
export interface Grid {
  readonly size: number;
  readonly tile: number;
}

export type MatrixName = "a" | "b" | "c";

export const numberBytes = 8;

export function tilesAcross({ size, tile }: Grid): number {
  return Math.ceil(size / tile);
}

export function tileShape({ size, tile }: Grid, row: number, column: number): TileShape {
  const extent = (index: number): number => Math.min(tile, size - index * tile);
  return { rows: extent(row), columns: extent(column) };
}

export function tileKey(matrix: MatrixName, row: number, column: number): string {
  return `${matrix}/${row}/${column}`;
}

export function tileBytes(numbers: Float64Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}

/** A view if the bytes lie where numbers can. @throws MayflyError DAMAGED */
export function tileNumbers(bytes: Uint8Array, { rows, columns }: TileShape): Float64Array {
  if (bytes.length !== rows * columns * numberBytes) {
    const why = `a tile of ${bytes.length} bytes came, and ${rows}x${columns} numbers have ${rows * columns * numberBytes}`;
    throw new MayflyError("DAMAGED", why);
  }
  const aligned = bytes.byteOffset % numberBytes === 0 ? bytes : Uint8Array.from(bytes);
  return new Float64Array(aligned.buffer, aligned.byteOffset, rows * columns);
}

/**
 * Adds the product of two tiles to `sum`. Each element gets its products in ascending order of the inner index, one rounding
 * for each: tiles that are added in this order make the very bits of a product that was never cut.
 */
export function multiplyAdd(
  sum: Float64Array,
  left: Float64Array,
  right: Float64Array,
  { rows, columns }: TileShape,
): void {
  const inner = left.length / rows;
  for (let row = 0; row < rows; row++) {
    const target = sum.subarray(row * columns, (row + 1) * columns);
    for (let k = 0; k < inner; k++) {
      const factor = left[row * inner + k]!;
      const from = k * columns;
      for (let column = 0; column < columns; column++) {
        target[column] = target[column]! + factor * right[from + column]!;
      }
    }
  }
}
