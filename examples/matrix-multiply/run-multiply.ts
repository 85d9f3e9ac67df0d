/** The coordinator of a product: has the tiles made, then one function for each tile of the product. */
import type { Job } from "mayfly";
import type { Executor, HandlerRef } from "../run-on-fleet.ts";
import type { Source } from "./entries.ts";
import type { MakeEvent } from "./functions/make-tiles.ts";
import type { MultiplyEvent, MultiplyFacts } from "./functions/multiply-tile.ts";
import { type Grid, type MatrixName, tileKey, tileNumbers, tileShape, tilesAcross } from "./tile.ts";

export interface MultiplyRun {
  readonly executor: Executor;
  readonly grid: Grid;
  readonly source: Source;
  /** Called when both matrices are stored. */
  readonly betweenStages: () => void;
  readonly onProgress: (stage: "make" | "multiply", done: number, total: number) => void;
}

const handler = (file: string, name: string): HandlerRef => ({
  module: new URL(`./functions/${file}`, import.meta.url).href,
  name,
});
const make = handler("make-tiles.js", "makeTiles");
const multiply = handler("multiply-tile.js", "multiplyTile");

/** Of each tile of the product, row after row. @throws MayflyError what a function threw */
export async function runMultiply(run: MultiplyRun): Promise<MultiplyFacts[]> {
  const { executor, grid, source, onProgress } = run;
  const rows = Array.from({ length: tilesAcross(grid) }, (_, row) => row);
  const makes = (["a", "b"] satisfies MatrixName[]).flatMap((matrix) =>
    rows.map((row): MakeEvent => ({ grid, source, matrix, row })),
  );
  await executor.map(
    make,
    makes,
    counting(makes.length, (done, total) => onProgress("make", done, total)),
  );
  run.betweenStages();
  const products = rows.flatMap((row) => rows.map((column): MultiplyEvent => ({ grid, row, column })));
  const facts = await executor.map(
    multiply,
    products,
    counting(products.length, (done, total) => onProgress("multiply", done, total)),
  );
  return facts as MultiplyFacts[];
}

function counting(total: number, tell: (done: number, total: number) => void): { onResult: () => void } {
  let done = 0;
  return {
    onResult() {
      done += 1;
      tell(done, total);
    },
  };
}

/** A tile of the product. */
export async function readProductTile(
  job: Job,
  grid: Grid,
  row: number,
  column: number,
): Promise<Float64Array> {
  return tileNumbers(await job.get(tileKey("c", row, column)), tileShape(grid, row, column));
}
