/** A product of tiles with functions in processes of their own, some of which are killed, on nodes one of which is killed. */
import { expect, onTestFinished, test } from "vitest";
import { checkProduct } from "../../examples/matrix-multiply/check-product.ts";
import type { Source } from "../../examples/matrix-multiply/entries.ts";
import type { MultiplyRun } from "../../examples/matrix-multiply/run-multiply.ts";
import { readProductTile } from "../../examples/matrix-multiply/run-multiply.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import type { Executor } from "../../src/executor/executor.ts";
import type { LocalExecutorOptions } from "../../src/executor/local-executor.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { startFleet } from "../support/fleet.ts";

test("200x200 in tiles of 64 is what a direct product is, though functions and a node are killed", async () => {
  const { createLocalExecutor } = (await import(builtModuleUrl("src/executor/local-executor.js"))) as {
    createLocalExecutor: (options: LocalExecutorOptions) => Executor;
  };
  const { runMultiply } = (await import(builtModuleUrl("examples/matrix-multiply/run-multiply.js"))) as {
    runMultiply: (run: MultiplyRun) => Promise<unknown[]>;
  };
  const fleet = await startFleet(4);
  const { ticket } = await fleet.createJob({ code: { d: 2, p: 1 } });
  const executor = createLocalExecutor({
    ...{ workers: 2, ticket, failRate: 0.5, attemptsMax: 6, clock: systemClock, rng: systemRng },
  });
  onTestFinished(() => executor.close());
  const grid = { size: 200, tile: 64 };
  const source: Source = { entries: "integers", seed: 5 };
  const done: string[] = [];
  const facts = await runMultiply({
    ...{ executor, grid, source },
    betweenStages: () => void fleet.kill(fleet.nodeIds[0]!),
    onProgress: (stage, tiles, total) => done.push(`${stage} ${tiles} of ${total}`),
  });
  expect(facts).toHaveLength(16);
  expect(done).toHaveLength(8 + 16);
  expect(done.at(-1)).toBe("multiply 16 of 16");
  const job = await fleet.connect(ticket);
  const checked = await checkProduct(grid, source, (row, column) => readProductTile(job, grid, row, column));
  expect(checked).toEqual({ elements: 40_000, worstShareOfBound: 0 });
});
