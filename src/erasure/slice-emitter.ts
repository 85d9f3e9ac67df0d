import { i32, signedLeb, unsignedLeb, v128, type WasmFunction } from "./wasm-module.ts";
import { xorProgram } from "./xor-program.ts";

/** Bytes that a kernel takes at a time from each shard. */
export const chunkBytes = 128;
const vectorBytes = 16;
const opLoad = 0x00;
const opStore = 0x0b;

/** Instructions without operands, and blocks without results. */
export const op = {
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  if: [0x04, 0x40],
  end: [0x0b],
  return: [0x0f],
  equal: [0x46],
  lessUnsigned: [0x49],
  add: [0x6a],
  subtract: [0x6b],
  multiply: [0x6c],
  and: [0x71],
} as const;

/** Eight locals with bits 0 .. 7 of a chunk's 128 field elements. */
export type Slices = readonly number[];

/** Code over bit-sliced chunks. Locals are reused: they make Liftoff's stack frame, and V8 allows 50,000 of them. */
export class SliceEmitter {
  readonly #parameters: number;
  readonly #code: number[] = [];
  readonly #free: number[] = [];
  #locals: number;
  /** The one i32 local that is not a parameter. */
  readonly pointer: number;

  constructor(parameters: number) {
    this.#parameters = parameters;
    this.pointer = parameters;
    this.#locals = parameters + 1;
  }

  // Writing code is most of what a new code costs a function that just started, so these do little each: 2 ms cold for 4+2, where general helpers took 4.
  put(...code: readonly number[]): this {
    this.#code.push(...code);
    return this;
  }

  get(local: number): this {
    return this.#withIndex(0x20, local);
  }

  set(local: number): this {
    return this.#withIndex(0x21, local);
  }

  tee(local: number): this {
    return this.#withIndex(0x22, local);
  }

  /** local = xor of the two vectors on the stack. */
  xor(local: number): this {
    this.#code.push(0xfd, 0x51);
    return this.set(local);
  }

  constant(value: number): this {
    return this.put(0x41, ...signedLeb(value));
  }

  branchIf(depth: number): this {
    return this.#withIndex(0x0d, depth);
  }

  /** Locals of unknown content, until they are released. */
  take(): Slices {
    return Array.from({ length: 8 }, () => this.#takeOne());
  }

  release(slices: Slices): void {
    this.#free.push(...slices);
  }

  /** The chunk at the address in local `from`. */
  load(from: number): Slices {
    const slices = this.take();
    slices.forEach((local, bit) => {
      this.get(from).#vector(opLoad, bit).set(local);
    });
    return slices;
  }

  /** sum[bit] ^= the same bit of the chunk at `from`. */
  addBit(sum: Slices, from: number, bit: number): void {
    const local = sum[bit]!;
    this.get(local).get(from).#vector(opLoad, bit).xor(local);
  }

  store(slices: Slices, to: number): void {
    slices.forEach((local, bit) => {
      this.get(to).get(local).#vector(opStore, bit);
    });
  }

  /** `factor` times `input`, which is released. */
  times(factor: number, input: Slices): Slices {
    const { pairs, outputs } = xorProgram(factor);
    const values = [...input];
    for (const [a, b] of pairs) {
      const local = this.#takeOne();
      this.get(values[a]!).get(values[b]!).xor(local);
      values.push(local);
    }
    const product = outputs.map((value) => values[value]!);
    this.release(values.filter((local) => !product.includes(local)));
    return product;
  }

  finish(): WasmFunction {
    const vectors = this.#locals - this.#parameters - 1;
    const locals = [2, 1, i32, ...unsignedLeb(vectors), v128];
    const body = Buffer.concat([locals, this.#code, op.end].map((bytes) => Uint8Array.from(bytes)));
    return { parameters: this.#parameters, body };
  }

  #withIndex(code: number, index: number): this {
    if (index < 128) this.#code.push(code, index);
    else this.#code.push(code, ...unsignedLeb(index));
    return this;
  }

  /** A load or store of vector `bit` of a chunk. The alignment of 2^4 is a hint. */
  #vector(code: number, bit: number): this {
    this.#code.push(0xfd, code, 4, bit * vectorBytes);
    return this;
  }

  #takeOne(): number {
    return this.#free.pop() ?? this.#locals++;
  }
}
