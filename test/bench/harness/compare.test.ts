import { expect, test } from "vitest";
import { type CaseSpec, type Contender, measureCase } from "../../../bench/harness/compare.ts";
import type { BenchOptions, Figures } from "../../../bench/harness/report.ts";

/** Gives these figures one after the other; the first is the warm-up. Writes its name down at each call. */
function scripted(name: string, figures: readonly Figures[], calls: string[] = []): Contender {
  let at = 0;
  return {
    sample() {
      calls.push(name);
      return figures[at++]!;
    },
  };
}

function speeds(...values: readonly number[]): Figures[] {
  return values.map((mbPerSecond) => ({ mbPerSecond }));
}

function optionsOf(rounds: number, more: Partial<BenchOptions> = {}): BenchOptions {
  return { rounds, signal: new AbortController().signal, log: () => undefined, ...more };
}

const spec: Omit<CaseSpec, "mayfly" | "peers"> = { case: "put", compared: "mbPerSecond", better: "higher" };

test("a case of whole processes is not warmed up", async () => {
  const calls: string[] = [];
  const mayfly = scripted("mayfly", speeds(10, 30), calls);
  const peers = { slow: scripted("slow", speeds(10, 10), calls) };
  const measured = await measureCase({ ...spec, warmup: false, mayfly, peers }, optionsOf(2));
  expect(calls).toEqual(["mayfly", "slow", "slow", "mayfly"]);
  expect(measured.mayfly["mbPerSecond"]).toBe(20);
});

test("medians leave the warm-up out, and ratios are those of each round", async () => {
  const measured = await measureCase(
    {
      ...spec,
      mayfly: scripted("mayfly", speeds(9999, 10, 30, 80)),
      peers: { slow: scripted("slow", speeds(9999, 10, 10, 20)) },
    },
    optionsOf(3),
  );
  expect(measured).toMatchObject({
    ...{ case: "put", compared: "mbPerSecond" },
    ...{ mayfly: { mbPerSecond: 30 }, peers: { slow: { mbPerSecond: 10 } } },
    // Of 1, 3 and 4.
    ratios: { slow: 3 },
  });
});

test("a ratio is of pairs, not of medians", async () => {
  const measured = await measureCase(
    {
      ...spec,
      mayfly: scripted("mayfly", speeds(0, 1, 2, 30)),
      peers: { other: scripted("other", speeds(0, 10, 2, 15)) },
    },
    optionsOf(3),
  );
  expect(measured.ratios).toEqual({ other: 1 });
});

test("where less is better a ratio above 1 still means that Mayfly is better", async () => {
  const measured = await measureCase(
    {
      ...{ case: "get", compared: "p50Ms", better: "lower" as const },
      mayfly: scripted("mayfly", [{ p50Ms: 1 }, { p50Ms: 1 }]),
      peers: { slow: scripted("slow", [{ p50Ms: 4 }, { p50Ms: 4 }]) },
    },
    optionsOf(1),
  );
  expect(measured.ratios).toEqual({ slow: 4 });
});

test("a peer that is absent is in the report with its reason, and has no ratio", async () => {
  const lines: string[] = [];
  const measured = await measureCase(
    { ...spec, mayfly: scripted("mayfly", speeds(1, 1)), peers: { gone: { absent: "not installed" } } },
    optionsOf(1, { log: (line) => lines.push(line) }),
  );
  expect(measured.peers).toEqual({ gone: { absent: "not installed" } });
  expect(measured.ratios).toEqual({});
  expect(lines).toEqual([expect.stringContaining("gone absent (not installed)")]);
});

test("within each round all sides have their turn, and another one begins each time", async () => {
  const calls: string[] = [];
  const side = (name: string): Contender => scripted(name, speeds(1, 1, 1, 1), calls);
  await measureCase({ ...spec, mayfly: side("m"), peers: { a: side("a"), b: side("b") } }, optionsOf(3));
  expect(calls.join("")).toBe("mab" + "mab" + "abm" + "bma");
});

test("an event can stop it although no sample ever waits", async () => {
  const stop = new AbortController();
  let samples = 0;
  const endless: Contender = {
    sample() {
      if (++samples === 5) setImmediate(() => stop.abort(new Error("enough")));
      return { mbPerSecond: 1 };
    },
  };
  const running = measureCase(
    { ...spec, mayfly: endless, peers: {} },
    optionsOf(1000, { signal: stop.signal }),
  );
  await expect(running).rejects.toThrow("enough");
  expect(samples).toBeLessThan(10);
});

test("the spread is the distance of the quartiles as a share of the median", async () => {
  const measured = await measureCase(
    { ...spec, mayfly: scripted("mayfly", speeds(0, 8, 9, 10, 11, 12)), peers: {} },
    optionsOf(5),
  );
  expect(measured.mayfly).toEqual({ mbPerSecond: 10, spread: 0.2 });
});
