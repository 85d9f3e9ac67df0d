import fc from "fast-check";
import { expect, test } from "vitest";
import type { Code } from "../../src/placement/types.ts";
import {
  checkObjectSize,
  frameBytes,
  frameCount,
  objectBytesMax,
  shardAlignBytes,
  shardBytesMax,
  storedBytes,
  stripeAt,
  stripeBytesMax,
  stripeCount,
  stripeOf,
} from "../../src/wire/stripe-layout.ts";

const code = fc.record({ d: fc.integer({ min: 1, max: 24 }), p: fc.integer({ min: 0, max: 4 }) });

/** Sizes at which something changes, and their neighbours. */
function edges({ d }: Code): number[] {
  const stripe = d * shardBytesMax;
  const marks = [
    1,
    d,
    shardAlignBytes,
    d * shardAlignBytes,
    frameBytes,
    d * frameBytes,
    shardBytesMax,
    stripe,
  ];
  return [...marks, 2 * stripe, 3 * stripe + frameBytes].flatMap((mark) => [mark - 1, mark, mark + 1]);
}

function expectSound(sizeBytes: number, code: Code): void {
  const count = stripeCount(sizeBytes, code);
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const stripe = stripeAt(sizeBytes, code, index);
    expect(stripe).toEqual(stripeOf(stripe.bytes, code, index, offset));
    expect(stripe.shardBytes % shardAlignBytes).toBe(0);
    expect(stripe.shardBytes).toBeLessThanOrEqual(shardBytesMax);
    const data = Array.from({ length: code.d }, (_, shard) => storedBytes(stripe, code, shard));
    expect(data.reduce((sum, bytes) => sum + bytes, 0)).toBe(stripe.bytes);
    for (const [shard, bytes] of data.entries()) {
      expect(bytes).toBeLessThanOrEqual(stripe.shardBytes);
      // Full ones first, then at most one short one, then empty ones.
      if (bytes > 0 && shard > 0) expect(data[shard - 1]).toBe(stripe.shardBytes);
    }
    for (let parity = code.d; parity < code.d + code.p; parity++) {
      expect(storedBytes(stripe, code, parity)).toBe(stripe.shardBytes);
    }
    // Only the last stripe may be short.
    if (index < count - 1) expect(stripe.bytes).toBe(stripeBytesMax(code));
    offset += stripe.bytes;
  }
  expect(offset).toBe(sizeBytes);
}

test("stripes and shards hold the object exactly, at and around every boundary", () => {
  for (const d of [1, 2, 3, 4, 8, 21]) {
    for (const p of [0, 2]) for (const size of edges({ d, p })) if (size >= 0) expectSound(size, { d, p });
  }
});

test("stripes and shards hold any object exactly", () => {
  fc.assert(fc.property(code, fc.integer({ min: 0, max: 30_000_000 }), (c, size) => expectSound(size, c)));
});

test("an empty object has no stripes, and there is none behind the last", () => {
  const four = { d: 4, p: 2 };
  expect(stripeCount(0, four)).toBe(0);
  expect(() => stripeAt(0, four, 0)).toThrow(RangeError);
  expect(stripeCount(stripeBytesMax(four), four)).toBe(1);
  expect(() => stripeAt(stripeBytesMax(four), four, 1)).toThrow(RangeError);
});

test("objects up to the limit are taken, and one byte more says what to do", () => {
  const four = { d: 4, p: 2 };
  checkObjectSize(objectBytesMax(four), four);
  expect(stripeCount(objectBytesMax(four), four)).toBe(8192);
  expect(() => checkObjectSize(objectBytesMax(four) + 1, four)).toThrow(
    /17179869185 bytes is above.*several/,
  );
});

test("frames cover the stored bytes, the last one short", () => {
  expect([0, 1, frameBytes - 1, frameBytes, frameBytes + 1, shardBytesMax].map(frameCount)).toEqual([
    0, 1, 1, 1, 2, 32,
  ]);
});
