import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkCode, chunkBytes, createStripeCodec, strideFor } from "../../src/erasure/codec.ts";
import { slice, unslice } from "../../src/erasure/reference.ts";
import { repairDefaults } from "../../src/erasure/repair-patterns.ts";
import { MayflyError } from "../../src/errors.ts";
import { isalVectors } from "./isal-vectors.ts";
import { isAsExpected, lossPatterns, placeStripe, smallCodes } from "./stripe-fixture.ts";

const memory = new WebAssembly.Memory({ initial: 2, maximum: 2 });
const code = (d: number, p: number): string => `${d}+${p}`;

/** A pattern's own kernel from the first use on. */
const specialized = { specializeAfterBytes: 0, warmBytes: 0 };
/** The generic kernels for ever. */
const generic = { specializeAfterBytes: Number.POSITIVE_INFINITY };

describe("ISA-L", () => {
  test.each(isalVectors.map((v) => [code(v.d, v.p), v] as const))(
    "%s: parity equals ISA-L's, sliced",
    (_, v) => {
      const shardBytes = v.data[0]!.length / 2;
      const stride = strideFor(shardBytes);
      const bytes = new Uint8Array(memory.buffer);
      v.data.forEach((hex, i) => {
        bytes.set(slice(Buffer.from(hex, "hex")), i * stride);
      });
      createStripeCodec(v.d, v.p, memory).encode(0, stride, shardBytes);
      const parity = v.parity.map((_, k) =>
        Buffer.from(unslice(bytes.subarray((v.d + k) * stride, (v.d + k) * stride + shardBytes))).toString(
          "hex",
        ),
      );
      expect(parity).toEqual(v.parity);
    },
  );
});

describe.each(smallCodes(10).map(({ d, p }) => [code(d, p), d, p] as const))("code %s", (_, d, p) => {
  const stripe = placeStripe(memory, { d, p, shardBytes: 256, seed: d * 8 + p });
  const { base, stride, shardBytes } = stripe;
  const parities = Array.from({ length: p }, (_, k) => d + k);

  test("encodes like the reference and touches nothing else", () => {
    stripe.spoil(parities);
    createStripeCodec(d, p, memory).encode(base, stride, shardBytes);
    expect(isAsExpected(stripe)).toBe(true);
  });

  test.each([
    ["the generic kernels", generic],
    ["a kernel of its own", specialized],
  ])("rebuilds every loss with %s and touches nothing else", (_, options) => {
    const codec = createStripeCodec(d, p, memory, options);
    const wrong = lossPatterns(d, p).filter((lost) => {
      stripe.spoil(lost);
      codec.reconstruct(base, stride, shardBytes, lost);
      return !isAsExpected(stripe);
    });
    expect(wrong).toEqual([]);
  });
});

describe("larger codes", () => {
  const codes: [number, number][] = [
    [21, 4],
    [40, 3],
    [64, 2],
    [100, 1],
    [252, 3],
    [253, 2],
    [254, 1],
  ];

  test.each(codes)("%i+%i encodes, verifies and rebuilds", (d, p) => {
    const stripe = placeStripe(memory, { d, p, shardBytes: 128, stride: 320 });
    const { base, stride, shardBytes } = stripe;
    for (const options of [generic, specialized]) {
      const codec = createStripeCodec(d, p, memory, options);
      stripe.spoil(Array.from({ length: p }, (_, k) => d + k));
      codec.encode(base, stride, shardBytes);
      expect(isAsExpected(stripe)).toBe(true);
      expect(codec.verify(base, stride, shardBytes)).toBe(true);
      for (const first of [0, (d >> 1) - 1, d - 1]) {
        const lost = Array.from({ length: p }, (_, i) => Math.max(0, first) + i);
        stripe.spoil(lost);
        codec.reconstruct(base, stride, shardBytes, lost);
        expect(isAsExpected(stripe)).toBe(true);
      }
    }
  });
});

describe("any stripe", () => {
  const large = new WebAssembly.Memory({ initial: 16, maximum: 16 });
  const placements = fc.record({
    chunks: fc.oneof(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 250, max: 400 })),
    base: fc.nat(5000),
    gap: fc.oneof(fc.constant(0), fc.constant(192), fc.nat(1000)),
    // Few, so that each recurs often enough for a kernel of its own.
    picks: fc.constantFrom([], [0], [4], [1, 3], [3, 1], [5, 0], [2, 4]),
    seed: fc.nat(),
  });
  // One stripe may be done by two kernels: at first a new one does only the head of each stripe.
  const options = { specializeAfterBytes: 64 * 1024, warmBytes: 1024 * 1024 };
  const codec = createStripeCodec(4, 2, large, options);

  test("is rebuilt wherever it lies, whatever is lost in whatever order, before and after a kernel is made", () => {
    fc.assert(
      fc.property(placements, ({ chunks, base, gap, picks, seed }) => {
        const shardBytes = chunks * chunkBytes;
        const stripe = placeStripe(large, { d: 4, p: 2, shardBytes, base, stride: shardBytes + gap, seed });
        stripe.spoil(picks);
        codec.reconstruct(base, stripe.stride, shardBytes, picks);
        expect(isAsExpected(stripe)).toBe(true);
      }),
      { numRuns: 80 },
    );
  });

  test("a stripe may end with the memory", () => {
    const shardBytes = 512;
    const stride = strideFor(shardBytes);
    const base = large.buffer.byteLength - 5 * stride - shardBytes;
    const stripe = placeStripe(large, { d: 4, p: 2, shardBytes, base, stride });
    for (const kernels of [generic, specialized]) {
      const own = createStripeCodec(4, 2, large, kernels);
      stripe.spoil([1, 5]);
      own.reconstruct(base, stride, shardBytes, [1, 5]);
      expect(isAsExpected(stripe)).toBe(true);
    }
    expect(() => codec.encode(base + 1, stride, shardBytes)).toThrow(RangeError);
  });
});

describe("verify", () => {
  const shardBytes = 96 * 1024;
  const large = new WebAssembly.Memory({ initial: 16, maximum: 16 });
  const stripe = placeStripe(large, { d: 4, p: 2, shardBytes });
  const codec = createStripeCodec(4, 2, large);

  test("is true for a consistent stripe, false for any flipped bit, and leaves every byte", () => {
    stripe.spoil([]);
    expect(codec.verify(stripe.base, stripe.stride, shardBytes)).toBe(true);
    fc.assert(
      fc.property(fc.nat(5), fc.nat(shardBytes - 1), fc.nat(7), (shard, offset, bit) => {
        const at = stripe.base + shard * stripe.stride + offset;
        stripe.bytes[at]! ^= 1 << bit;
        const damaged = stripe.bytes.slice();
        expect(codec.verify(stripe.base, stripe.stride, shardBytes)).toBe(false);
        expect(Buffer.compare(stripe.bytes, damaged)).toBe(0);
        stripe.bytes[at]! ^= 1 << bit;
      }),
      { numRuns: 40 },
    );
    expect(isAsExpected(stripe)).toBe(true);
  });
});

test("patterns that are forgotten are made anew", () => {
  const codec = createStripeCodec(6, 2, memory, { ...specialized, patternsMax: 2 });
  const stripe = placeStripe(memory, { d: 6, p: 2, shardBytes: 128 });
  for (let round = 0; round < 2; round++) {
    for (const lost of lossPatterns(6, 2)) {
      stripe.spoil(lost);
      codec.reconstruct(stripe.base, stripe.stride, 128, lost);
      expect(isAsExpected(stripe)).toBe(true);
    }
  }
  expect(repairDefaults.patternsMax).toBeLessThanOrEqual(256);
});

test("prewarm leaves data as they are, writes only parity, and does not change results", () => {
  const codec = createStripeCodec(3, 2, memory);
  const stripe = placeStripe(memory, { d: 3, p: 2, shardBytes: 4096 });
  stripe.spoil([3, 4]);
  codec.prewarm(stripe.base, stripe.stride, 4096);
  expect(isAsExpected(stripe)).toBe(true);
});

describe("no parity", () => {
  const codec = createStripeCodec(4, 0, memory);
  const stripe = placeStripe(memory, { d: 4, p: 0, shardBytes: 128 });

  test("nothing to do, nothing to rebuild from", () => {
    stripe.spoil([]);
    codec.encode(stripe.base, stripe.stride, 128);
    codec.prewarm(stripe.base, stripe.stride, 128);
    codec.reconstruct(stripe.base, stripe.stride, 128, []);
    expect(codec.verify(stripe.base, stripe.stride, 128)).toBe(true);
    expect(isAsExpected(stripe)).toBe(true);
    expect(() => codec.reconstruct(stripe.base, stripe.stride, 128, [2])).toThrow(
      expect.objectContaining({ code: "LOST" }),
    );
  });
});

describe("wrong arguments are errors, and no byte changes", () => {
  const codec = createStripeCodec(4, 2, memory);
  const stripe = placeStripe(memory, { d: 4, p: 2, shardBytes: 256 });
  const memoryBytes = memory.buffer.byteLength;
  const refused: [string, number, number, number][] = [
    ["shardBytes one less than chunks", 0, 448, 255],
    ["shardBytes one more than chunks", 0, 448, 257],
    ["negative shardBytes", 0, 448, -128],
    ["shardBytes that is not a number", 0, 448, Number.NaN],
    ["a stride below shardBytes", 0, 255, 256],
    ["a fractional stride", 0, 448.5, 256],
    ["a negative base", -1, 448, 256],
    ["a fractional base", 0.5, 448, 256],
    ["a base past the end", memoryBytes, 448, 256],
    ["an end one past the memory", memoryBytes - 5 * 448 - 255, 448, 256],
    ["an end that wraps around 32 bits", 0, 2 ** 32 / 5 + 1, 256],
    ["an empty stripe outside the memory", memoryBytes + 1, 0, 0],
  ];

  test.each(refused)("%s", (_, base, stride, shardBytes) => {
    stripe.spoil([]);
    expect(() => codec.encode(base, stride, shardBytes)).toThrow(RangeError);
    expect(() => codec.reconstruct(base, stride, shardBytes, [0])).toThrow(RangeError);
    expect(() => codec.verify(base, stride, shardBytes)).toThrow(RangeError);
    expect(() => codec.prewarm(base, stride, shardBytes)).toThrow(RangeError);
    expect(isAsExpected(stripe)).toBe(true);
  });

  test.each([[[6]], [[-1]], [[0.5]], [[Number.NaN, 1]], [[2, 2]], [[1, 0, 1]]])("lost shards %j", (lost) => {
    stripe.spoil([]);
    expect(() => codec.reconstruct(stripe.base, stripe.stride, 256, lost)).toThrow(RangeError);
    expect(isAsExpected(stripe)).toBe(true);
  });

  test("more lost than parity: LOST, with the numbers", () => {
    expect(() => codec.reconstruct(stripe.base, stripe.stride, 256, [5, 0, 2])).toThrow(
      expect.objectContaining({
        code: "LOST",
        message: expect.stringMatching(/3 of the 6 .*0, 2, 5.*at most 2/),
      }),
    );
  });

  test("shards of 0 bytes are fine", () => {
    stripe.spoil([]);
    codec.encode(0, 192, 0);
    codec.reconstruct(0, 0, 0, [5, 1]);
    codec.prewarm(0, 0, 0);
    expect(codec.verify(0, 192, 0)).toBe(true);
    expect(isAsExpected(stripe)).toBe(true);
  });

  test("a shared memory is refused", () => {
    const descriptor = { initial: 1, maximum: 1, shared: true };
    expect(() => createStripeCodec(4, 2, new WebAssembly.Memory(descriptor))).toThrow(RangeError);
  });
});

describe("checkCode", () => {
  test.each([
    [1, 0],
    [255, 0],
    [254, 1],
    [252, 3],
    [21, 4],
    [1, 4],
  ])("%i+%i is a code", (d, p) => {
    expect(() => checkCode(d, p)).not.toThrow();
  });

  test.each([
    [0, 1, /at least 1/],
    [1.5, 1, /whole number/],
    [Number.NaN, 1, /whole number/],
    [4, -1, /at least 0/],
    [4, 5, /at most 4 parity/],
    [255, 1, /d \+ p is 256 and can be at most 255/],
    [22, 4, /at most 21/],
  ])("%d+%d is not, and the message says why", (d, p, why) => {
    expect(() => checkCode(d, p)).toThrow(MayflyError);
    expect(() => createStripeCodec(d, p, memory)).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringMatching(why) }),
    );
  });
});

test.each([
  [0, 192],
  [1, 320],
  [128, 320],
  [129, 448],
  [524288, 524480],
])("strideFor(%i) is %i", (n, stride) => {
  expect(strideFor(n)).toBe(stride);
});
