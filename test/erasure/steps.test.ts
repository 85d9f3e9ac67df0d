import { describe, expect, test } from "vitest";
import { lossMatrix } from "../../src/erasure/generic-repair.ts";
import {
  describeLoss,
  encodeSteps,
  parityCoefficient,
  repairSteps,
  syndromeSteps,
} from "../../src/erasure/steps.ts";
import { lossPatterns } from "./stripe-fixture.ts";

/** Losses whose small system cannot be solved. Every choice of surviving parities occurs among the patterns. */
function unsolvable(d: number, p: number): string[] {
  return lossPatterns(d, p)
    .filter((lost) => {
      try {
        lossMatrix(describeLoss(d, p, lost));
        return false;
      } catch {
        return true;
      }
    })
    .map(String);
}

describe("any p lost shards can be rebuilt", () => {
  test.each([
    [252, 2],
    [60, 3],
    [21, 4],
  ])("with %i+%i", (d, p) => {
    expect(unsolvable(d, p)).toEqual([]);
  });

  test("with any two of three parities for any two of 252 data shards", () => {
    const rows = [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const;
    for (const [a, b] of rows) {
      // A 2x2 minor is zero exactly if 2^((b-a)*j) is the same for two columns.
      const ratios = new Set(Array.from({ length: 252 }, (_, j) => parityCoefficient(b - a, j)));
      expect(ratios.size).toBe(252);
    }
  });

  test("but not with 22+4, which is why d ends at 21 there", () => {
    expect(unsolvable(22, 4)).not.toEqual([]);
  });
});

test("a loss names lost data, lost parity rows, and the parities to use instead", () => {
  expect(describeLoss(4, 3, [1, 3, 4])).toEqual({ d: 4, p: 3, data: [1, 3], parity: [0], rows: [1, 2] });
  expect(describeLoss(4, 3, [2])).toEqual({ d: 4, p: 3, data: [2], parity: [], rows: [0] });
});

test("RAID-6: parity 0 is the XOR, parity 1 weighs shard j by 2^j", () => {
  expect(encodeSteps(3, [0, 1])).toEqual([
    [
      3,
      [
        [2, 1],
        [1, 1],
        [0, 1],
      ],
    ],
    [
      4,
      [
        [2, 4],
        [1, 2],
        [0, 1],
      ],
    ],
  ]);
  expect(syndromeSteps(2, 1)).toEqual([
    [
      2,
      [
        [1, 1],
        [0, 1],
        [2, 1],
      ],
    ],
  ]);
});

test("repair steps read no lost shard before it is written", () => {
  for (const lost of lossPatterns(6, 4)) {
    const missing = new Set(lost);
    for (const [target, terms] of repairSteps(describeLoss(6, 4, lost))) {
      for (const [column] of terms) expect(missing.has(column)).toBe(false);
      missing.delete(target);
    }
    expect([...missing]).toEqual([]);
  }
});
