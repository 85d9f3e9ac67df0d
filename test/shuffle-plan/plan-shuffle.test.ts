import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MayflyError } from "../../src/errors.ts";
import type { ShufflePlanInput } from "../../src/shuffle-plan/plan-input.ts";
import { fleetMemoryFor, planShuffle, type ShufflePlan } from "../../src/shuffle-plan/plan-shuffle.ts";
import type { ShuffleStrategy, StrategyEstimate } from "../../src/shuffle-plan/strategies.ts";

const mib = 2 ** 20;
const gib = 2 ** 30;

const of = (plan: ShufflePlan, strategy: ShuffleStrategy): StrategyEstimate =>
  plan.alternatives.find((each) => each.strategy === strategy)!;

describe("computed by hand with the formulas of docs/EXCHANGE.md", () => {
  /** 1 GiB, 1,073.741824 MB, from 8 maps to 16 partitions; 128 MiB a map, 64 MiB a partition. */
  const input: ShufflePlanInput = {
    ...{ bytes: gib, maps: 8, partitions: 16, nodes: 3, code: { d: 2, p: 1 }, workers: 4 },
    ...{ memoryBytes: 1000 * mib, hasBucket: true, skew: 1, functionMemoryBytes: gib },
    rates: {
      ...{ fleetBytesPerSecond: 100e6, nodeBytesPerSecond: 1e9, inputBytesPerSecond: 100e6, taskMs: 1000 },
      ...{ s3BytesPerSecond: 50e6, s3PutsPerSecond: 100, s3GetsPerSecond: 100 },
      ...{ s3LatencyMs: 100, s3RequestsInFlight: 10 },
    },
    // A tenth of a cent for a GiB in the fleet or in S3 and a second, a cent for one in a function.
    prices: {
      ...{ fleetPerGibHour: 3.6, functionPerGibSecond: 0.01, s3PerGibMonth: 2592 },
      ...{ s3Per1000Puts: 5, s3Per1000Gets: 0.4 },
    },
  };
  const plan = planShuffle(input);
  /** 1,073.741824 MB over four workers of 100 MB/s, and of 50 MB/s. */
  const [at400, at200] = [2.68435456, 5.36870912];

  const expectPhases = (
    strategy: ShuffleStrategy,
    phases: readonly (readonly [string, number, number])[],
  ): void => {
    const { phases: found, seconds } = of(plan, strategy);
    expect(found.map(({ phase, workers }) => [phase, workers])).toEqual(
      phases.map(([phase, workers]) => [phase, workers]),
    );
    for (const [index, [, , expected]] of phases.entries())
      expect(found[index]!.seconds).toBeCloseTo(expected, 6);
    expect(seconds).toBeCloseTo(
      phases.reduce((sum, [, , each]) => sum + each, 0),
      6,
    );
  };

  test("one pass in memory", () => {
    const estimate = of(plan, "memory");
    expect(estimate).toMatchObject({ passes: 1, feasible: false, memoryBytes: 1872 * mib });
    expect(estimate.storedBytes).toBe(1_613_088_768);
    expect(estimate.requests).toEqual({ nodes: 4208, s3Puts: 0, s3Gets: 0 });
    expect(estimate.bytesMoved).toEqual({ input: gib, fleet: 2.5 * gib, s3: 0 });
    expectPhases("memory", [
      // Input; one and a half times as much to the fleet; 8 starts of a second.
      ["map", 4, at400 + 4.02653184 + 2],
      ["reduce", 4, at400 + 4],
    ]);
    // 15.39524096 s of 1.828125 GiB, and of four functions.
    expect(estimate.dollars).toBeCloseTo(0.02814442 + 0.61580964, 7);
  });

  test("waves", () => {
    // Ranges of 8 partitions would take 1,008 MiB: 3 waves of 6 take 48 MiB a map, 604,917,888 bytes, 16 steps of 16 MiB a node.
    const estimate = of(plan, "waves");
    expect(estimate).toMatchObject({ passes: 3, feasible: true, memoryBytes: 768 * mib });
    expect(estimate.storedBytes).toBe(604_917_888);
    expect(estimate.bytesMoved).toEqual({ input: 3 * gib, fleet: 2.5 * gib, s3: 0 });
    expectPhases("waves", [
      // The input and the starts of the maps three times.
      ["map", 4, 8.05306368 + 4.02653184 + 6],
      ["reduce", 4, at400 + 4],
    ]);
  });

  test("rounds through S3", () => {
    // Four maps at once would take 1,008 MiB, three take 768.
    const estimate = of(plan, "s3-rounds");
    expect(estimate).toMatchObject({ passes: 3, feasible: true, memoryBytes: 768 * mib });
    expect(estimate.requests).toMatchObject({ s3Puts: 48, s3Gets: 48 });
    expect(estimate.bytesMoved).toEqual({ input: gib, fleet: 2.5 * gib, s3: 2 * gib });
    expectPhases("s3-rounds", [
      // Three maps at a time for four workers.
      ["map", 3, 3.579139413 + 5.36870912 + 2.666666667],
      ["merge", 4, at400 + at200 + 12],
      ["reduce", 4, at200 + 4],
    ]);
    const seconds = 11.6145152 + 20.05306368 + 9.36870912;
    const fleet = 0.75e-3 * seconds;
    const functions = 0.01 * (3 * 11.6145152 + 4 * (20.05306368 + 9.36870912));
    expect(estimate.dollars).toBeCloseTo(fleet + functions + 48 * 0.005 + 48 * 0.0004 + 1e-3 * seconds, 6);
  });

  test("S3 alone", () => {
    const estimate = of(plan, "s3");
    expect(estimate).toMatchObject({ passes: 1, feasible: true, memoryBytes: 0, storedBytes: 0 });
    expect(estimate.requests).toEqual({ nodes: 0, s3Puts: 8, s3Gets: 128 });
    expectPhases("s3", [
      ["map", 4, at400 + at200 + 2],
      ["reduce", 4, at200 + 4],
    ]);
  });

  test("is what the choice is made of", () => {
    // 24.8 s beside 41.0 s.
    expect(plan.strategy).toBe("waves");
    expect(plan.estimate).toBe(of(plan, "waves"));
    expect(plan.passes).toEqual([
      { firstMap: 0, maps: 8, firstPartition: 0, partitions: 5 },
      { firstMap: 0, maps: 8, firstPartition: 5, partitions: 5 },
      { firstMap: 0, maps: 8, firstPartition: 10, partitions: 6 },
    ]);
    const rounds = planShuffle({ ...input, canRereadInput: false });
    expect(rounds.strategy).toBe("s3-rounds");
    expect(rounds.passes.map(({ firstMap, maps, partitions }) => [firstMap, maps, partitions])).toEqual([
      [0, 2, 16],
      [2, 3, 16],
      [5, 3, 16],
    ]);
    expect(planShuffle({ ...input, memoryBytes: 1872 * mib }).strategy).toBe("memory");
    expect(planShuffle({ ...input, memoryBytes: 1872 * mib - 1 }).strategy).toBe("waves");
  });

  test("S3 takes as many requests a second, and as many at a time, as it may", () => {
    const reduceOf = (rates: ShufflePlanInput["rates"]): number =>
      of(planShuffle({ ...input, rates: { ...input.rates, ...rates } }), "s3").phases[1]!.seconds;
    // 128 GETs at 2 a second; 128 of 10 s, 40 at a time.
    expect(reduceOf({ s3GetsPerSecond: 2 })).toBeCloseTo(64 + 4, 6);
    expect(reduceOf({ s3LatencyMs: 10_000 })).toBeCloseTo(32 + 4, 6);
  });

  test("the nodes together may be slower than the workers", () => {
    const rates = { ...input.rates, nodeBytesPerSecond: 10e6 };
    // 1,073.741824 MB over three nodes of 10 MB/s.
    expect(of(planShuffle({ ...input, rates }), "memory").phases[1]!.seconds).toBeCloseTo(35.79139413 + 4, 6);
  });

  test("skewed ranges may be larger than their share", () => {
    // 6 of 16 partitions may have 9/16 of the bytes: 72 MiB a map, 905,969,664 bytes with parity in all: 23 steps of 16 MiB a node.
    const skewed = of(planShuffle({ ...input, skew: 1.5, memoryBytes: 1152 * mib }), "waves");
    expect(skewed).toMatchObject({ passes: 3, memoryBytes: 1104 * mib });
  });
});

describe("the choice", () => {
  const input: ShufflePlanInput = {
    ...{ bytes: 100e9, maps: 400, partitions: 400, memoryBytes: 64e9, nodes: 12 },
    ...{ code: { d: 4, p: 2 }, workers: 100, hasBucket: true },
  };

  test("prefers what is cheaper when that is asked for", () => {
    // A function's second is dear beside a request, so that what is faster is cheaper, unless requests cost 100,000 times as much.
    expect(planShuffle({ ...input, prefer: "cost" }).strategy).toBe("s3-rounds");
    const prices = { s3Per1000Puts: 500 };
    expect(planShuffle({ ...input, prices }).strategy).toBe("s3-rounds");
    expect(planShuffle({ ...input, prices, prefer: "cost" }).strategy).toBe("waves");
  });

  test("takes the cheaper of two that are as fast within 5 %", () => {
    let reasonOfRounds: string | undefined;
    const strategyAt = (inputBytesPerSecond: number, s3Per1000Puts: number): ShuffleStrategy => {
      const fast = { fleetBytesPerSecond: 1e12, nodeBytesPerSecond: 1e12, taskMs: 0, s3BytesPerSecond: 85e6 };
      const prices = { s3Per1000Puts, s3Per1000Gets: 0 };
      const plan = planShuffle({ ...input, skew: 1, prices, rates: { ...fast, inputBytesPerSecond } });
      reasonOfRounds = plan.reasons.find((reason) => reason.startsWith("s3-rounds: "));
      return plan.strategy;
    };
    // For 1 GB over 100 workers of 83.5 MB/s 3 waves take 3 / 8.35 = 0.359 s, 3 rounds 1 / 8.35 + 2 / 8.5 = 0.355 s: 1.2 % less.
    expect(strategyAt(83.5e6, 0.005)).toBe("waves");
    expect(reasonOfRounds).toMatch(/^s3-rounds: as fast within 5 %, and no cheaper: /);
    expect(strategyAt(83.5e6, 0)).toBe("s3-rounds");
    // At 75 MB/s it is 0.4 s beside 0.369 s: 8.5 % less, whatever it costs.
    expect(strategyAt(75e6, 5)).toBe("s3-rounds");
  });

  test("is S3 alone only when nothing else is possible", () => {
    const small = { ...input, memoryBytes: 100e6 };
    const plan = planShuffle(small);
    expect(plan.strategy).toBe("s3");
    expect(plan.passes).toEqual([{ firstMap: 0, maps: 400, firstPartition: 0, partitions: 400 }]);
    const slower = planShuffle({ ...input, memoryBytes: 15e9 });
    expect(slower.strategy).toBe("s3-rounds");
    expect(of(slower, "s3").seconds).toBeLessThan(slower.estimate.seconds);
    expect(slower.reasons.at(-1)).toMatch(/^s3: .* it is taken only when nothing else is possible\.$/);
  });

  test("can be sent as JSON", () => {
    const plan = planShuffle(input);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
  });
});

const inputs = fc.record({
  bytes: fc.nat(2_000_000).map((megabytes) => megabytes * 1e6),
  maps: fc.integer({ min: 1, max: 2000 }),
  partitions: fc.integer({ min: 1, max: 2000 }),
  memoryBytes: fc.integer({ min: 1, max: 1000 }).map((gigabytes) => gigabytes * 1e9),
  nodes: fc.integer({ min: 6, max: 100 }),
  workers: fc.integer({ min: 1, max: 1000 }),
  code: fc.constantFrom({ d: 4, p: 2 }, { d: 2, p: 1 }, { d: 1, p: 0 }),
  canRereadInput: fc.boolean(),
  hasBucket: fc.boolean(),
  prefer: fc.constantFrom("time" as const, "cost" as const),
  skew: fc.constantFrom(1, 1.2, 1.5, 3),
});

/** Undefined when nothing is possible. */
function planOf(input: ShufflePlanInput): ShufflePlan | undefined {
  try {
    return planShuffle(input);
  } catch (error) {
    expect(MayflyError.from(error).code).toBe("OUT_OF_MEMORY");
    return undefined;
  }
}

test("a plan takes no more memory than it may, and its passes cover all maps and partitions once", () => {
  let plans = 0;
  const covers = fc.property(inputs, (input) => {
    const plan = planOf(input);
    if (plan === undefined) return;
    plans++;
    expect(plan.estimate.feasible).toBe(true);
    expect(plan.estimate.memoryBytes).toBeLessThanOrEqual(input.memoryBytes);
    expect(plan.passes).toHaveLength(plan.estimate.passes);
    const isCut = { memory: undefined, s3: undefined, waves: "partition", "s3-rounds": "map" }[plan.strategy];
    let [map, partition] = [0, 0];
    for (const pass of plan.passes) {
      expect(pass.firstMap).toBe(isCut === "map" ? map : 0);
      expect(pass.firstPartition).toBe(isCut === "partition" ? partition : 0);
      map += pass.maps;
      partition += pass.partitions;
      expect(pass.maps).toBeGreaterThan(0);
      expect(pass.partitions).toBeGreaterThan(0);
    }
    expect(isCut === "map" ? map : plan.passes[0]!.maps).toBe(input.maps);
    expect(isCut === "partition" ? partition : plan.passes[0]!.partitions).toBe(input.partitions);
  });
  fc.assert(covers, { numRuns: 500 });
  expect(plans).toBeGreaterThan(100);
});

test("one wave, or one round, less would not fit", () => {
  let [waves, rounds] = [0, 0];
  const least = fc.property(inputs, (given) => {
    const input = { ...given, skew: 1, canRereadInput: true, hasBucket: true };
    const plan = planOf(input);
    if (plan === undefined) return;
    // A shuffle of as many partitions, or maps, as the largest range of one pass less has, all at once: with 1 for skew that is it.
    const alone = (share: Partial<ShufflePlanInput>): StrategyEstimate =>
      of(planShuffle({ ...input, memoryBytes: Number.MAX_SAFE_INTEGER, ...share }), "memory");
    const { passes, feasible } = of(plan, "waves");
    if (feasible && passes > 2) {
      waves++;
      const partitions = Math.ceil(input.partitions / (passes - 1));
      const bytes = Math.floor((input.bytes * partitions) / input.partitions);
      const needed = alone({ bytes, partitions });
      expect(needed.memoryBytes > input.memoryBytes || !needed.feasible).toBe(true);
    }
    const through = of(plan, "s3-rounds");
    if (through.feasible && through.passes > 2) {
      rounds++;
      const maps = Math.ceil(input.maps / (through.passes - 1));
      const needed = alone({ bytes: Math.floor((input.bytes * maps) / input.maps), maps });
      expect(needed.memoryBytes > input.memoryBytes || !needed.feasible).toBe(true);
    }
  });
  fc.assert(least, { numRuns: 500 });
  expect(waves).toBeGreaterThan(50);
  expect(rounds).toBeGreaterThan(50);
});

test("more memory never gives a slower plan", () => {
  const faster = fc.property(inputs, fc.integer({ min: 1, max: 500 }), (given, gigabytes) => {
    const input = { ...given, prefer: "time" as const };
    const [less, more] = [
      planOf(input),
      planOf({ ...input, memoryBytes: input.memoryBytes + gigabytes * 1e9 }),
    ];
    if (less === undefined) return;
    expect(more).toBeDefined();
    for (const strategy of ["memory", "waves", "s3-rounds"] as const) {
      const [before, after] = [of(less, strategy), of(more!, strategy)];
      if (before.feasible) expect(after.feasible).toBe(true);
      if (before.feasible) expect(after.seconds).toBeLessThanOrEqual(before.seconds * (1 + 1e-9));
    }
    // Whoever falls back to S3 alone does so for want of anything else; ties within 5 % go by cost.
    if (less.strategy !== "s3")
      expect(more!.estimate.seconds).toBeLessThanOrEqual(less.estimate.seconds * 1.05 * (1 + 1e-9));
  });
  fc.assert(faster, { numRuns: 500 });
});

test("the memory that a refusal asks for is enough", () => {
  let refused = 0;
  const enough = fc.property(inputs, (given) => {
    const input = { ...given, hasBucket: false, canRereadInput: false };
    try {
      planShuffle(input);
    } catch (error) {
      refused++;
      const { code, message } = MayflyError.from(error);
      expect(code).toBe("OUT_OF_MEMORY");
      expect(message).toContain("or configure a bucket: ");
      const found = /let it use (\d+) MiB/.exec(message);
      if (found === null) expect(message).toContain("use more maps");
      else expect(planShuffle({ ...input, memoryBytes: Number(found[1]) * mib }).strategy).toBe("memory");
      const waves = /read again: ([\d,]+) waves would fit/.exec(message);
      if (waves !== null) {
        const passes = Number(waves[1]!.replaceAll(",", ""));
        expect(planShuffle({ ...input, canRereadInput: true }).estimate).toMatchObject({
          strategy: "waves",
          passes,
        });
      }
    }
  });
  fc.assert(enough, { numRuns: 500 });
  expect(refused).toBeGreaterThan(100);
});

test.each([
  [{ bytes: -1 }, "bytes is -1; it is a whole number from 0 to 9007199254740991."],
  [{ bytes: 0.5 }, "bytes is 0.5; it is a whole number from 0 to 9007199254740991."],
  [{ maps: 0 }, "maps is 0; it is a whole number from 1 to 65536."],
  [{ partitions: 16_385 }, "partitions is 16385; it is a whole number from 1 to 16384."],
  [{ workers: Number.NaN }, "workers is NaN; it is a whole number from 1 to 100000."],
  [{ memoryBytes: -1 }, "memoryBytes is -1; it is a whole number from 0 to 9007199254740991."],
  [{ skew: 0.5 }, "skew is 0.5; it is a number from 1 to 16384."],
  [
    { rates: { s3GetsPerSecond: 0 } },
    "rates.s3GetsPerSecond is 0; it is a number from 0.001 to 1000000000000000.",
  ],
  [{ prices: { s3PerGibMonth: -1 } }, "prices.s3PerGibMonth is -1; it is a number from 0 to 1000000000."],
  [{ canRereadInput: 1 as unknown as boolean }, "canRereadInput is 1; it is true or false."],
  [{ prefer: "speed" as "time" }, 'prefer is "speed"; it is "time" or "cost".'],
  [{ code: { d: 0, p: 1 } }, "no code 0+1: it needs at least 1 data shard, not 0; use one like 4+2"],
] as const)("bad input is refused: %j", (bad, message) => {
  const input: ShufflePlanInput = {
    ...{
      bytes: 1e9,
      maps: 10,
      partitions: 10,
      memoryBytes: 1e10,
      nodes: 6,
      code: { d: 4, p: 2 },
      workers: 2,
    },
    ...bad,
  };
  expect(() => planShuffle(input)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT", message }));
});

test("a code that needs more nodes is refused", () => {
  const input = {
    bytes: 1,
    maps: 1,
    partitions: 1,
    memoryBytes: 1,
    nodes: 5,
    code: { d: 4, p: 2 },
    workers: 1,
  };
  expect(() => planShuffle(input)).toThrow(expect.objectContaining({ code: "NOT_ENOUGH_NODES" }));
});

test("what a fleet needs, at least and for one pass, is what plans with it are possible with", () => {
  const input = { bytes: 10e9, maps: 100, partitions: 100, nodes: 6, code: { d: 4, p: 2 }, workers: 4 };
  const { onePass, least } = fleetMemoryFor(input);
  expect(planShuffle({ ...input, memoryBytes: onePass }).strategy).toBe("memory");
  expect(planShuffle({ ...input, memoryBytes: onePass - 1 }).strategy).toBe("waves");
  expect(planShuffle({ ...input, memoryBytes: least }).passes).toHaveLength(100);
  expect(() => planShuffle({ ...input, memoryBytes: least - 1 })).toThrow(/no way to shuffle/);
});
