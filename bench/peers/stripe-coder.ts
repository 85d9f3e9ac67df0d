/** What a Reed-Solomon library is as a peer of Mayfly's codec. */
import type { Work } from "../harness/throughput.ts";

/** Coding of one stripe that stays in its memory. Both works count the bytes of its data shards. */
export interface StripeCoder {
  /** Writes the p parity shards. */
  readonly encode: Work;
  /** Rebuilds the first p data shards from all others; how the loss is repaired is worked out beforehand where the library can. */
  readonly decode: Work;
}

export interface CoderLibrary {
  /** A stripe of `d`+`p` shards of `shardBytes` each, a multiple of 128, p at most d, with random data. */
  stripe(d: number, p: number, shardBytes: number): StripeCoder;
}
