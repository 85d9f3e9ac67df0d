/** Makes a row of tiles of a matrix and stores each as an object. Run again, it stores the same. */
import { type Job, MayflyError } from "mayfly";
import type { FunctionContext } from "../../run-on-fleet.ts";
import { makeTile, type Source } from "../entries.ts";
import { type Grid, type MatrixName, tileBytes, tileKey, tilesAcross } from "../tile.ts";

export interface MakeEvent {
  readonly grid: Grid;
  readonly source: Source;
  readonly matrix: MatrixName;
  readonly row: number;
}

export async function makeTiles(
  { grid, source, matrix, row }: MakeEvent,
  { job }: FunctionContext,
): Promise<void> {
  // One is made while the one before is on its way.
  let storing: Promise<void> = Promise.resolve();
  for (let column = 0; column < tilesAcross(grid); column++) {
    const tile = makeTile(source, matrix, grid, row, column);
    await storing;
    storing = putOnce(job, tileKey(matrix, row, column), tileBytes(tile));
    storing.catch(() => undefined);
  }
  await storing;
}

/** A tile that another attempt has stored is the same, and readers may be at it. */
export async function putOnce(job: Job, key: string, bytes: Uint8Array): Promise<void> {
  try {
    await job.put(key, bytes, { ifAbsent: true });
  } catch (thrown) {
    if (MayflyError.from(thrown).code !== "KEY_EXISTS") throw thrown;
  }
}
