import { expect, test } from "vitest";
import { wasmBase64 as checkWasm } from "../../src/sort/record-check.wasm.generated.ts";
import { wasmBase64 as generateWasm } from "../../src/sort/record-generate.wasm.generated.ts";
import { addresses, layOut, memoryBytesMax, partitionsMax } from "../../src/sort/record-memory.ts";
import { wasmBase64 as moveWasm } from "../../src/sort/record-move.wasm.generated.ts";
import { wasmBase64 as sortWasm } from "../../src/sort/record-sort.wasm.generated.ts";

/** Ids of a WASM module's sections: each is an id, a LEB128 length and as many bytes. */
function sectionIds(wasm: Uint8Array): number[] {
  const ids: number[] = [];
  for (let at = 8; at < wasm.length; ) {
    ids.push(wasm[at++]!);
    let length = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++]!;
      length += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    at += length;
  }
  return ids;
}

test("kernels have code but no static data: four of them share one memory", () => {
  for (const base64 of [generateWasm, moveWasm, sortWasm, checkWasm]) {
    const ids = sectionIds(Buffer.from(base64, "base64"));
    expect(ids).toContain(10);
    expect(ids).not.toContain(11);
  }
});

test("tables do not reach into one another", () => {
  const sizes: { readonly [Name in keyof typeof addresses]: number } = {
    previousKey: 16,
    skewBinary: 65 * 8,
    skewAscii: 65 * 8,
    crcScratch: 512,
    crcTables: 100 * 128,
    radixCounters: 2048 * 4,
    counts: partitionsMax * 4,
    cursors: partitionsMax * 4,
    splits: (partitionsMax - 1) * 10,
    bounds: (partitionsMax - 1) * 16,
    prefixTable: 65_537 * 2,
    states: (1024 + 9) * 16,
    places: 1024 * 4,
    regions: 0,
  };
  const names = Object.keys(addresses) as (keyof typeof addresses)[];
  const sorted = names.toSorted((a, b) => addresses[a] - addresses[b]);
  for (let i = 1; i < sorted.length; i++) {
    const before = sorted[i - 1]!;
    expect(addresses[before] + sizes[before], before).toBeLessThanOrEqual(addresses[sorted[i]!]);
  }
});

test("regions are aligned, apart and inside the memory", () => {
  const { regions, memoryBytes } = layOut({ a: 1, b: 0, c: 100, d: 65_536 });
  expect(regions.a.at).toBe(addresses.regions);
  expect(regions.c.at).toBeGreaterThanOrEqual(regions.a.at + 1);
  expect(regions.d.at).toBeGreaterThanOrEqual(regions.c.at + 100);
  for (const { at, bytes } of Object.values(regions)) {
    expect(at % 64).toBe(0);
    expect(at + bytes).toBeLessThanOrEqual(memoryBytes);
  }
  expect(memoryBytes % 65_536).toBe(0);
});

test("what one memory cannot hold is refused, the most it can is not", () => {
  const most = memoryBytesMax - addresses.regions;
  expect(layOut({ a: most }).memoryBytes).toBe(memoryBytesMax);
  expect(() => layOut({ a: most + 1 })).toThrow(RangeError);
  expect(() => layOut({ a: -1 })).toThrow(RangeError);
  expect(() => layOut({ a: 1.5 })).toThrow(RangeError);
});
