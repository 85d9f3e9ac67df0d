/**
 * Reed-Solomon coding of stripes that lie in one `WebAssembly.Memory`: d data and p parity shards, any d of which
 * give back the others. Everything here is pure computation on that memory. The code is ISA-L's `gf_gen_rs_matrix` over
 * GF(2^8)/0x11d in a bit-sliced layout (reference.ts says how they relate); data shards hold the bytes as they are.
 *
 * Shard i of a stripe lies at base + i*stride; data shards come first. All shards of a stripe have `shardBytes`, a
 * multiple of `chunkBytes`; who has less pads with zeros.
 */
import { MayflyError } from "../errors.ts";
import { GenericKernels } from "./generic-repair.ts";
import { type RepairOptions, RepairPatterns, repairDefaults } from "./repair-patterns.ts";
import { chunkBytes } from "./slice-emitter.ts";

export { chunkBytes } from "./slice-emitter.ts";

const shardsMax = 255;
const parityMax = 4;
/** With p = 4, some sets of lost shards of a wider code could not be rebuilt. */
const dataMaxWithParity4 = 21;

/** Between shards, so that the same offset of all shards does not fall into one cache set: powers of two halve 10+4. */
const stridePadBytes = 192;

/** Distance between the shards of a stripe in memory: `shardBytes` rounded up to whole chunks, and some room. */
export function strideFor(shardBytes: number): number {
  return Math.ceil(shardBytes / chunkBytes) * chunkBytes + stridePadBytes;
}

/** Throws INVALID_ARGUMENT unless there is a code of `d` data and `p` parity shards. p = 0 is the code that is none. */
export function checkCode(d: number, p: number): void {
  const refuse = (why: string): never => {
    throw new MayflyError("INVALID_ARGUMENT", `There is no erasure code ${d}+${p}: ${why}.`);
  };
  if (!Number.isInteger(d) || d < 1) refuse("the data shards must be a whole number, at least 1");
  if (!Number.isInteger(p) || p < 0) refuse("the parity shards must be a whole number, at least 0");
  if (p > parityMax) refuse(`at most ${parityMax} parity shards are possible; use p <= ${parityMax}`);
  if (d + p > shardsMax) refuse(`d + p is ${d + p} and can be at most ${shardsMax}; use fewer data shards`);
  if (p === parityMax && d > dataMaxWithParity4) {
    refuse(`with p = 4, d can be at most ${dataMaxWithParity4}; use fewer data shards or p <= 3`);
  }
}

/** `d`+`p` over `memory`, which is of fixed size and not shared between threads. Throws as `checkCode` does. */
export function createStripeCodec(
  d: number,
  p: number,
  memory: WebAssembly.Memory,
  options: Partial<RepairOptions> = {},
): StripeCodec {
  checkCode(d, p);
  return new StripeCodec(d, p, memory, { ...repairDefaults, ...options });
}

/**
 * Made by `createStripeCodec`. Methods throw a RangeError, before they touch a byte, for a stripe that is not wholly
 * inside the memory, overlaps itself, or has shards that are no multiple of `chunkBytes`. With `shardBytes` 0 they do
 * nothing. They run to the end on the calling thread, at 10 to 60 GB/s of data once V8 has optimised the kernels.
 */
export class StripeCodec {
  readonly d: number;
  readonly p: number;
  readonly #memoryBytes: number;
  readonly #generic: GenericKernels | undefined;
  readonly #patterns: RepairPatterns | undefined;

  constructor(d: number, p: number, memory: WebAssembly.Memory, options: RepairOptions) {
    if (!(memory.buffer instanceof ArrayBuffer)) {
      throw new RangeError("the memory of a codec must not be shared between threads");
    }
    this.d = d;
    this.p = p;
    this.#memoryBytes = memory.buffer.byteLength;
    if (p > 0) {
      this.#generic = new GenericKernels(d, p, memory);
      this.#patterns = new RepairPatterns(d, p, memory, this.#generic, options);
    }
  }

  /** Writes the parity shards from the data shards. */
  encode(base: number, stride: number, shardBytes: number): void {
    this.#checkStripe(base, stride, shardBytes);
    if (shardBytes > 0) this.#generic?.encode(base, stride, shardBytes);
  }

  /**
   * Rebuilds the shards `lost` (0 .. d+p-1, in any order) in place, whatever their bytes are now; all others must be
   * right. Surviving parity shards may change during the call but not by it. Throws RangeError for a shard that is
   * not of the stripe or named twice, and LOST for more than p.
   *
   * A pattern that has not been seen often is repaired at 3 to 8 GB/s by generic kernels, which need no compilation;
   * one that recurs gets its own.
   */
  reconstruct(base: number, stride: number, shardBytes: number, lost: readonly number[]): void {
    this.#checkStripe(base, stride, shardBytes);
    const sorted = this.#checkLost(lost);
    if (shardBytes === 0 || sorted.length === 0) return;
    if (sorted[0]! >= this.d) this.#generic?.encode(base, stride, shardBytes);
    else this.#patterns?.repair(base, stride, shardBytes, sorted);
  }

  /** Whether the parity shards fit the data shards. Parity bytes change during the call but not by it; no scratch. */
  verify(base: number, stride: number, shardBytes: number): boolean {
    this.#checkStripe(base, stride, shardBytes);
    return shardBytes === 0 || (this.#generic?.consistent(base, stride, shardBytes) ?? true);
  }

  /**
   * Runs the kernels until V8 starts to optimise them: 1 to 5 ms now, and the code is ready 2 to 30 ms later, from a
   * background thread. Before that they run at a tenth of their speed. For whoever owns the memory to call once for
   * each code, before the first stripe, on any region that nobody uses: data bytes are only read, parity bytes are
   * overwritten. Code is optimised once a process, not once a memory. Shards of 4 KiB suffice.
   */
  prewarm(base: number, stride: number, shardBytes: number): void {
    this.#checkStripe(base, stride, shardBytes);
    if (shardBytes > 0) this.#generic?.prewarm(base, stride, shardBytes);
  }

  #checkStripe(base: number, stride: number, shardBytes: number): void {
    const endBytes = base + stride * (this.d + this.p - 1) + shardBytes;
    const sound =
      [base, stride, shardBytes].every((value) => Number.isSafeInteger(value) && value >= 0) &&
      shardBytes % chunkBytes === 0 &&
      stride >= shardBytes &&
      endBytes <= this.#memoryBytes;
    if (sound) return;
    throw new RangeError(
      `no stripe of code ${this.d}+${this.p} at base ${base}, stride ${stride}, shardBytes ${shardBytes}: ` +
        `shardBytes must be a multiple of ${chunkBytes} and at most the stride, and the end ` +
        `${endBytes} at most the memory's ${this.#memoryBytes} bytes`,
    );
  }

  #checkLost(lost: readonly number[]): number[] {
    const sorted = [...lost].sort((a, b) => a - b);
    const shards = this.d + this.p;
    sorted.forEach((shard, i) => {
      if (!Number.isInteger(shard) || shard < 0 || shard >= shards) {
        throw new RangeError(`lost shard ${shard} is not one of the ${shards} of code ${this.d}+${this.p}`);
      }
      if (shard === sorted[i - 1]) throw new RangeError(`shard ${shard} is named twice as lost`);
    });
    if (sorted.length > this.p) {
      throw new MayflyError(
        "LOST",
        `${sorted.length} of the ${shards} shards of a stripe are lost (${sorted.join(", ")}); ` +
          `code ${this.d}+${this.p} can rebuild at most ${this.p}.`,
      );
    }
    return sorted;
  }
}
