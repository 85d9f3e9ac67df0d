import { expect, test } from "vitest";
import { CarryBlocks } from "../../src/wire/carry-blocks.ts";

test("pieces do not overlap and stay where they are; blocks are few; only the first is kept", () => {
  const carry = new CarryBlocks();
  for (let round = 0; round < 3; round++) {
    const pieces = Array.from({ length: 10_000 }, (_, i) => carry.reserve(1 + (i % 50)).fill(i));
    expect(pieces.every((piece, i) => piece.length === 1 + (i % 50))).toBe(true);
    expect(pieces.every((piece, i) => piece.every((byte) => byte === (i & 0xff)))).toBe(true);
    const blocks = [...new Set(pieces.map((piece) => piece.buffer))];
    expect(blocks.map((block) => block.byteLength)).toEqual(
      [4096, 8192, 16_384, 32_768, 65_536, 65_536, 65_536, 65_536].slice(0, blocks.length),
    );
    expect(blocks.length).toBeGreaterThan(5);
    const first = blocks[0];
    carry.reset();
    expect(carry.reserve(10).buffer).toBe(first);
    carry.reset();
  }
});

test("a piece larger than any block has its own memory", () => {
  const carry = new CarryBlocks();
  expect(carry.reserve(1_000_000).length).toBe(1_000_000);
  expect(carry.reserve(5).length).toBe(5);
  carry.reset();
  expect(carry.reserve(5).buffer.byteLength).toBe(4096);
});
