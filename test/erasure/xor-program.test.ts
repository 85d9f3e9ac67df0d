import { expect, test } from "vitest";
import { mul } from "../../src/erasure/gf256.ts";
import { xorProgram } from "../../src/erasure/xor-program.ts";

function run(factor: number, input: number): number {
  const { pairs, outputs } = xorProgram(factor);
  const values = Array.from({ length: 8 }, (_, bit) => (input >> bit) & 1);
  for (const [a, b] of pairs) values.push(values[a]! ^ values[b]!);
  return outputs.reduce((product, value, bit) => product | (values[value]! << bit), 0);
}

test("each program multiplies by its factor", () => {
  const wrong: string[] = [];
  for (let factor = 1; factor < 256; factor++) {
    for (let input = 0; input < 256; input++) {
      if (run(factor, input) !== mul(factor, input)) wrong.push(`${factor}*${input}`);
    }
  }
  expect(wrong).toEqual([]);
});

test("programs are short: none for 1, three XORs for 2, at most 20 for any factor", () => {
  const xors = (factor: number): number => xorProgram(factor).pairs.length;
  expect([xors(1), xors(2)]).toEqual([0, 3]);
  expect(Math.max(...Array.from({ length: 255 }, (_, i) => xors(i + 1)))).toBeLessThanOrEqual(20);
});
