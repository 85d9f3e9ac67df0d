import { expect, test } from "vitest";
import { joinSamples, repeatCase } from "../../../bench/harness/repeat-case.ts";

const samples = [
  { gapMs: 10, failed: 1, seconds: 3 },
  { gapMs: 40, failed: 0, seconds: 9 },
  { gapMs: 20, failed: 2, seconds: 4 },
];

test("medians, but the worst or the sum where it was asked for", () => {
  const joined = joinSamples(samples, { compared: "seconds", largest: ["gapMs"], summed: ["failed"] });
  expect(joined).toMatchObject({ gapMs: 40, failed: 3, seconds: 4 });
  expect(joined["spread"]).toBeCloseTo(3 / 4, 1);
});

test("a case has as many samples as rounds, none to warm up, and ends when it is told to", async () => {
  const stop = new AbortController();
  const rounds: number[] = [];
  const spec = { case: "x", compared: "ms", sample: async (round: number) => ({ ms: rounds.push(round) }) };
  const options = { rounds: 3, signal: stop.signal, log: () => undefined };
  expect(await repeatCase(spec, options)).toMatchObject({
    case: "x",
    mayfly: { ms: 2 },
    peers: {},
    ratios: {},
  });
  expect(rounds).toEqual([0, 1, 2]);
  stop.abort(new Error("enough"));
  await expect(repeatCase(spec, options)).rejects.toThrow("enough");
  expect(rounds.length).toBe(3);
});
