/** The matrices that are multiplied: each entry is a function of its place, so that any tile can be made anywhere. */
import { type Grid, type MatrixName, tileShape } from "./tile.ts";

/** Whole numbers from -8 to 8, whose sums are exact; or doubles from -1 to 1. */
export type Entries = "integers" | "doubles";

export interface Source {
  readonly entries: Entries;
  readonly seed: number;
}

export function entryOf({ entries, seed }: Source, matrix: MatrixName, row: number, column: number): number {
  const salt = mixed(seed + (matrix === "a" ? 1 : 2));
  const high = mixed(mixed(salt ^ row) + column);
  if (entries === "integers") return (high % 17) - 8;
  const low = mixed(high ^ 0x5bd1e995);
  return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 52 - 1;
}

export function makeTile(
  source: Source,
  matrix: MatrixName,
  grid: Grid,
  row: number,
  column: number,
): Float64Array {
  const { rows, columns } = tileShape(grid, row, column);
  const [firstRow, firstColumn] = [row * grid.tile, column * grid.tile];
  return Float64Array.from({ length: rows * columns }, (_, at) =>
    entryOf(source, matrix, firstRow + Math.floor(at / columns), firstColumn + (at % columns)),
  );
}

/** The finalizer of MurmurHash3: 32 bits that depend on all bits of the number. */
function mixed(number: number): number {
  let hash = number | 0;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
