/** An instance of a kernel (`wasmBase64` of its generated module) on `memory`; `Exports` is what its source exports. */
export function instantiateKernel<Exports>(wasmBase64: string, memory: WebAssembly.Memory): Exports {
  const module = new WebAssembly.Module(Buffer.from(wasmBase64, "base64"));
  const exports: unknown = new WebAssembly.Instance(module, { env: { memory } }).exports;
  return exports as Exports;
}
