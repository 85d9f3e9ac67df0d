/**
 * Checksums of frames: XXH3-64 with a seed, by the kernel of xxh3.as.ts. A shard's stored bytes are cut in frames of
 * `frameBytes` (the last may be shorter); each frame has an 8-byte little-endian sum. The seed binds a frame to its
 * job, object, stripe and shard index, so that a right frame in a wrong place is noticed.
 *
 * The kernel works on bytes inside one `WebAssembly.Memory`, which others use too; `scratchBytes` of it at
 * `scratchBase` belong to one FrameChecksums. Bytes outside that memory are copied in, a frame at a time, so that the
 * copy stays in the first-level cache.
 */
import { wasmBase64 } from "./xxh3.wasm.generated.ts";
import { xxh3DefaultSecret } from "./xxh3-secret.ts";

/** Longest frame that `hashBytes`, `hashByteFrames` and `verifyBytes` take. */
export const frameBytesMax = 64 * 1024;

/** Bytes of one sum. */
export const sumBytes = 8;

// The scratch area up to keyOffset is described in xxh3.as.ts.
const keyOffset = 392;
const keyBytes = 28;
const sumOffset = 424;
const frameOffset = 448;

/** What `createFrameChecksums` needs at its `scratchBase`. */
export const scratchBytes: number = frameOffset + frameBytesMax;

/** The halves of a 64-bit seed, each 0 .. 2^32 - 1. */
export interface Seed {
  readonly lo: number;
  readonly hi: number;
}

/** Exports of xxh3.as.ts. 64-bit results are signed. */
interface Xxh3Kernel {
  setSeed(scratch: number, low: number, high: number): void;
  hash(at: number, length: number, scratch: number): bigint;
  hashFrames(at: number, length: number, frameBytes: number, sums: number, scratch: number): number;
  verifyFrames(at: number, length: number, frameBytes: number, sums: number, scratch: number): number;
}

let compiled: WebAssembly.Module | undefined;

function instantiateKernel(memory: WebAssembly.Memory, scratch: number): Xxh3Kernel {
  compiled ??= new WebAssembly.Module(Buffer.from(wasmBase64, "base64"));
  const instance = new WebAssembly.Instance(compiled, { env: { memory } });
  new Uint8Array(memory.buffer).set(xxh3DefaultSecret, scratch);
  const kernel = instance.exports as unknown as Xxh3Kernel;
  kernel.setSeed(scratch, 0, 0);
  return kernel;
}

export interface FrameChecksums {
  /** Seed of all that follows, as two unsigned 32-bit halves. At first the seed is 0. */
  setSeed(lo: number, hi: number): void;
  /** Sum of the bytes at `ptr` as an unsigned number. */
  hash(ptr: number, length: number): bigint;
  /** Writes the sum of each frame to `sumsPtr` (8 bytes each, little-endian) and returns how many there are. */
  hashFrames(ptr: number, length: number, frameBytes: number, sumsPtr: number): number;
  /** Index of the first frame that does not have the sum at `sumsPtr`, or -1. */
  verifyFrames(ptr: number, length: number, frameBytes: number, sumsPtr: number): number;
  /** `hash` of at most `frameBytesMax` bytes that may lie anywhere. */
  hashBytes(bytes: Uint8Array): bigint;
  /** `hashFrames` of bytes that may lie anywhere; `sums` has exactly 8 bytes a frame. */
  hashByteFrames(bytes: Uint8Array, frameBytes: number, sums: Uint8Array): number;
  /** `verifyFrames` of bytes that may lie anywhere; `sums` has exactly 8 bytes a frame. */
  verifyBytes(bytes: Uint8Array, frameBytes: number, sums: Uint8Array): number;
  /**
   * Runs the kernel on its own scratch area until V8 begins to optimise it (about 0.2 ms; the optimised code comes
   * 2 ms later from a background thread). Without it the first half MiB runs at a quarter of the speed.
   */
  prewarm(): void;
}

/**
 * Checksums over `memory`, using `scratchBytes` at `scratchBase` (a multiple of 8) for themselves. Methods throw a
 * RangeError when an argument is not an integer in range or a region leaves the memory.
 */
export function createFrameChecksums(memory: WebAssembly.Memory, scratchBase: number): FrameChecksums {
  const memoryBytes = memory.buffer.byteLength;
  checkRegion("scratch area", scratchBase, scratchBytes, memoryBytes);
  if (scratchBase % 8 !== 0) throw new RangeError(`scratchBase ${scratchBase} is not a multiple of 8`);
  const kernel = instantiateKernel(memory, scratchBase);
  const frame = scratchBase + frameOffset;
  const sum = scratchBase + sumOffset;
  let cached = new Uint8Array(memory.buffer);
  // A view of a memory that has grown is empty.
  const view = (): Uint8Array => {
    if (cached.length === 0) cached = new Uint8Array(memory.buffer);
    return cached;
  };

  const checkFrames = (ptr: number, length: number, frameBytes: number, sumsPtr: number): void => {
    checkFrameBytes(frameBytes, 2 ** 32 - 1);
    checkRegion("bytes", ptr, length, memoryBytes);
    checkRegion("sums", sumsPtr, Math.ceil(length / frameBytes) * sumBytes, memoryBytes);
  };

  /** Leaves the sum of bytes[from, to) at `sum`. */
  const sumOf = (bytes: Uint8Array, from: number, to: number): void => {
    view().set(bytes.subarray(from, to), frame);
    kernel.hashFrames(frame, to - from, frameBytesMax, sum, scratchBase);
  };

  return {
    setSeed(lo, hi) {
      checkWord("lo", lo);
      checkWord("hi", hi);
      kernel.setSeed(scratchBase, lo, hi);
    },
    hash(ptr, length) {
      checkRegion("bytes", ptr, length, memoryBytes);
      return BigInt.asUintN(64, kernel.hash(ptr, length, scratchBase));
    },
    hashFrames(ptr, length, frameBytes, sumsPtr) {
      checkFrames(ptr, length, frameBytes, sumsPtr);
      return kernel.hashFrames(ptr, length, frameBytes, sumsPtr, scratchBase);
    },
    verifyFrames(ptr, length, frameBytes, sumsPtr) {
      checkFrames(ptr, length, frameBytes, sumsPtr);
      return kernel.verifyFrames(ptr, length, frameBytes, sumsPtr, scratchBase);
    },
    hashBytes(bytes) {
      if (bytes.length > frameBytesMax) {
        throw new RangeError(
          `hashBytes of ${bytes.length} bytes: at most ${frameBytesMax}; use hashByteFrames`,
        );
      }
      view().set(bytes, frame);
      return BigInt.asUintN(64, kernel.hash(frame, bytes.length, scratchBase));
    },
    hashByteFrames(bytes, frameBytes, sums) {
      const frames = checkByteFrames(bytes, frameBytes, sums);
      for (let i = 0; i < frames; i++) {
        sumOf(bytes, i * frameBytes, Math.min((i + 1) * frameBytes, bytes.length));
        sums.set(view().subarray(sum, sum + sumBytes), i * sumBytes);
      }
      return frames;
    },
    verifyBytes(bytes, frameBytes, sums) {
      const frames = checkByteFrames(bytes, frameBytes, sums);
      for (let i = 0; i < frames; i++) {
        sumOf(bytes, i * frameBytes, Math.min((i + 1) * frameBytes, bytes.length));
        const found = view();
        for (let b = 0; b < sumBytes; b++) if (found[sum + b] !== sums[i * sumBytes + b]) return i;
      }
      return -1;
    },
    prewarm() {
      for (let i = 0; i < 12; i++) kernel.hashFrames(frame, frameBytesMax, frameBytesMax, sum, scratchBase);
    },
  };
}

interface SeedKernel {
  readonly kernel: Xxh3Kernel;
  readonly words: DataView;
  readonly bytes: Uint8Array;
}

let seeds: SeedKernel | undefined;

/** A page of its own, so that a seed can be made before (and without) any other memory. */
function createSeedKernel(): SeedKernel {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  return {
    kernel: instantiateKernel(memory, 0),
    words: new DataView(memory.buffer),
    bytes: new Uint8Array(memory.buffer),
  };
}

/**
 * The seed of the frames of one shard: XXH3-64 with seed 0 of these 28 bytes, little-endian:
 *
 *      0  job     u32
 *      4  object  16 bytes
 *     20  stripe  u32
 *     24  index   u32   position of the shard in the stripe
 */
export function shardSeed(job: number, objectId: Uint8Array, stripe: number, index: number): Seed {
  checkWord("job", job);
  checkWord("stripe", stripe);
  checkWord("index", index);
  if (objectId.length !== 16) throw new RangeError(`an object id has 16 bytes, not ${objectId.length}`);
  seeds ??= createSeedKernel();
  const { kernel, words, bytes } = seeds;
  words.setUint32(keyOffset, job, true);
  bytes.set(objectId, keyOffset + 4);
  words.setUint32(keyOffset + 20, stripe, true);
  words.setUint32(keyOffset + 24, index, true);
  kernel.hashFrames(keyOffset, keyBytes, keyBytes, sumOffset, 0);
  return { lo: words.getUint32(sumOffset, true), hi: words.getUint32(sumOffset + 4, true) };
}

function checkWord(name: string, value: number): void {
  if (value >>> 0 !== value) throw new RangeError(`${name} ${value} is not an integer in 0 .. 2^32-1`);
}

function checkFrameBytes(frameBytes: number, most: number): void {
  if (Number.isInteger(frameBytes) && frameBytes >= 1 && frameBytes <= most) return;
  throw new RangeError(`frameBytes ${frameBytes} is not an integer in 1 .. ${most}`);
}

function checkByteFrames(bytes: Uint8Array, frameBytes: number, sums: Uint8Array): number {
  checkFrameBytes(frameBytes, frameBytesMax);
  const frames = Math.ceil(bytes.length / frameBytes);
  if (sums.length === frames * sumBytes) return frames;
  throw new RangeError(
    `${bytes.length} bytes in frames of ${frameBytes} need ${frames * sumBytes} bytes of sums, not ${sums.length}`,
  );
}

function checkRegion(what: string, at: number, length: number, memoryBytes: number): void {
  if (
    !Number.isInteger(at) ||
    !Number.isInteger(length) ||
    at < 0 ||
    length < 0 ||
    at + length > memoryBytes
  ) {
    throw new RangeError(`${what}: ${length} bytes at ${at} are not inside a memory of ${memoryBytes} bytes`);
  }
}
