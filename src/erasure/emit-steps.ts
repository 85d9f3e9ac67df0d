/**
 * Writes steps as one WebAssembly function. In the bit-sliced layout (see reference.ts) a sum of shards is eight XORs a
 * chunk, and a product by a constant is a few (xor-program.ts); multiplying by 2 renames eight registers and costs
 * three. Each step is evaluated by Horner's rule, from coefficient to coefficient.
 */
import { inv, mul } from "./gf256.ts";
import { chunkBytes, op, SliceEmitter, type Slices } from "./slice-emitter.ts";
import type { Step } from "./steps.ts";
import type { WasmFunction } from "./wasm-module.ts";

// Parameters. `end` is passed as a length; `never` must be 0.
const base = 0;
const stride = 1;
const end = 2;
const never = 3;
const parameters = 4;

/** After so many of a chunk's eight XORs the sum is pinned. */
const pinEvery = 4;

/** The function (base, stride, length, 0) that does `steps` for each chunk; `length` is at least one chunk. */
export function emitSteps(steps: readonly Step[]): WasmFunction {
  const emitter = new SliceEmitter(parameters);
  const { pointer } = emitter;
  const visible = emitter.take();
  let pins = 0;

  /** pointer = base + stride * column; it is at column `from` now. */
  const seek = (column: number, from: number | undefined): void => {
    if (from !== undefined && Math.abs(column - from) === 1) {
      emitter
        .get(pointer)
        .get(stride)
        .put(...(column > from ? op.add : op.subtract));
    } else {
      emitter
        .get(base)
        .get(stride)
        .constant(column)
        .put(...op.multiply, ...op.add);
    }
    emitter.set(pointer);
  };

  // A branch that is never taken and that would store `sum`. Without it TurboFan moves all XORs of a step behind
  // all its loads, and spills nearly every register.
  const pin = (sum: Slices): void => {
    sum.forEach((local, bit) => {
      emitter.get(local).set(visible[bit]!);
    });
    emitter
      .get(never)
      .constant(++pins)
      .put(...op.equal)
      .branchIf(1);
  };

  const emitStep = ([target, terms]: Step): void => {
    let sum: Slices | undefined;
    let coefficient = 1;
    let column: number | undefined;
    for (const [next, nextCoefficient] of terms) {
      seek(next, column);
      column = next;
      if (sum === undefined) {
        sum = emitter.load(pointer);
      } else {
        // sum * coefficient + x * nextCoefficient = (sum * ratio + x) * nextCoefficient
        sum = emitter.times(mul(coefficient, inv(nextCoefficient)), sum);
        for (let done = 1; done <= 8; done++) {
          emitter.addBit(sum, pointer, 8 - done);
          if (done % pinEvery === 0) pin(sum);
        }
      }
      coefficient = nextCoefficient;
    }
    if (sum === undefined) throw new RangeError(`shard ${target} would be the sum of nothing`);
    sum = emitter.times(coefficient, sum);
    seek(target, column);
    emitter.store(sum, pointer);
    emitter.release(sum);
  };

  emitter
    .get(base)
    .get(end)
    .put(...op.add)
    .set(end);
  emitter.put(...op.block, ...op.loop);
  for (const step of steps) emitStep(step);
  emitter
    .get(base)
    .constant(chunkBytes)
    .put(...op.add)
    .tee(base);
  emitter
    .get(end)
    .put(...op.lessUnsigned)
    .branchIf(0)
    .put(...op.end, ...op.return, ...op.end);
  emitter.store(visible, base);
  return emitter.finish();
}
