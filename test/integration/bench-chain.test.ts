/** The chain scenario at its smallest: it measures all contenders that are installed, and leaves nothing behind. */
import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import type { ChainScale } from "../../bench/chain.ts";
import type { BenchOptions, BenchReport } from "../../bench/harness/report.ts";
import { builtModuleUrl } from "../support/built-module.ts";
import { ownTmpdir } from "../support/own-tmpdir.ts";

ownTmpdir();

const scale: ChainScale = {
  nodeMemoryBytes: 64 * 2 ** 20,
  cases: [
    { links: 3, framesPerLink: 1 },
    { links: 2, framesPerLink: 2 },
  ],
};

const leftovers = (): string[] => readdirSync(tmpdir()).filter((name) => /^mayfly-(?:redis|s3)-/.test(name));

test("the chain scenario tells the share of exchange over Mayfly, Redis and S3", async () => {
  const { benchChain } = (await import(builtModuleUrl("bench/chain.js"))) as {
    benchChain(options: BenchOptions, scale: ChainScale): Promise<BenchReport>;
  };
  const before = leftovers();
  const { signal } = new AbortController();
  const options = { rounds: 1, only: "3 functions", signal, log: () => undefined };
  const { cases } = await benchChain(options, scale);
  expect(cases).toMatchObject([{ case: "3 functions of 1 frame", compared: "exchangeShare" }]);
  const { mayfly, peers, ratios } = cases[0]!;
  expect(Object.keys(peers)).toEqual(["redis", "s3"]);
  for (const [name, figures] of Object.entries({ mayfly, ...peers })) {
    if (typeof figures["absent"] === "string") {
      expect(figures["absent"]).toContain("npm run install-peers");
      continue;
    }
    expect(figures["exchangeShare"]).toBeGreaterThan(0);
    expect(figures["exchangeShare"]).toBeLessThan(1);
    expect(figures["handOverP50Ms"]).toBeGreaterThan(0);
    expect(figures["seconds"]).toBeGreaterThan(0);
    if (name !== "mayfly") expect(ratios[name]).toBeGreaterThan(0);
  }
  expect(leftovers()).toEqual(before);
  expect((await benchChain({ ...options, only: "no such case" }, scale)).cases).toEqual([]);
});
