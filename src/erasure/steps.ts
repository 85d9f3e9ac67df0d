/**
 * What a kernel has to compute, as sums over the shards of a stripe. The code is systematic, [I ; V] with
 * V[k][j] = 2^(k*j): parity k is the sum over j of 2^(k*j) * data j (ISA-L's gf_gen_rs_matrix; RAID-6's P and Q for
 * p = 2). Any d of the d + p shards determine the others for p <= 3 with any d, and for p = 4 with d <= 21.
 */
import { inv, mul, pow2 } from "./gf256.ts";

/** A shard of the stripe (data 0 .. d-1, then parity) and its coefficient in a sum, not 0. */
export type Term = readonly [column: number, coefficient: number];

/** "Shard `target` becomes the sum of the terms." Steps are done in order, chunk by chunk, in place. */
export type Step = readonly [target: number, terms: readonly Term[]];

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

/** Coefficient of data shard `column` in parity `row`. */
export function parityCoefficient(row: number, column: number): number {
  return pow2(row * column);
}

// Descending columns make every ratio of neighbouring coefficients 2^row: the cheapest Horner scheme.
function parityTerms(d: number, row: number): Term[] {
  return range(d)
    .reverse()
    .map((column) => [column, parityCoefficient(row, column)]);
}

/** The parity shards of `rows` from all data shards. */
export function encodeSteps(d: number, rows: readonly number[]): Step[] {
  return rows.map((row) => [d + row, parityTerms(d, row)]);
}

/** Adds to every parity shard what it should be: the result is 0 in a consistent stripe. Doing it twice undoes it. */
export function syndromeSteps(d: number, p: number): Step[] {
  return range(p).map((row) => [d + row, [...parityTerms(d, row), [d + row, 1]]]);
}

/** Which shards to compute from which: at most p lost ones, in ascending order. */
export interface Loss {
  readonly d: number;
  readonly p: number;
  /** Lost data shards. */
  readonly data: readonly number[];
  /** Lost parities, as rows 0 .. p-1. */
  readonly parity: readonly number[];
  /** As many surviving parities as data shards are lost. */
  readonly rows: readonly number[];
}

/** `lost` has distinct shards in ascending order, at most p. */
export function describeLoss(d: number, p: number, lost: readonly number[]): Loss {
  const data = lost.filter((shard) => shard < d);
  const parity = lost.filter((shard) => shard >= d).map((shard) => shard - d);
  const rows = range(p).filter((row) => !parity.includes(row));
  return { d, p, data, parity, rows: rows.slice(0, data.length) };
}

/**
 * Steps that rebuild the lost shards in place. The square system of the surviving parities for the lost data is
 * factored as L * U. No pivoting is needed and no factor is 0, since no minor of V is (that is what lets
 * any d shards suffice). The forward
 * pass leaves in the place of lost shard r a sum that still holds the later lost ones, the backward pass removes them;
 * this needs about half the terms of multiplying by the inverse. Lost parities are encoded last.
 */
export function repairSteps({ d, data, parity, rows }: Loss): Step[] {
  const present = range(d)
    .reverse()
    .filter((column) => !data.includes(column));
  const upper = rows.map((row) => data.map((column) => parityCoefficient(row, column)));
  const steps: Step[] = [];
  rows.forEach((row, r) => {
    const current = upper[r]!;
    const solved: Term[] = [];
    for (let c = 0; c < r; c++) {
      const pivotRow = upper[c]!;
      const factor = mul(current[c]!, inv(pivotRow[c]!));
      for (let i = c; i < data.length; i++) current[i]! ^= mul(factor, pivotRow[i]!);
      // After its own step, the place of lost shard c holds the sum of row c of U, divided by its pivot.
      solved.push([data[c]!, mul(factor, pivotRow[c]!)]);
    }
    const scale = inv(current[r]!);
    const terms: Term[] = [
      ...solved,
      ...present.map((column): Term => [column, parityCoefficient(row, column)]),
      [d + row, 1],
    ];
    steps.push([data[r]!, terms.map(([column, c]): Term => [column, mul(c, scale)])]);
  });
  for (let r = data.length - 2; r >= 0; r--) {
    const current = upper[r]!;
    const scale = inv(current[r]!);
    const later = range(data.length).slice(r + 1);
    const terms = later.map((c): Term => [data[c]!, mul(current[c]!, scale)]);
    steps.push([data[r]!, [...terms, [data[r]!, 1]]]);
  }
  return [...steps, ...encodeSteps(d, parity)];
}
