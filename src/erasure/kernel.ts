import { emitMultiplyAdd } from "./emit-multiply-add.ts";
import { emitSteps } from "./emit-steps.ts";
import type { Step } from "./steps.ts";
import { type WasmFunction, wasmModule } from "./wasm-module.ts";

/** Does its steps on a stripe: shard i at base + i*stride, `length` bytes of each, a positive multiple of 128. */
export type Kernel = (base: number, stride: number, length: number) => void;

/** target ^= factor * source, for `length` bytes, a positive multiple of 128. */
export type MultiplyAdd = (target: number, source: number, length: number, factor: number) => void;

type Emitted = (a: number, b: number, c: number, d: number) => void;

/**
 * Most terms in one function. Compiling takes time and memory in proportion to a function's size; a single sum of more
 * terms (a code with many data shards) still is one function.
 */
const termsMax = 128;

function splitSteps(steps: readonly Step[]): Step[][] {
  const parts: Step[][] = [];
  let terms = termsMax;
  for (const step of steps) {
    terms += step[1].length;
    if (terms > termsMax) {
      parts.push([]);
      terms = step[1].length;
    }
    parts.at(-1)!.push(step);
  }
  return parts;
}

/** V8 compiles functions when they are first called, so this costs little more than checking the code. */
function instantiate(functions: readonly WasmFunction[], memory: WebAssembly.Memory): Emitted[] {
  const module = new WebAssembly.Module(wasmModule(functions));
  const { exports } = new WebAssembly.Instance(module, { m: { m: memory } });
  return functions.map((_, i) => exports[String(i)] as Emitted);
}

/** A kernel for `memory`, which is not shared between threads. The caller checks that stripes lie inside it. */
export function createKernel(steps: readonly Step[], memory: WebAssembly.Memory): Kernel {
  const functions = instantiate(splitSteps(steps).map(emitSteps), memory);
  return (base, stride, length) => {
    for (const run of functions) run(base, stride, length, 0);
  };
}

const multiplyAdds = new WeakMap<WebAssembly.Memory, MultiplyAdd>();

/** The one multiply-add of `memory`: codecs share it, and so its optimised code. */
export function multiplyAddFor(memory: WebAssembly.Memory): MultiplyAdd {
  let multiplyAdd = multiplyAdds.get(memory);
  if (multiplyAdd === undefined) {
    multiplyAdd = instantiate([emitMultiplyAdd()], memory)[0]!;
    multiplyAdds.set(memory, multiplyAdd);
  }
  return multiplyAdd;
}
