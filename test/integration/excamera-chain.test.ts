/** The chain of encoders with functions in processes of their own, on nodes of their own. */
import { expect, onTestFinished, test } from "vitest";
import { encodeSerially } from "../../examples/excamera-chain/chunk.ts";
import { framesOf, plateFile, readFilm } from "../../examples/excamera-chain/film.ts";
import type { ChainResult, ChainRun } from "../../examples/excamera-chain/run-chain.ts";
import { joinStream, packChunk } from "../../examples/excamera-chain/stream.ts";
import { systemClock, systemRng } from "../../src/clock.ts";
import type { Executor } from "../../src/executor/executor.ts";
import type { LocalExecutorOptions } from "../../src/executor/local-executor.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { startFleet } from "../support/fleet.ts";

interface Chain {
  readonly workers: number;
  readonly failRate?: number;
  readonly onProgress?: (ready: number) => void;
}

/** Six links of one frame each: what the chain makes, and what one process does. */
async function encode({ workers, failRate = 0, onProgress = () => undefined }: Chain): Promise<{
  readonly chain: ChainResult;
  readonly serial: Uint8Array;
}> {
  const { createLocalExecutor } = (await import(builtModuleUrl("src/executor/local-executor.js"))) as {
    createLocalExecutor: (options: LocalExecutorOptions) => Executor;
  };
  const { runChain } = (await import(builtModuleUrl("examples/excamera-chain/run-chain.js"))) as {
    runChain: (run: ChainRun) => Promise<ChainResult>;
  };
  const fleet = await startFleet(3);
  const { ticket } = await fleet.createJob();
  const executor = createLocalExecutor({
    ...{ workers, ticket, failRate, clock: systemClock, rng: systemRng },
  });
  onTestFinished(() => executor.close());
  const film = await readFilm(plateFile());
  const coding = { width: film.width, height: film.height, step: 8 };
  const frames = framesOf(film, 6);
  const job = await fleet.connect(ticket);
  const chain = await runChain({ job, executor, coding, frames, framesPerLink: 1, onProgress });
  return { chain, serial: joinStream(coding, [packChunk(encodeSerially(coding, frames))]) };
}

test("six functions at a time make what one process makes, bit for bit", async () => {
  const ready: number[] = [];
  const { chain, serial } = await encode({ workers: 6, onProgress: (links) => ready.push(links) });
  expect(Buffer.compare(chain.stream, serial)).toBe(0);
  expect(ready).toEqual([1, 2, 3, 4, 5, 6]);
  expect(chain.facts.map(({ again }) => again)).toEqual([0, 1, 1, 1, 1, 1]);
  for (const { handOverMs, exchangeMs } of chain.facts.slice(1)) {
    expect(handOverMs).toBeGreaterThan(0);
    expect(exchangeMs).toBeGreaterThanOrEqual(handOverMs!);
  }
});

test("with fewer workers than links, and each of them killed twice, the same comes out", async () => {
  const { chain, serial } = await encode({ workers: 2, failRate: 1 });
  expect(Buffer.compare(chain.stream, serial)).toBe(0);
  expect(chain.facts).toHaveLength(6);
});
