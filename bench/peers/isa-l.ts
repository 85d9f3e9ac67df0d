/**
 * Intel's ISA-L (Debian's libisal2) in this process, through koffi. A call costs 0.3 to 0.5 us (measured with a length of
 * 0): under 1 % of the encoding of 1 MiB. The library picks its kernels by the processor: AVX-512, AVX2, AVX or SSE.
 */
import { systemRng } from "../../src/clock.ts";
import type { Absent } from "../harness/report.ts";
import type { Work } from "../harness/throughput.ts";
import type { CoderLibrary, StripeCoder } from "./stripe-coder.ts";

/** ISA-L's functions of `erasure_code.h`. */
interface Functions {
  gf_gen_rs_matrix(matrix: Uint8Array, rows: number, columns: number): void;
  /** 0, or -1 for a singular matrix; destroys its input. */
  gf_invert_matrix(input: Uint8Array, output: Uint8Array, size: number): number;
  ec_init_tables(columns: number, rows: number, coefficients: Uint8Array, tables: Uint8Array): void;
  ec_encode_data(
    shardBytes: number,
    inputs: number,
    outputs: number,
    tables: Uint8Array,
    from: BigUint64Array,
    to: BigUint64Array,
  ): void;
}

/** A stripe whose bytes can be looked at, so that a test can hold it against Mayfly's. */
export interface IsaLStripe extends StripeCoder {
  /** Shard i, live: data first. */
  shard(i: number): Uint8Array;
}

export interface IsaL extends CoderLibrary {
  stripe(d: number, p: number, shardBytes: number): IsaLStripe;
}

const libraryFile = "libisal.so.2";
/** Expanded multiplication tables of one coefficient. */
const tableBytes = 32;
const alignBytes = 64;
/** Between shards, as Mayfly does it: shards at distances of powers of two compete for the same cache sets. */
const stridePadBytes = 192;

export async function loadIsaL(): Promise<IsaL | Absent> {
  let koffi: typeof import("koffi");
  try {
    koffi = await import("koffi");
  } catch (thrown) {
    return { absent: `the npm package koffi cannot be loaded (${messageOf(thrown)}); run: npm ci` };
  }
  try {
    // Deep: Node's own OpenSSL exports a gf_mul too, which ISA-L would call instead of its own, and crash.
    const library = koffi.load(libraryFile, { deep: true });
    const functions: Functions = {
      gf_gen_rs_matrix: library.func("void gf_gen_rs_matrix(void *a, int m, int k)"),
      gf_invert_matrix: library.func("int gf_invert_matrix(void *in, void *out, int n)"),
      ec_init_tables: library.func("void ec_init_tables(int k, int rows, void *a, void *tables)"),
      ec_encode_data: library.func(
        "void ec_encode_data(int len, int k, int rows, void *tables, void *data, void *coding)",
      ),
    };
    return { stripe: (d, p, shardBytes) => createStripe(functions, koffi.address, d, p, shardBytes) };
  } catch (thrown) {
    return { absent: `${libraryFile} cannot be loaded (${messageOf(thrown)}); run: npm run install-peers` };
  }
}

function createStripe(
  isaL: Functions,
  addressOf: (bytes: Uint8Array) => bigint,
  d: number,
  p: number,
  shardBytes: number,
): IsaLStripe {
  const shards = d + p;
  const stride = shardBytes + stridePadBytes;
  // Outside of V8's heap: it stays where it is. `shard` holds it, and so does every `run` below, which shares its scope.
  const memory = new Uint8Array(shards * stride + alignBytes);
  const unaligned = Number(addressOf(memory) % BigInt(alignBytes));
  const base = unaligned === 0 ? 0 : alignBytes - unaligned;
  const shard = (i: number): Uint8Array => memory.subarray(base + i * stride, base + i * stride + shardBytes);
  for (let i = 0; i < d; i++) shard(i).set(systemRng.bytes(shardBytes));

  const matrix = new Uint8Array(shards * d);
  isaL.gf_gen_rs_matrix(matrix, shards, d);
  /** Makes shards `outputs` of the d shards `inputs`, by rows of d coefficients. */
  const combine = (coefficients: Uint8Array, inputs: readonly number[], outputs: readonly number[]): Work => {
    const tables = new Uint8Array(tableBytes * d * outputs.length);
    isaL.ec_init_tables(d, outputs.length, coefficients, tables);
    const pointers = (list: readonly number[]) => BigUint64Array.from(list, (i) => addressOf(shard(i)));
    const [from, to] = [pointers(inputs), pointers(outputs)];
    return {
      bytes: d * shardBytes,
      run: () => isaL.ec_encode_data(shardBytes, d, outputs.length, tables, from, to),
    };
  };

  const all = Array.from({ length: shards }, (_, i) => i);
  const encode = combine(matrix.slice(d * d), all.slice(0, d), all.slice(d));
  encode.run();
  // The first p shards are lost; the next d are enough to rebuild them.
  const inverse = new Uint8Array(d * d);
  if (isaL.gf_invert_matrix(matrix.slice(p * d, (p + d) * d), inverse, d) !== 0) {
    throw new RangeError(`ISA-L cannot rebuild the first ${p} shards of code ${d}+${p}`);
  }
  const decode = combine(inverse.slice(0, p * d), all.slice(p, p + d), all.slice(0, p));
  return { encode, decode, shard };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
