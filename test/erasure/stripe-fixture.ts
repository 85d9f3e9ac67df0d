import { seededRng } from "../../src/clock.ts";
import { encodeBitSliced } from "../../src/erasure/reference.ts";

/** A stripe in the middle of a memory whose other bytes are 0xa5. */
export interface Fixture {
  readonly d: number;
  readonly p: number;
  readonly base: number;
  readonly stride: number;
  readonly shardBytes: number;
  /** The whole memory, live. */
  readonly bytes: Uint8Array;
  /** The whole memory as it must be: random data, parity of the reference, guard bytes. */
  readonly expected: Uint8Array;
  /** Makes the memory as expected, but with other bytes in these shards. */
  spoil(shards: readonly number[]): void;
}

export interface FixtureOptions {
  readonly d: number;
  readonly p: number;
  readonly shardBytes: number;
  readonly base?: number;
  readonly stride?: number;
  readonly seed?: number;
}

export function placeStripe(memory: WebAssembly.Memory, options: FixtureOptions): Fixture {
  const { d, p, shardBytes, base = 1000, stride = shardBytes + 192, seed = 1 } = options;
  const rng = seededRng(seed);
  const bytes = new Uint8Array(memory.buffer);
  const data = Array.from({ length: d }, () => rng.bytes(shardBytes));
  const expected = new Uint8Array(bytes.length).fill(0xa5);
  [...data, ...encodeBitSliced(data, p)].forEach((shard, i) => {
    expected.set(shard, base + i * stride);
  });
  const spoil = (shards: readonly number[]): void => {
    bytes.set(expected);
    for (const shard of shards) bytes.set(rng.bytes(shardBytes), base + shard * stride);
  };
  return { d, p, base, stride, shardBytes, bytes, expected, spoil };
}

/** Compares the whole memory; toEqual would take long. */
export function isAsExpected({ bytes, expected }: Fixture): boolean {
  return Buffer.compare(bytes, expected) === 0;
}

/** Every set of 1 .. p of the d+p shards, in ascending order. */
export function lossPatterns(d: number, p: number): number[][] {
  const patterns: number[][] = [];
  const extend = (lost: readonly number[]): void => {
    if (lost.length > 0) patterns.push([...lost]);
    if (lost.length === p) return;
    for (let shard = (lost.at(-1) ?? -1) + 1; shard < d + p; shard++) extend([...lost, shard]);
  };
  extend([]);
  return patterns;
}

/** Every code with p = 1 .. 4 of at most `shardsMax` shards. */
export function smallCodes(shardsMax: number): { d: number; p: number }[] {
  return [1, 2, 3, 4].flatMap((p) => Array.from({ length: shardsMax - p }, (_, i) => ({ d: i + 1, p })));
}
