/**
 * Computes one tile of the product: the sum over k of a/row/k times b/k/column, always in this order, so that the bits of the
 * result do not depend on who is first. Holds five tiles: two that are multiplied, the next two, which come meanwhile, and the sum.
 */
import type { Job } from "mayfly";
import type { FunctionContext } from "../../run-on-fleet.ts";
import {
  type Grid,
  multiplyAdd,
  numberBytes,
  tileBytes,
  tileKey,
  tileNumbers,
  tileShape,
  tilesAcross,
} from "../tile.ts";
import { putOnce } from "./make-tiles.ts";

export interface MultiplyEvent {
  readonly grid: Grid;
  readonly row: number;
  readonly column: number;
}

/** In milliseconds. */
export interface MultiplyFacts {
  readonly multiplyMs: number;
  /** For tiles that were not here yet when they were needed, and for the result to be stored. */
  readonly waitMs: number;
  readonly readBytes: number;
}

type Pair = readonly [left: Float64Array, right: Float64Array];

export async function multiplyTile(event: MultiplyEvent, { job }: FunctionContext): Promise<MultiplyFacts> {
  const { grid, row, column } = event;
  const across = tilesAcross(grid);
  const shape = tileShape(grid, row, column);
  const sum = new Float64Array(shape.rows * shape.columns);
  // Memory of two pairs, which take turns.
  const memory = [0, 1].map(() => [0, 1].map(() => new Uint8Array(grid.tile ** 2 * numberBytes)));
  let [multiplyMs, waitMs, readBytes] = [0, 0, 0];
  let next: Promise<Pair> | undefined = readPair(job, event, 0, memory[0]!);
  for (let k = 0; next !== undefined; k++) {
    const waitsFromMs = performance.now();
    const [left, right]: Pair = await next;
    next = k + 1 < across ? readPair(job, event, k + 1, memory[(k + 1) % 2]!) : undefined;
    // Its rejection is seen at the next turn; until then it must not count as unhandled.
    next?.catch(() => undefined);
    const beginsAtMs = performance.now();
    multiplyAdd(sum, left, right, shape);
    multiplyMs += performance.now() - beginsAtMs;
    waitMs += beginsAtMs - waitsFromMs;
    readBytes += left.byteLength + right.byteLength;
  }
  const storesFromMs = performance.now();
  await putOnce(job, tileKey("c", row, column), tileBytes(sum));
  return { multiplyMs, waitMs: waitMs + performance.now() - storesFromMs, readBytes };
}

async function readPair(
  job: Job,
  { grid, row, column }: MultiplyEvent,
  k: number,
  [forLeft, forRight]: readonly Uint8Array[],
): Promise<Pair> {
  const read = async (
    key: string,
    rows: number,
    columns: number,
    memory: Uint8Array,
  ): Promise<Float64Array> => {
    const into = memory.subarray(0, rows * columns * numberBytes);
    return tileNumbers(await job.get(key, { into }), { rows, columns });
  };
  const left = tileShape(grid, row, k);
  const right = tileShape(grid, k, column);
  return await Promise.all([
    read(tileKey("a", row, k), left.rows, left.columns, forLeft!),
    read(tileKey("b", k, column), right.rows, right.columns, forRight!),
  ]);
}
