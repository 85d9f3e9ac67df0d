import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createFrameChecksums,
  frameBytesMax,
  scratchBytes,
  shardSeed,
} from "../../src/checksum/frame-checksums.ts";
import { xxh3Reference } from "../../src/checksum/xxh3-reference.ts";

interface Vectors {
  readonly bytes: number;
  readonly vectors: readonly { readonly seed: string; readonly hashes: Record<string, string> }[];
}

const golden = JSON.parse(readFileSync(new URL("../vectors/xxh3.json", import.meta.url), "utf8")) as Vectors;

/** The bytes that the golden hashes are of. */
function pattern(length: number): Uint8Array {
  let x = 1;
  return Uint8Array.from({ length }, () => {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    return (x >> 16) & 255;
  });
}

const scratchBase = 4096;
const memory = new WebAssembly.Memory({ initial: 8, maximum: 8 });
const bytes = new Uint8Array(memory.buffer);
const checksums = createFrameChecksums(memory, scratchBase);
const data = pattern(golden.bytes);
const at = scratchBase + scratchBytes + 3;
const sumsAt = 480 * 1024;
const hex = (hash: bigint): string => hash.toString(16).padStart(16, "0");
const u64 = (x: bigint): bigint => BigInt.asUintN(64, x);

function seedBoth(seed: bigint): void {
  checksums.setSeed(Number(seed & 0xffffffffn), Number(seed >> 32n));
}

function storedSum(i: number): bigint {
  return new DataView(memory.buffer).getBigUint64(sumsAt + 8 * i, true);
}

describe("golden vectors of the official implementation", () => {
  test.each(golden.vectors.map((v) => [v.seed, v.hashes] as const))("seed %s", (seed, hashes) => {
    bytes.set(data, at);
    seedBoth(BigInt(`0x${seed}`));
    const found = Object.fromEntries(Object.keys(hashes).map((n) => [n, hex(checksums.hash(at, Number(n)))]));
    expect(found).toEqual(hashes);
  });

  test("the reference agrees", () => {
    for (const { seed, hashes } of golden.vectors) {
      for (const [n, hash] of Object.entries(hashes)) {
        if (Number(n) > 5000) continue;
        expect(hex(xxh3Reference(data.subarray(0, Number(n)), BigInt(`0x${seed}`)))).toBe(hash);
      }
    }
  });
});

test("any length, pointer and seed hashes like the reference, and nothing around is touched", () => {
  const input = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.uint8Array({ minLength: 1000, maxLength: 1100 }),
    fc.uint8Array({ maxLength: 3000, size: "max" }),
  );
  fc.assert(
    fc.property(input, fc.nat(64), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (content, shift, seed) => {
      bytes.fill(0xa5, at, at + content.length + 128);
      bytes.set(content, at + shift);
      seedBoth(seed);
      expect(checksums.hash(at + shift, content.length)).toBe(xxh3Reference(content, seed));
      expect(checksums.hashBytes(content)).toBe(xxh3Reference(content, seed));
      expect(bytes.subarray(at, at + shift).every((b) => b === 0xa5)).toBe(true);
      const end = at + shift + content.length;
      expect(bytes.subarray(end, end + 32).every((b) => b === 0xa5)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

describe("frames", () => {
  const frameBytes = 16 * 1024;
  const lengths = [0, 1, 16383, 16384, 16385, 32767, 32768, 32769, 40000];

  test.each(lengths)("%i bytes: one sum a frame, each of that frame alone", (length) => {
    seedBoth(7n);
    bytes.set(data.subarray(0, length), at);
    const frames = Math.ceil(length / frameBytes);
    expect(checksums.hashFrames(at, length, frameBytes, sumsAt)).toBe(frames);
    for (let i = 0; i < frames; i++) {
      const frame = data.subarray(i * frameBytes, Math.min((i + 1) * frameBytes, length));
      expect(storedSum(i)).toBe(xxh3Reference(frame, 7n));
    }
    expect(checksums.verifyFrames(at, length, frameBytes, sumsAt)).toBe(-1);

    const outside = new Uint8Array(8 * frames);
    expect(checksums.hashByteFrames(data.subarray(0, length), frameBytes, outside)).toBe(frames);
    expect(Buffer.from(outside)).toEqual(Buffer.from(memory.buffer, sumsAt, 8 * frames));
    expect(checksums.verifyBytes(data.subarray(0, length), frameBytes, outside)).toBe(-1);
  });

  test("a flipped bit anywhere names its frame", () => {
    const length = 3 * 1024 + 5;
    fc.assert(
      fc.property(fc.nat(length * 8 - 1), (bit) => {
        seedBoth(1n);
        const content = data.slice(0, length);
        bytes.set(content, at);
        checksums.hashFrames(at, length, 1024, sumsAt);
        const sums = bytes.slice(sumsAt, sumsAt + 32);
        content[bit >> 3]! ^= 1 << (bit & 7);
        bytes.set(content, at);
        const frame = bit >> 13;
        expect(checksums.verifyFrames(at, length, 1024, sumsAt)).toBe(frame);
        expect(checksums.verifyBytes(content, 1024, sums)).toBe(frame);
      }),
    );
  });

  test("a frame verifies only under the seed it was made with", () => {
    seedBoth(1n);
    bytes.set(data.subarray(0, 2048), at);
    checksums.hashFrames(at, 2048, 1024, sumsAt);
    const sums = bytes.slice(sumsAt, sumsAt + 16);
    seedBoth(1n << 32n);
    expect(checksums.verifyFrames(at, 2048, 1024, sumsAt)).toBe(0);
    expect(checksums.verifyBytes(data.subarray(0, 2048), 1024, sums)).toBe(0);
  });
});

test("prewarm changes neither the seed nor anything outside the scratch area", () => {
  seedBoth(0x1234567890n);
  const before = bytes.slice();
  checksums.prewarm();
  expect(Buffer.compare(bytes.subarray(0, scratchBase), before.subarray(0, scratchBase))).toBe(0);
  const end = scratchBase + scratchBytes;
  expect(Buffer.compare(bytes.subarray(end), before.subarray(end))).toBe(0);
  expect(checksums.hashBytes(data.subarray(0, 1000))).toBe(
    xxh3Reference(data.subarray(0, 1000), 0x1234567890n),
  );
});

describe("shardSeed", () => {
  const object = Uint8Array.from({ length: 16 }, (_, i) => i * 17);

  test("is XXH3-64 of the documented layout", () => {
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(
        word,
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        word,
        word,
        (job, id, stripe, index) => {
          const layout = Buffer.alloc(28);
          layout.writeUInt32LE(job, 0);
          layout.set(id, 4);
          layout.writeUInt32LE(stripe, 20);
          layout.writeUInt32LE(index, 24);
          const { lo, hi } = shardSeed(job, id, stripe, index);
          expect((BigInt(hi) << 32n) | BigInt(lo)).toBe(xxh3Reference(layout));
        },
      ),
    );
  });

  test("does not depend on the seed that others have set", () => {
    const before = shardSeed(1, object, 2, 3);
    seedBoth(u64(-5n));
    expect(shardSeed(1, object, 2, 3)).toEqual(before);
  });

  test.each([
    [-1, 16, 0, 0],
    [1, 15, 0, 0],
    [1, 16, 2 ** 32, 0],
    [1, 16, 0, 0.5],
  ])("refuses job %d, id of %d bytes, stripe %d, index %d", (job, idBytes, stripe, index) => {
    expect(() => shardSeed(job, new Uint8Array(idBytes), stripe, index)).toThrow(RangeError);
  });
});

describe("wrong arguments are errors", () => {
  const end = bytes.length;
  test.each<[string, () => unknown]>([
    ["bytes past the end", () => checksums.hash(end - 10, 11)],
    ["a negative pointer", () => checksums.hash(-1, 4)],
    ["a fractional length", () => checksums.hash(0, 1.5)],
    ["frames of 0 bytes", () => checksums.hashFrames(at, 100, 0, sumsAt)],
    ["sums past the end", () => checksums.verifyFrames(at, 100, 50, end - 15)],
    ["too long a buffer", () => checksums.hashBytes(new Uint8Array(frameBytesMax + 1))],
    [
      "too long a frame",
      () => checksums.verifyBytes(new Uint8Array(1), frameBytesMax + 1, new Uint8Array(8)),
    ],
    ["too few sums", () => checksums.verifyBytes(new Uint8Array(1025), 1024, new Uint8Array(8))],
    ["too many sums", () => checksums.hashByteFrames(new Uint8Array(1024), 1024, new Uint8Array(16))],
    ["half a seed above 32 bits", () => checksums.setSeed(2 ** 32, 0)],
    ["a scratch area past the end", () => createFrameChecksums(memory, end - scratchBytes + 8)],
    ["a scratch area that is not aligned", () => createFrameChecksums(memory, 4)],
  ])("%s", (_, call) => {
    expect(call).toThrow(RangeError);
  });

  test("the last byte of the memory is inside", () => {
    seedBoth(u64(-5n));
    expect(checksums.hash(end - 1, 1)).toBe(xxh3Reference(bytes.subarray(end - 1), u64(-5n)));
  });
});
