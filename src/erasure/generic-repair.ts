import { invert, type Matrix } from "./gf256.ts";
import { createKernel, type Kernel, type MultiplyAdd, multiplyAddFor } from "./kernel.ts";
import { encodeSteps, type Loss, parityCoefficient, syndromeSteps } from "./steps.ts";

/** Shard bytes to do at a time so that a tile of the whole stripe stays in a second-level cache. */
export function tileBytesFor(shards: number): number {
  return Math.max(1024, Math.floor(cacheBytes / shards / 128) * 128);
}

const cacheBytes = 192 * 1024;
const zeros = Buffer.alloc(tileBytesFor(2));

/** Row i has the coefficients of the surviving parities' syndromes (`loss.rows`) in the error of lost data shard i. */
export function lossMatrix(loss: Loss): Matrix {
  return invert(loss.rows.map((row) => loss.data.map((column) => parityCoefficient(row, column))));
}

/**
 * Everything a code needs that does not depend on which shards are lost, with kernels made once for the code. `length`
 * is a positive multiple of 128 and the stripe lies in the memory; the caller checks.
 *
 * A lost data shard is a shard with wrong bytes, x_j + e_j. The syndrome of parity k is then the sum of 2^(k*j) * e_j
 * over the lost shards, and a small matrix, as data for `multiplyAdd`, takes the e_j away again. The syndromes take
 * the place of the parities, which are encoded anew at the end: the price is two passes over the stripe, not one.
 */
export class GenericKernels {
  readonly encode: Kernel;
  /** Made when first needed: who only writes never does. */
  #syndromeKernel: Kernel | undefined;
  #multiplyAddKernel: MultiplyAdd | undefined;
  readonly #memory: WebAssembly.Memory;
  readonly #d: number;
  readonly #p: number;
  readonly #tileBytes: number;

  constructor(d: number, p: number, memory: WebAssembly.Memory) {
    const rows = Array.from({ length: p }, (_, row) => row);
    this.encode = createKernel(encodeSteps(d, rows), memory);
    this.#memory = memory;
    this.#d = d;
    this.#p = p;
    this.#tileBytes = tileBytesFor(d + p);
  }

  get #syndrome(): Kernel {
    this.#syndromeKernel ??= createKernel(syndromeSteps(this.#d, this.#p), this.#memory);
    return this.#syndromeKernel;
  }

  get #multiplyAdd(): MultiplyAdd {
    this.#multiplyAddKernel ??= multiplyAddFor(this.#memory);
    return this.#multiplyAddKernel;
  }

  /** Rebuilds the lost shards. `matrix` is `lossMatrix(loss)`. */
  repair(base: number, stride: number, length: number, loss: Loss, matrix: Matrix): void {
    for (let done = 0; done < length; done += this.#tileBytes) {
      this.#repairTile(base + done, stride, Math.min(this.#tileBytes, length - done), loss, matrix);
    }
  }

  #repairTile(at: number, stride: number, length: number, loss: Loss, matrix: Matrix): void {
    this.#syndrome(at, stride, length);
    loss.data.forEach((shard, i) => {
      loss.rows.forEach((row, r) => {
        const syndrome = at + (this.#d + row) * stride;
        this.#multiplyAdd(at + shard * stride, syndrome, length, matrix[i]![r]!);
      });
    });
    this.encode(at, stride, length);
  }

  /** Whether the parities fit the data. The parities are replaced by their syndromes and put back, tile by tile. */
  consistent(base: number, stride: number, length: number): boolean {
    for (let done = 0; done < length; done += this.#tileBytes) {
      const at = base + done;
      const tile = Math.min(this.#tileBytes, length - done);
      this.#syndrome(at, stride, tile);
      const clean = this.#zeroParities(at, stride, tile);
      this.#syndrome(at, stride, tile);
      if (!clean) return false;
    }
    return true;
  }

  #zeroParities(at: number, stride: number, length: number): boolean {
    for (let row = 0; row < this.#p; row++) {
      const parity = Buffer.from(this.#memory.buffer, at + (this.#d + row) * stride, length);
      if (parity.compare(zeros, 0, length) !== 0) return false;
    }
    return true;
  }

  /** See StripeCodec.prewarm. */
  prewarm(base: number, stride: number, length: number): void {
    // V8 counts executed code (13 MB in newer versions) before it optimises; a term has some 500 bytes a chunk.
    const chunks = Math.ceil(32_768 / (this.#d * this.#p));
    const parity = base + this.#d * stride;
    for (let left = 8192 * 128; left > 0; left -= length) this.#multiplyAdd(parity, base, length, 0xff);
    for (let left = chunks * 128; left > 0; left -= length) {
      this.#syndrome(base, stride, length);
      this.encode(base, stride, length);
    }
  }
}
