import { mul } from "./gf256.ts";

/**
 * How to multiply by a constant in bit-sliced form, where the eight bits of an element are eight vectors: each bit
 * of the product is an XOR of some bits of the input.
 */
export interface XorProgram {
  /** Values 0 .. 7 are the input's bits; pair i makes value 8 + i, the XOR of two earlier values. */
  readonly pairs: readonly (readonly [number, number])[];
  /** Which value is bit 0 .. 7 of the product. */
  readonly outputs: readonly number[];
}

const programs: (XorProgram | undefined)[] = [];

function bitCount(byte: number): number {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}

/**
 * A short program for `product = factor * input`, with `factor` in 1 .. 255. Paar's greedy method (C. Paar, "Optimized
 * arithmetic for Reed-Solomon encoders", 1997): compute first the pair that the most outputs share, then repeat.
 */
export function xorProgram(factor: number): XorProgram {
  const known = programs[factor];
  if (known !== undefined) return known;
  // users[v] has bit r set while output r still needs value v as a summand.
  const users = Array.from({ length: 8 }, (_, bit) => mul(factor, 1 << bit));
  const pairs: [number, number][] = [];
  for (;;) {
    let best: [number, number] = [0, 0];
    let most = 0;
    for (let a = 0; a < users.length; a++) {
      for (let b = a + 1; b < users.length; b++) {
        const shared = bitCount(users[a]! & users[b]!);
        if (shared > most) [best, most] = [[a, b], shared];
      }
    }
    if (most === 0) break;
    const [a, b] = best;
    const shared = users[a]! & users[b]!;
    users[a]! ^= shared;
    users[b]! ^= shared;
    users.push(shared);
    pairs.push(best);
  }
  const outputs = Array.from({ length: 8 }, (_, r) => users.findIndex((mask) => (mask >> r) & 1));
  const program = { pairs, outputs };
  programs[factor] = program;
  return program;
}
