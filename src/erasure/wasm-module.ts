/** The few pieces of the WebAssembly binary format that generated kernels need. */

/** Unsigned LEB128 of an integer in 0 .. 2^31 - 1. */
export function unsignedLeb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...unsignedLeb(value >>> 7)];
}

/** Signed LEB128 of a 32-bit integer. */
export function signedLeb(value: number): number[] {
  return value >= -64 && value < 64 ? [value & 127] : [(value & 127) | 128, ...signedLeb(value >> 7)];
}

export const i32 = 0x7f;
export const v128 = 0x7b;

/** A function of i32 parameters without result; `body` holds local declarations, code and the final `end`. */
export interface WasmFunction {
  readonly parameters: number;
  readonly body: Uint8Array;
}

function vector(items: readonly (readonly number[])[]): number[] {
  return [...unsignedLeb(items.length), ...items.flat()];
}

function section(id: number, content: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(id, ...unsignedLeb(content.length)), content]);
}

/** A module that imports the memory `m.m`, of any size and not shared, and exports its functions as "0", "1", ... */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const exportName = (i: number): number[] => {
    const name = [...Buffer.from(String(i))];
    return [name.length, ...name];
  };
  const types = functions.map((f) => [0x60, f.parameters, ...Array<number>(f.parameters).fill(i32), 0]);
  const exported = functions.map((_, i) => [...exportName(i), 0, ...unsignedLeb(i)]);
  const bodies = functions.flatMap((f) => [Uint8Array.from(unsignedLeb(f.body.length)), f.body]);
  return Buffer.concat([
    Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0),
    section(1, Uint8Array.from(vector(types))),
    section(2, Uint8Array.from(vector([[1, 0x6d, 1, 0x6d, 2, 0, 0]]))),
    section(3, Uint8Array.from(vector(functions.map((_, i) => unsignedLeb(i))))),
    section(7, Uint8Array.from(vector(exported))),
    section(10, Buffer.concat([Uint8Array.from(unsignedLeb(functions.length)), ...bodies])),
  ]);
}
