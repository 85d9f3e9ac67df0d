import { chunkBytes, op, SliceEmitter } from "./slice-emitter.ts";
import type { WasmFunction } from "./wasm-module.ts";

// Parameters.
const target = 0;
const source = 1;
const length = 2;
const factor = 3;
const parameters = 4;

/**
 * The function (target, source, length, factor): target ^= factor * source, where the factor is an argument instead of
 * part of the code. It adds source * 2^bit for each bit of the factor; the branches are the same for every chunk, so
 * they are predicted. `length` is at least one chunk.
 */
export function emitMultiplyAdd(): WasmFunction {
  const emitter = new SliceEmitter(parameters);
  emitter.put(...op.loop);
  let power = emitter.load(source);
  const sum = emitter.load(target);
  for (let bit = 0; bit < 8; bit++) {
    if (bit > 0) power = emitter.times(2, power);
    emitter
      .get(factor)
      .constant(1 << bit)
      .put(...op.and, ...op.if);
    power.forEach((local, i) => {
      emitter.get(sum[i]!).get(local).xor(sum[i]!);
    });
    emitter.put(...op.end);
  }
  emitter.store(sum, target);
  for (const local of [target, source])
    emitter
      .get(local)
      .constant(chunkBytes)
      .put(...op.add)
      .set(local);
  emitter
    .get(length)
    .constant(chunkBytes)
    .put(...op.subtract)
    .tee(length)
    .branchIf(0)
    .put(...op.end);
  return emitter.finish();
}
