/** The npm package @subspace/reed-solomon-erasure.wasm: Rust's reed-solomon-erasure, compiled to WebAssembly. */
import { systemRng } from "../../src/clock.ts";
import type { Absent } from "../harness/report.ts";
import type { CoderLibrary } from "./stripe-coder.ts";

/** The package copies the stripe into its own memory and back: that is its interface, so it is part of the figures. */
export async function loadReedSolomonErasure(): Promise<CoderLibrary | Absent> {
  try {
    const { ReedSolomonErasure } = await import("@subspace/reed-solomon-erasure.wasm");
    const coder = await ReedSolomonErasure.fromCurrentDirectory();
    const checked = (result: number): void => {
      if (result !== ReedSolomonErasure.RESULT_OK) throw new Error(`reed-solomon-erasure answered ${result}`);
    };
    return {
      stripe(d, p, shardBytes) {
        const shards = new Uint8Array((d + p) * shardBytes);
        shards.set(systemRng.bytes(d * shardBytes));
        const present = Array.from({ length: d + p }, (_, i) => i >= p);
        const bytes = d * shardBytes;
        return {
          encode: { bytes, run: () => checked(coder.encode(shards, d, p)) },
          // It writes down in the list what is there again.
          decode: { bytes, run: () => checked(coder.reconstruct(shards, d, p, [...present])) },
        };
      },
    };
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    return {
      absent: `the npm package @subspace/reed-solomon-erasure.wasm cannot be loaded (${message}); run: npm ci`,
    };
  }
}
