import { expect, test } from "vitest";
import { storedBytesOf } from "../../src/sort/stored-bytes.ts";

const code = { d: 4, p: 2 };

test("what lies in a cell is stored as it is", () => {
  expect(storedBytesOf(0, code)).toBe(0);
  expect(storedBytesOf(16_384, code)).toBe(16_384);
});

test("a full stripe is six shards of 512 KiB with 32 checksums each", () => {
  const stripe = 6 * (524_288 + 32 * 8);
  expect(storedBytesOf(2 ** 21, code)).toBe(stripe);
  expect(storedBytesOf(3 * 2 ** 21, code)).toBe(3 * stripe);
});

test("of the last stripe data shards are cut to the bytes there are, and parity is as long as the longest", () => {
  // 100,000 bytes in 4 shards of 25,088 (a multiple of 128): the last holds 24,736; two frames each.
  expect(storedBytesOf(100_000, code)).toBe(100_000 + 2 * 25_088 + 6 * 2 * 8);
});
