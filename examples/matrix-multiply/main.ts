/** Multiplies two matrices tile by tile, and compares with a direct product. */
import { type Context, choiceOption, countOption, runProgram, usageError } from "../command-line.ts";
import { fleetOptions, fleetPlan, runOnFleet } from "../run-on-fleet.ts";
import { checkProduct } from "./check-product.ts";
import { readProductTile, runMultiply } from "./run-multiply.ts";
import { numberBytes, tilesAcross } from "./tile.ts";

const options = {
  size: { value: "COUNT", help: "rows and columns of the matrices (512)", short: "s" },
  tile: { value: "COUNT", help: "rows and columns of a tile (128)", short: "t" },
  entries: { value: "KIND", help: "integers, which are compared exactly, or doubles (integers)" },
  seed: { value: "NUMBER", help: "other entries for each (1)" },
  check: { help: "compare with a direct product, on one core: as long as it takes" },
  ...fleetOptions,
};

const mebibyte = 2 ** 20;
/** A direct product is made in the memory of this process, and takes as long as it takes. */
const checkedSizeMax = 4096;
/** Of memory: the three matrices, with parity, on nodes that are not filled evenly. */
const roomFactor = 4;

await runProgram({
  name: "matrix-multiply",
  summary: "multiplies two matrices whose tiles are objects, a function for each tile of the product",
  args: "",
  options,
  examples: [
    "--check",
    "--size 2048 --tile 256 --workers 4",
    "--entries doubles --check --fail-rate 0.3 --kill-node --json",
  ],
  run,
});

async function run({ values, signal, progress }: Context<typeof options>) {
  const size = countOption("size", values.size, 512, 1, 32_768);
  const tile = countOption("tile", values.tile, 128, 1, 2048);
  if (values.check && size > checkedSizeMax) {
    throw usageError(`--check compares matrices of up to ${checkedSizeMax} rows, and --size is ${size}`);
  }
  const seed = countOption("seed", values.seed, 1, 0, 2 ** 31);
  const source = { entries: choiceOption("entries", values.entries, ["integers", "doubles"]), seed };
  const grid = { size, tile };
  const matrixBytes = size * size * numberBytes;
  const nodes = fleetPlan("matrix-multiply", values).nodes;
  const plan = fleetPlan(
    "matrix-multiply",
    values,
    Math.max(64 * mebibyte, Math.ceil((3 * matrixBytes * roomFactor) / nodes)),
  );
  return await runOnFleet(plan, signal, async ({ job, executor, betweenStages }) => {
    const startMs = performance.now();
    const onProgress = (stage: string, done: number, total: number): void => progress(stage, done, total);
    const facts = await runMultiply({ executor, grid, source, betweenStages, onProgress });
    const seconds = (performance.now() - startMs) / 1000;
    const read = (row: number, column: number) => readProductTile(job, grid, row, column);
    const checked = values.check ? await checkProduct(grid, source, read) : undefined;
    const sum = (of: (fact: (typeof facts)[number]) => number): number =>
      facts.reduce((total, fact) => total + of(fact), 0);
    const multiplyMs = sum((fact) => fact.multiplyMs);
    const waitMs = sum((fact) => fact.waitMs);
    const readBytes = sum((fact) => fact.readBytes);
    const gflopPerSecond = (2 * size ** 3) / seconds / 1e9;
    const waitShare = waitMs / (waitMs + multiplyMs);
    const json = {
      ...{ size, tile, entries: source.entries, tiles: tilesAcross(grid) ** 2, seconds, gflopPerSecond },
      ...{ multiplyMs, waitMs, waitShare, readBytes, checked: checked ?? null },
    };
    const lines = [
      `${size}x${size} in ${tilesAcross(grid) ** 2} tiles of ${tile}x${tile}: ${seconds.toFixed(2)} s, ${gflopPerSecond.toFixed(2)} GFLOP/s`,
      `functions read ${(readBytes / 1e6).toFixed(1)} MB and waited ${(100 * waitShare).toFixed(1)} % of their time for tiles`,
      checked === undefined
        ? "not compared with a direct product (--check)"
        : `${checked.elements} elements are those of a direct product${source.entries === "doubles" ? `, off by at most ${checked.worstShareOfBound.toExponential(1)} of what rounding may make` : ", exactly"}`,
    ];
    return { json, lines };
  });
}
